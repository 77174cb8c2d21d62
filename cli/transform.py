"""`landfall transform`: the engine alone, on local files."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from cli import exit_codes
from cli.errors import CliError, reported

if TYPE_CHECKING:
    from include.engine.account import Manifest
    from include.engine.run import Input, Progress, Secrets
    from include.spec.dataset import Dataset

STDIN = "-"


@reported
def transform(
    files: Annotated[list[str], typer.Argument(help="Local files; - reads standard input.")],
    contract: Annotated[Path, typer.Option(help="The data contract (contract.yaml).")],
    pipeline: Annotated[Path, typer.Option(help="How it gets in (pipeline.yaml); reference files lie beside it.")],
    out: Annotated[Path, typer.Option(help="Folder for the Parquet files and the manifest; made where missing.")],
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE=FILE", help="What a table holds that the pipeline enriches from, as CSV."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the row accounting as one JSON document.")] = False,
) -> None:
    """Run the engine on files, without Airflow or a cloud: good rows, quarantine and manifest go to a folder.

    Masks take their key from LANDFALL_MASK_KEY; quarantined bytes of datasets with masks are encrypted with
    LANDFALL_RAW_KEY. Ends with 1 when a file is held as a whole; quarantined records alone are no failure.
    """
    from cli.show import print_json

    dataset = read_spec(contract, pipeline)
    inputs = _inputs(files)
    references = _references(dataset, pipeline.parent, reference or ())
    secrets = secrets_from(os.environ, dataset)
    manifest = _run(dataset, inputs, out, references, secrets)
    if json:
        print_json(_as_json(manifest))
    else:
        _print(manifest, out)
    if any(file.state == "held" for file in manifest.files):
        raise typer.Exit(exit_codes.PROBLEMS)


def read_spec(contract: Path, pipeline: Path) -> Dataset:
    """Read a contract and a pipeline that need not lie in a dataset folder.

    Raises:
        CliError: a file is missing, or there are problems; all of them are in the message.
    """
    from include.spec.dataset import CONTRACT, PIPELINE, build_dataset
    from include.spec.errors import SpecError

    paths = {CONTRACT: contract, PIPELINE: pipeline}
    texts = {}
    for name, path in paths.items():
        try:
            texts[name] = path.read_bytes()
        except OSError as error:
            raise CliError(f"{path}: cannot be read ({error.strerror})", exit_codes.USAGE) from error
    folder = pipeline.resolve().parent.name
    name = re.sub(r"[^a-z0-9_]+", "_", folder.lower()).strip("_")
    try:
        return build_dataset(name if name[:1].isalpha() else f"dataset_{name}"[:63], texts)
    except SpecError as error:
        named = [dataclasses.replace(p, file=str(paths[p.file.rpartition("/")[2]])) for p in error.problems]
        listed = "\n".join(f"  {problem}" for problem in named)
        raise CliError(f"contract or pipeline cannot be used:\n{listed}", exit_codes.PROBLEMS) from error


def _references(dataset: Dataset, folder: Path, given: Sequence[str]) -> dict[str, Path]:
    enrich = dataset.pipeline.enrich
    tables = dict(_table_file(text) for text in given)
    stray = sorted(tables.keys() - {enrich.table if enrich else None})
    if stray:
        message = f"--reference {stray[0]}: the pipeline enriches from no table of this name"
        raise CliError(f"{message}; leave the option out", exit_codes.USAGE)
    if enrich is None:
        return {}
    if enrich.table and enrich.table not in tables:
        message = f"the pipeline enriches from the table {enrich.table}, and no warehouse is asked here"
        fix = f"give what it holds, as CSV with a header: --reference {enrich.table}=FILE"
        raise CliError(f"{message}; {fix}", exit_codes.USAGE)
    path = tables[enrich.table] if enrich.table else folder / enrich.with_
    if not path.is_file():
        fix = "name a CSV file" if enrich.table else "put it beside the pipeline"
        message = f"{path}: the pipeline enriches from this file, and it is not there; {fix}"
        raise CliError(message, exit_codes.PROBLEMS)
    return {enrich.with_: path}


def _table_file(text: str) -> tuple[str, Path]:
    table, _, file = text.partition("=")
    if not file:
        message = f"--reference {text}: write the table, = and a file: --reference crm.customers=customers.csv"
        raise CliError(message, exit_codes.USAGE)
    return table.removeprefix("table:"), Path(file)


def secrets_from(environ: Mapping[str, str], dataset: Dataset) -> Secrets:
    """Read the engine's two keys from the environment.

    Raises:
        CliError: a mask needs a key and there is none, or a raw key is no Fernet key.
    """
    from include.engine.run import Secrets

    mask, raw = environ.get("LANDFALL_MASK_KEY", ""), environ.get("LANDFALL_RAW_KEY", "")
    hashed = [name for name, how in dataset.pipeline.mask.items() if how == "sha256"]
    if hashed and not mask:
        raise CliError(
            f"the mask of {', '.join(hashed)} needs a key: set LANDFALL_MASK_KEY to a secret of your own, "
            "and keep it: another key gives other masked values",
            exit_codes.USAGE,
        )
    if raw:
        _check_raw_key(raw)
    return Secrets(mask_key=mask.encode() or None, raw_key=raw.encode() or None)


def _check_raw_key(key: str) -> None:
    from include.engine.raw_keys import raw_cipher

    try:
        raw_cipher(key.encode())
    except ValueError as error:
        make = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        what = "LANDFALL_RAW_KEY is no Fernet key (32 bytes in URL-safe base64), nor a list of them"
        raise CliError(f"{what}; make one with: {make}", exit_codes.USAGE) from error


def _inputs(files: Sequence[str]) -> list[Input]:
    twice = sorted({file for file in files if files.count(file) > 1})
    if twice:
        raise CliError(f"{', '.join(twice)}: is named more than once", exit_codes.USAGE)
    return [_input(file) for file in files]


def _input(file: str) -> Input:
    from include.engine.run import Input
    from include.ledger.identity import content_hash

    if file == STDIN:
        return Input(file_id=content_hash(b"stdin"), uri="stdin", open=_open_stdin)
    path = Path(file)
    if path.is_dir() or not os.access(path, os.R_OK):
        what = "is a folder" if path.is_dir() else "is not there" if not path.exists() else "may not be read"
        raise CliError(f"{file}: {what}; name files", exit_codes.USAGE)
    size = path.stat().st_size if path.is_file() else None
    return Input(
        file_id=content_hash(str(path.resolve()).encode()),
        uri=file,
        open=functools.partial(_open_file, path),
        size=size,
    )


def _open_file(path: Path) -> BinaryIO:
    return path.open("rb")


def _open_stdin() -> BinaryIO:
    return sys.stdin.buffer


def _run(
    dataset: Dataset, inputs: Sequence[Input], out: Path, references: dict[str, Path], secrets: Secrets
) -> Manifest:
    from include.engine.errors import EngineError, TransientEngineError
    from include.engine.run import transform as run_engine

    try:
        out.mkdir(parents=True, exist_ok=True)
        with _bar(inputs) as progress:
            return run_engine(dataset, inputs, out, references=references, secrets=secrets, progress=progress)
    except EngineError as error:
        code = exit_codes.FAILED if isinstance(error, TransientEngineError) else exit_codes.PROBLEMS
        raise CliError(str(error), code) from error
    except OSError as error:
        where = error.filename or out
        raise CliError(f"{where}: {error.strerror or error}; nothing was finished", exit_codes.FAILED) from error


def _as_json(manifest: Manifest) -> dict[str, Any]:
    from cli.show import COUNTS

    counts = {name: getattr(manifest, name) for name in COUNTS}
    return counts | {"files": [dataclasses.asdict(file) for file in manifest.files]}


def _print(manifest: Manifest, out: Path) -> None:
    from cli.show import accounting, console, plain

    screen = console()
    screen.print(accounting("", [(file.uri, file) for file in manifest.files]))
    for file in manifest.files:
        for line in ([file.reason.message] if file.reason else []) + list(file.notes):
            screen.print(f"  {plain(file.uri)}: {plain(line)}", soft_wrap=True)
    if manifest.rules:
        screen.print("[bold]why records were put aside[/]")
    for rule, count in sorted(manifest.rules.items(), key=lambda item: -item[1]):
        screen.print(f"  {count:>9,}  {plain(rule)}", soft_wrap=True)
    parts = ", ".join((*manifest.good, *manifest.quarantine, "manifest.json"))
    screen.print(f"in {plain(str(out))}: {plain(parts)}", soft_wrap=True)


@contextlib.contextmanager
def _bar(inputs: Sequence[Input]) -> Iterator[Callable[[Progress], None] | None]:
    """Show a bar with records per second on a terminal; elsewhere nothing is told."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from cli.show import console, plain

    screen = console(error=True)
    if not screen.is_terminal:
        yield None
        return
    sizes = [item.size for item in inputs]
    total = sum(size or 0 for size in sizes) if None not in sizes else None
    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), rate, TimeRemainingColumn())
    began = time.monotonic()
    with Bar(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("reading", total=total, rate="")

        def tell(progress: Progress) -> None:
            before = sum(size or 0 for size in sizes[: progress.files_done])
            rate = progress.records / max(time.monotonic() - began, 0.001)
            file = f"{progress.files_done + 1}/{progress.files} {plain(Path(progress.uri).name)}"
            shown = f"{progress.records:,} records, {rate:,.0f}/s"
            bar.update(task, completed=before + progress.bytes_read, description=file, rate=shown)

        yield tell

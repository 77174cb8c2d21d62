"""`landfall status`: what became of which file, and what waits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli import exit_codes
from cli.errors import CliError, reported

if TYPE_CHECKING:
    from cli.ledger import LedgerFile
    from include.spec.dataset import Dataset


@reported
def status(
    dataset: Annotated[str | None, typer.Argument(help="Name of a dataset; without it, every dataset.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Show so many files at most, latest first.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show files, their states and their row accounting, as the ledger has them; and what waits.

    What waits: held files, dead letters, quarantined records that were not replayed, and sets in the landing bucket
    that are not complete; each with the command that deals with it. Ends with 3 when there is no file at all.
    """
    from cli.clients import bigquery_client
    from cli.folders import chosen_folders, settings
    from cli.ledger import LedgerReader
    from cli.show import print_json
    from cli.waiting import advice, find_waiting, print_waiting

    if dataset:
        chosen_folders([dataset])
    deployment = settings()
    reader = LedgerReader(bigquery_client(deployment), deployment)
    known = reader.exists()
    files = reader.files(dataset or "", limit) if known else []
    waiting, unknown = find_waiting(reader if known else None, _datasets(dataset), dataset or "")
    if json:
        listed = [{**dataclasses.asdict(file), "advice": advice(file.state, file.name, file.dataset)} for file in files]
        print_json({"files": listed, "waiting": [item.as_json() for item in waiting], "unknown": unknown})
    else:
        print_files(files)
        print_waiting(waiting, unknown)
    if not files and not waiting:
        of = f" of {dataset}" if dataset else ""
        message = f"the ledger knows no file{of} yet; `landfall ingest DATASET FILE` brings one in"
        raise CliError(message, exit_codes.NOTHING)


def _datasets(wanted: str | None) -> list[Dataset]:
    """Return the datasets that can be read; what is wrong with the others, `landfall check` says."""
    from cli.folders import chosen_folders
    from include.spec.dataset import list_folders, load_dataset
    from include.spec.errors import SpecError
    from include.spec.settings import datasets_folder

    found = []
    for folder in chosen_folders([wanted]) if wanted else list_folders(datasets_folder()):
        try:
            found.append(load_dataset(folder, rules=False))
        except SpecError:
            continue
    return found


def print_files(files: Sequence[LedgerFile]) -> None:
    """Print the files of each dataset, latest first; the reasons of those held stand below."""
    from cli.show import COUNTS, console, plain, state, table, when

    out = console()
    for dataset in sorted({file.dataset for file in files}):
        listed = table(dataset, ["file", "state", "when"], COUNTS)
        mine = [file for file in files if file.dataset == dataset]
        for file in mine:
            counts = (f"{getattr(file, name):,}" for name in COUNTS)
            listed.add_row(plain(file.name), state(file.state), when(file.at), *counts)
        out.print(listed)
        for file in mine:
            if file.reason:
                out.print(f"  {plain(file.name)}: {plain(file.reason)}", soft_wrap=True)

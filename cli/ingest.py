"""`landfall ingest`: drop, run the DAG, and say what became of every record."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import exit_codes
from cli.errors import CliError, reported

if TYPE_CHECKING:
    from rich.console import Console

    from cli.dagtest import Step
    from cli.drop import Dropped
    from cli.ledger import LedgerFile


@reported
def ingest(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset.")],
    files: Annotated[list[Path], typer.Argument(help="Local files.")],
    named: Annotated[
        str | None, typer.Option("--as", help="Name of the object, for a single file.", metavar="NAME")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Drop files, run the dataset's DAG once on them (`airflow dags test`), and print the row accounting.

    Needs Airflow's settings in the environment, as `source local/env.sh` sets them. Ends with 5 when the run
    fails, with 1 when a file is held, with 3 when the run took none of the files.
    """
    from cli.drop import drop_files
    from cli.folders import read_dataset
    from cli.show import console

    require_airflow()
    spec = read_dataset(dataset)
    # The DAG waits for the marker where the dataset has one, and these files are all there are.
    dropped = drop_files(spec, files, named=named, complete=spec.pipeline.source.complete == "marker")
    log = Path(os.environ["AIRFLOW_HOME"]) / "landfall" / f"ingest_{dataset}.log"
    well = _run(f"ingest_{dataset}", [file.name for file in dropped], log, console(error=True))
    accounts = _accounts(dataset, dropped)
    _print(dataset, accounts, json)
    _end(dataset, dropped, accounts, well, log)


def require_airflow() -> None:
    """Refuse to go on where no Airflow is set up.

    Raises:
        CliError: it is not.
    """
    from cli.clients import LOCAL

    if not os.environ.get("AIRFLOW_HOME"):
        message = f"AIRFLOW_HOME is not set, so it is not known which Airflow is to run the DAG. {LOCAL}"
        raise CliError(message, exit_codes.UNREACHABLE)


def _run(dag_id: str, names: list[str], log: Path, out: Console) -> bool:
    from cli.dagtest import run_dags

    with out.status(f"{dag_id}: Airflow is starting") as shown:

        def tell(step: Step) -> None:
            if step.task and step.phase == "started":
                shown.update(f"{dag_id}: {step.task}")
            elif step.task and sys.stderr.isatty():
                out.print(f"[dim]{step.task}: {step.state}[/]")

        return run_dags([dag_id], log, tell, conf={"files": names})[dag_id]


def _accounts(dataset: str, dropped: Sequence[Dropped]) -> list[LedgerFile]:
    from cli.clients import bigquery_client
    from cli.folders import settings
    from cli.ledger import LedgerReader

    deployment = settings()
    reader = LedgerReader(bigquery_client(deployment), deployment)
    if not reader.exists():
        return []
    wanted = {(file.name, file.generation) for file in dropped}
    found = reader.versions(dataset, dropped[0].bucket, [file.name for file in dropped])
    return [file for file in found if (file.name, file.generation) in wanted]


def _print(dataset: str, accounts: Sequence[LedgerFile], json: bool) -> None:
    from cli.show import accounting, console, plain, print_json

    if json:
        print_json({"dataset": dataset, "files": [dataclasses.asdict(file) for file in accounts]})
    elif accounts:
        out = console()
        out.print(accounting(dataset, [(file.name, file) for file in accounts]))
        for file in accounts:
            if file.reason:
                out.print(f"  {plain(file.name)}: {plain(file.reason)}", soft_wrap=True)


def _end(dataset: str, dropped: Sequence[Dropped], accounts: Sequence[LedgerFile], well: bool, log: Path) -> None:
    from cli.dagtest import reasons
    from include.ledger.states import is_final

    if not well:
        why = "".join(f"\n  {line}" for line in reasons(log))
        raise CliError(f"the run of ingest_{dataset} failed; Airflow's log is {log}{why}", exit_codes.FAILED)
    done = {file.name for file in accounts if is_final(file.state)}
    missing = sorted(file.name for file in dropped if file.name not in done)
    if missing:
        raise CliError(f"the run did not take {', '.join(missing)}; its log is {log}", exit_codes.NOTHING)
    if any(file.state == "held" for file in accounts):
        raise CliError("a file is held: nothing of it was loaded; mend it and drop it again", exit_codes.PROBLEMS)

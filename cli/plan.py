"""`landfall plan`: what the next run would do with what lies in the landing bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import exit_codes
from cli.errors import CliError, reported

if TYPE_CHECKING:
    from include.ledger.estimate import Estimate
    from include.ledger.landing import Landed
    from include.ledger.plan import PlannedBatch
    from include.spec.dataset import Dataset
    from landfall.gcp.landing import Findings

# What a run does with files that it does not load, by their place in the JSON document.
_OTHERS = {
    "held": "would be held",
    "turned_away": "would be turned away, as new versions of loaded files",
    "dead_lettered": "would be dead-lettered, after too many failures",
    "left_behind": "would be moved to the archive, being done",
    "leased": "would be left to another run, unless that has ended",
}
_SHOWN = 20


@reported
def plan(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document, with every file.")] = False,
) -> None:
    """Show what the next run would do with what lies in the landing bucket: its batches, where each is transformed
    and why, and what that would cost by the function and on Dataflow, by estimate. Nothing is changed.

    Ends with 3 when a run would have nothing to do.
    """
    from cli.folders import read_dataset
    from cli.show import print_json

    given = read_dataset(dataset)
    found = _found(given)
    report = make_report(given, found)
    if json:
        print_json(report)
    else:
        _print(report)
    if not found.needs_run:
        raise CliError(f"a run of {dataset} would have nothing to do", exit_codes.NOTHING)


def _found(dataset: Dataset) -> Findings:
    from cli.clients import bigquery_client, looking_site
    from cli.folders import settings
    from cli.ledger import LedgerReader
    from landfall.errors import TerminalFailure, TransientFailure
    from landfall.gcp.landing import look

    deployment = settings()
    reader = LedgerReader(bigquery_client(deployment), deployment)
    if reader.exists() and not reader.is_current():
        message = (
            "the ledger is of an older release, so what is loaded cannot be told; the next run brings it up to date"
        )
        raise CliError(message, exit_codes.PROBLEMS)
    try:
        return look(looking_site(dataset.name), run_id="landfall-plan", ended=lambda _run_id: False)
    except TransientFailure as error:
        raise CliError(str(error), exit_codes.UNREACHABLE) from error
    except TerminalFailure as error:
        raise CliError(str(error), exit_codes.FAILED) from error


def make_report(dataset: Dataset, found: Findings) -> dict[str, Any]:
    """Return what a run would do, as JSON holds it.

    Args:
        dataset: the files' dataset.
        found: what lies in the landing bucket.
    """
    from include.ledger.estimate import prices
    from include.ledger.plan import make_plan

    # What names a batch, references and the function's engine among it, decides nothing that is shown here.
    planned = make_plan(
        dataset, found.open, run_id="landfall-plan", references={}, force=False, vouched=found.vouched,
        released=found.taken.released, alone=found.taken.failed,
    )  # fmt: skip
    table = prices()
    return {
        "dataset": dataset.name,
        "batches": [_batch(dataset, batch) for batch in planned.batches],
        "later": planned.later,
        "held": [{**_file(item.file), "reason": item.reason} for item in found.held],
        "turned_away": [_file(item) for item in found.taken.turned_away],
        "dead_lettered": [_file(item) for item in found.taken.dead],
        "left_behind": [_file(item) for item in found.taken.left_behind],
        "leased": [_file(item) for item in found.taken.leased],
        "waiting": [str(item) for item in found.waiting],
        "prices": {
            "currency": table.currency,
            "region": table.region,
            **{
                name: {"source": tariff.source, "as_of": tariff.as_of}
                for name, tariff in (("function", table.function), ("dataflow", table.dataflow))
            },
        },
    }


def _batch(dataset: Dataset, batch: PlannedBatch) -> dict[str, Any]:
    from include.ledger.estimate import by_dataflow, by_function
    from include.ledger.runner import choose

    return {
        "batch": batch.number,
        "files": [{"uri": file.uri, "generation": file.generation, "size": file.size} for file in batch.files],
        "bytes": sum(file.size for file in batch.files),
        "runner": batch.runner,
        "reason": batch.reason,
        "shards": choose(dataset, batch.files).shards,
        "estimates": {
            "function": _estimate(by_function(dataset, batch.files)),
            "dataflow": _estimate(by_dataflow(dataset, batch.files)),
        },
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "usd": round(estimate.usd, 6),
        "seconds": round(estimate.seconds, 1),
        "possible": estimate.possible,
        **{unit: round(used, 6) for unit, used in estimate.uses.items()},
    }


def _file(landed: Landed) -> dict[str, Any]:
    uri = f"gs://{landed.bucket}/{landed.name}"
    return {"uri": uri, "generation": landed.generation, "size": landed.size}


def _print(report: Mapping[str, Any]) -> None:
    from cli.show import console, plain

    out = console()
    if report["batches"]:
        _print_batches(report)
    if report["later"]:
        out.print(f"{report['later']:,} files more than a run takes are left to the next")
    for name, what in _OTHERS.items():
        files: Sequence[Mapping[str, Any]] = report[name]
        if not files:
            continue
        out.print(f"[bold]{len(files):,} file{'s' if len(files) > 1 else ''}[/] {what}", soft_wrap=True)
        for file in files[:_SHOWN]:
            why = f": {file['reason']}" if "reason" in file else ""
            out.print(f"  {plain(file['uri'] + why)}", soft_wrap=True)
        if len(files) > _SHOWN:
            out.print(f"  and {len(files) - _SHOWN:,} more; --json names them all")
    for line in report["waiting"]:
        out.print(plain(line), soft_wrap=True)


def _print_batches(report: Mapping[str, Any]) -> None:
    from cli.show import console, plain, table

    out = console()
    batches = report["batches"]
    title = f"{report['dataset']}: what the next run would load"
    listed = table(title, ["batch", "by"], ["files", "bytes", "shards", "function", "Dataflow"])
    for batch in batches:
        costs = (_cost(batch["estimates"][choice]) for choice in ("function", "dataflow"))
        counts = (f"{len(batch['files']):,}", f"{batch['bytes']:,}", f"{batch['shards']:,}")
        listed.add_row(str(batch["batch"]), batch["runner"], *counts, *costs)
    out.print(listed)
    for batch in batches:
        first = batch["files"][0]["uri"]
        more = f" and {len(batch['files']) - 1:,} more" if len(batch["files"]) > 1 else ""
        text = f"batch {batch['batch']}, {first}{more}: by {batch['runner']}: {batch['reason']}"
        out.print(f"  {plain(text)}", soft_wrap=True)
    prices = report["prices"]
    out.print(
        f"By estimate, in {prices['currency']}: list prices of {prices['region']}, {prices['function']['as_of']}"
        f" (function) and {prices['dataflow']['as_of']} (Dataflow), times the pace that was measured for CSV.",
        soft_wrap=True,
    )


def _cost(estimate: Mapping[str, Any]) -> str:
    if not estimate["possible"]:
        return "too long"
    return f"{estimate['usd']:.4f}" if estimate["usd"] >= 0.0001 else "< 0.0001"

"""`landfall replay`: tries quarantined records again under today's contract."""

from __future__ import annotations

import json as json_text
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import exit_codes
from cli.errors import CliError, reported

if TYPE_CHECKING:
    from include.ledger.choice import Choice
    from include.ledger.plan import Plan
    from landfall.gcp.landing import Site

# Each waits for a function of its own.
_AT_ONCE = 4


@reported
def replay(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset.")],
    rule: Annotated[str, typer.Option(help="Only records that broke this rule: type, or type.price.")] = "",
    column: Annotated[str, typer.Option(help="Only records of which a reason is about this column.")] = "",
    file: Annotated[str, typer.Option(help="Only records of this object: its name, or the end of it.")] = "",
    since: Annotated[str, typer.Option(help="Only records quarantined then or later (ISO 8601).")] = "",
    until: Annotated[str, typer.Option(help="Only records quarantined before (ISO 8601).")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most records, of the oldest files first.")] = 10_000,
    whole_files: Annotated[
        bool, typer.Option("--whole-files", help="With --apply, also release held files and retry dead letters.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Load what passes; else only say what would.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Try quarantined records again under today's contract; with --apply, load those that pass, once.

    What fails again goes back to quarantine with its new reasons. Needs Airflow's settings in the environment, as
    `source local/env.sh` sets them. Ends with 1 when some records could not be tried, with 3 when none is as chosen.
    """
    from cli.folders import read_dataset
    from cli.ingest import require_airflow
    from cli.show import print_json

    require_airflow()
    read_dataset(dataset)
    choice = _choice(dataset, rule, column, file, _moment(since, "--since"), _moment(until, "--until"), limit)
    report = _replayed(choice, dry_run=not apply, whole_files=whole_files and apply)
    if json:
        print_json(report)
    else:
        _print(report)
    _end(report)


def _moment(text: str, option: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        message = f"{option} {text}: is no moment; write it as 2026-01-31 or 2026-01-31T12:00:00+00:00"
        raise CliError(message, exit_codes.USAGE) from error


def _choice(
    dataset: str, rule: str, column: str, file: str, since: datetime | None, until: datetime | None, limit: int
) -> Choice:
    from include.ledger.choice import Choice

    return Choice(dataset=dataset, rule=rule, column=column, file=file, since=since, until=until, limit=limit)


def _replayed(choice: Choice, *, dry_run: bool, whole_files: bool) -> dict[str, Any]:
    """Replay below Airflow, with the code of the DAG's tasks."""
    from cli.show import console
    from landfall.errors import TerminalFailure, TransientFailure
    from landfall.gcp.landing import Site
    from landfall.gcp.replay import free_whole_files, plan_replay, refuse_if_all_gone, settle_replay

    run_id = f"landfall-replay-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    with console(error=True).status("choosing records") as shown:
        try:
            site = Site.of(choice.dataset)
            freed = free_whole_files(site, choice, run_id) if whole_files else 0
            plan = plan_replay(site, choice, run_id=run_id, dry_run=dry_run)
            if plan is None:
                message = f"no open quarantined record of {choice.dataset} is as chosen"
                more = f"; {freed} files are freed for its next run" if freed else ""
                raise CliError(message + more, exit_codes.NOTHING)
            refuse_if_all_gone(plan)
            done = _transformed(site, plan, shown.update)
            shown.update("deciding" if dry_run else "committing")
            return settle_replay(site, plan, done)
        except (TerminalFailure, TransientFailure) as error:
            raise CliError(str(error), exit_codes.FAILED) from error


def _transformed(site: Site, plan: Plan, tell: Callable[[str], None]) -> dict[int, str]:
    """Have the batches transformed; batch number to manifest, of those that could be."""
    from landfall.errors import TerminalFailure, TransientFailure
    from landfall.gcp.transform import transform_batch

    count = len(plan.batches)
    done: dict[int, str] = {}
    failures: list[Exception] = []
    tell(f"transforming 1 of {count} batches")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = {batch.number: pool.submit(transform_batch, site, plan, batch, 1) for batch in plan.batches}
        for number, result in waiting.items():
            try:
                done[number] = result.result()["manifest"]
            except (TerminalFailure, TransientFailure) as error:
                failures.append(error)
            tell(f"transforming {min(len(done) + len(failures) + 1, count)} of {count} batches")
    if not done:
        raise failures[0]
    return done


def _print(report: Mapping[str, Any]) -> None:
    from cli.show import console, plain, table

    out = console()
    title = f"{report['dataset']}: {report['chosen']:,} records, " + ("dry run" if report["dry_run"] else "replayed")
    listed = table(title, ["what they broke", "would become" if report["dry_run"] else "became"], ["records"])
    for rule, counts in report["rules"].items():
        for outcome, count in counts.items():
            listed.add_row(plain(rule), outcome, f"{count:,}")
    listed.add_section()
    for outcome, count in report["outcomes"].items():
        if count:
            listed.add_row("all", outcome, f"{count:,}", style="bold")
    out.print(listed)
    for sample in report["samples"]:
        out.print(f"[bold]{sample['outcome']}[/] {plain(sample['uri'])}:{sample['line']}", soft_wrap=True)
        out.print(f"  {plain(sample['text'] or '')}", soft_wrap=True)
        for reason in json_text.loads(sample["reasons"] or "[]"):
            out.print(f"  {plain(reason['rule'])}: {plain(reason['message'])}", soft_wrap=True)
    for item in report["whole_files"]:
        why = f"{plain(item['uri'])} is {item['state']} as a whole (--whole-files): {plain(item['reason'] or '')}"
        out.print(f"[yellow]{why}[/]", soft_wrap=True)
    for uri, count in report["restored"].items():
        out.print(f"{plain(uri)} is gone; {count:,} records of it were read from the quarantine", soft_wrap=True)
    if report["dry_run"] and report["outcomes"]["loaded"]:
        out.print("nothing was changed; --apply loads what passes", soft_wrap=True)


def _end(report: Mapping[str, Any]) -> None:
    from landfall.gcp.replay import complaints

    wrong = complaints(report)
    if wrong:
        raise CliError("\n".join(wrong), exit_codes.PROBLEMS)

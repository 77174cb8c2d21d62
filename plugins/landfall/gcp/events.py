"""Writes to the ledger what becomes of files outside of a commit; one job, however many files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from include.crashpoints import boundary

if TYPE_CHECKING:
    from include.ledger.plan import PlannedFile
    from include.ledger.states import FileState
    from landfall.gcp.landing import Site


def write_events(
    site: Site, run_id: str, state: FileState, files: Iterable[tuple[PlannedFile, str | None, str | None]]
) -> None:
    """Write that files are in a state.

    Args:
        run_id: the run that says so.
        state: one in which nothing of a file is counted.
        files: each with its batch's id and the reason, where there is one.
    """
    from include.ledger.queries import EVENT_TYPES, event_sql
    from landfall.gcp.warehouse import Structs

    rows = [
        {**file.model_dump(include=set(EVENT_TYPES)), "batch_id": batch, "reason": reason}
        for file, batch, reason in files
    ]
    parameters = {"dataset": site.dataset.name, "run_id": run_id, "files": Structs(EVENT_TYPES, rows)}
    with boundary("ledger.events"):
        site.warehouse.change(event_sql(site.ledger, state), parameters)


def let_go(site: Site, run_id: str, reasons: Mapping[str, str]) -> None:
    """Write that a run lets go of files, so that the next run need not wait for the end of this one's lease.

    Args:
        run_id: the run that had taken them; files that another has taken or settled since are left as they are.
        reasons: file id to the reason.
    """
    from include.ledger.queries import let_go_sql

    if reasons:
        with boundary("ledger.let_go"):
            site.warehouse.change(let_go_sql(site.ledger), _reasons(site, run_id, reasons))


def decide(site: Site, run_id: str, state: FileState, reasons: Mapping[str, str]) -> None:
    """Write what was decided of files; those that may not go to this state any more are left as they are.

    Args:
        run_id: the run that says so, or what stands for a person at a terminal.
        reasons: file id to the reason.
    """
    from include.ledger.queries import decide_sql

    if reasons:
        with boundary("ledger.decide"):
            site.warehouse.change(decide_sql(site.ledger, state), _reasons(site, run_id, reasons))


def note_retried(site: Site, run_id: str, reasons: Mapping[str, str]) -> None:
    """Write to dead letters that they were moved back; they stay dead letters, for what was moved is a new version."""
    from include.ledger.queries import decide_sql
    from include.ledger.states import FileState

    state = FileState.DEAD_LETTERED
    with boundary("ledger.retried"):
        site.warehouse.change(decide_sql(site.ledger, state, {state}), _reasons(site, run_id, reasons))


def _reasons(site: Site, run_id: str, reasons: Mapping[str, str]) -> dict[str, Any]:
    from include.ledger.queries import REASON_TYPES
    from landfall.gcp.warehouse import Structs

    rows = [{"file_id": name, "why": why} for name, why in sorted(reasons.items())]
    return {"dataset": site.dataset.name, "run_id": run_id, "files": Structs(REASON_TYPES, rows)}

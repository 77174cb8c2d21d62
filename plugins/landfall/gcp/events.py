"""Writes to the ledger what becomes of files outside of a commit; one job, however many files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

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


def let_go(site: Site, run_id: str, files: Iterable[PlannedFile], reason: str) -> None:
    """Write that a run lets go of files, so that the next run need not wait for the end of this one's lease.

    Args:
        run_id: the run that had taken them; files that another has taken or settled since are left as they are.
    """
    from include.ledger.queries import let_go_sql

    ids = sorted(file.file_id for file in files)
    if ids:
        parameters = {"dataset": site.dataset.name, "run_id": run_id, "ids": ids, "reason": reason}
        with boundary("ledger.let_go"):
            site.warehouse.change(let_go_sql(site.ledger), parameters)

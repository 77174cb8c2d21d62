"""Puts aside the files that have failed too often, each with an envelope that says why and how to try it again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.crashpoints import boundary
from landfall.gcp.archive import move_files
from landfall.notifiers.settled import tell_dead_lettered

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.plan import PlannedFile
    from include.ledger.taking import Known
    from landfall.gcp.landing import Site

log = logging.getLogger(__name__)


def bury(
    context: Context, site: Site, groups: Iterable[Sequence[PlannedFile]], *, let_go: bool = False
) -> list[PlannedFile]:
    """Make dead letters of files that have failed too often; returns them.

    The envelope comes first and the move last: a file that was recorded and not moved is moved by a later run.

    Args:
        groups: files that go together or not at all: a set, or a file by itself.
        let_go: only files that no run has taken.
    """
    from include.ledger.dead_letters import dead_letter_uri
    from include.ledger.states import FileState
    from landfall.gcp.landing import ask_states

    groups = list(groups)
    if not groups:
        return []
    names = (file.name for group in groups for file in group)
    known = {item.file_id: item for item in ask_states(site, groups[0][0].bucket, names)}
    due = {name for name, item in known.items() if _is_due(site, item, let_go)}
    dead = [file for group in groups if all(file.file_id in due for file in group) for file in group]
    fresh = [file for file in dead if known[file.file_id].state != FileState.DEAD_LETTERED]
    if fresh:
        _record(context, site, fresh)
    move_files(site, dead, lambda file: dead_letter_uri(site.settings.archive, site.dataset.name, file))
    return dead


def _is_due(site: Site, known: Known, let_go: bool) -> bool:
    from include.ledger.dead_letters import is_due
    from include.ledger.states import FileState, starts_of

    if let_go and known.holder is not None:
        return False
    if known.state == FileState.DEAD_LETTERED:
        return True
    attempts = site.dataset.pipeline.retry.attempts
    return known.state in starts_of(FileState.DEAD_LETTERED) and is_due(known, attempts)


def _record(context: Context, site: Site, files: Sequence[PlannedFile]) -> None:
    """Write the envelopes, tell, and write the ledger's rows."""
    from include.ledger.dead_letters import dead_letter_uri, retry_command
    from include.ledger.queries import failures_sql
    from include.ledger.states import FileState
    from landfall.gcp.events import decide

    parameters = {"dataset": site.dataset.name, "ids": sorted(file.file_id for file in files)}
    failures: dict[str, list[Mapping[str, Any]]] = {}
    for row in site.warehouse.query(failures_sql(site.ledger), parameters):
        failures.setdefault(row["file_id"], []).append(row)
    when = datetime.now(UTC)
    site.storage.at_once(lambda file: _write(site, file, failures.get(file.file_id, ()), when), files)
    reasons = {}
    for file in files:
        own = failures[file.file_id]
        uri = dead_letter_uri(site.settings.archive, site.dataset.name, file)
        then = f"Mend the cause, then: {retry_command(site.dataset.name, file.file_id)}"
        reasons[file.file_id] = f"{own[-1]['reason']}. It failed in {len(own)} runs and lies at {uri}. {then}"
    for file in files:
        log.error("%s, generation %d, is a dead letter. %s", file.uri, file.generation, reasons[file.file_id])
    tell_dead_lettered(context, site.dataset, {file.uri: reasons[file.file_id] for file in files})
    decide(site, context["run_id"], FileState.DEAD_LETTERED, reasons)


def _write(site: Site, file: PlannedFile, failures: Iterable[Mapping[str, Any]], when: datetime) -> None:
    from include.ledger.dead_letters import dead_letter_uri, envelope

    uri = dead_letter_uri(site.settings.archive, site.dataset.name, file)
    content = envelope(site.dataset.name, file, failures, uri=uri, when=when)
    with boundary("dead_letter.envelope"):
        site.storage.write(f"{uri}.json", content)

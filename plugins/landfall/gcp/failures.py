"""What is known of a batch that failed: in `transform`, which notes it in the work bucket, or in `load`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from include.crashpoints import boundary
from include.functions.failures import NOT_THE_BATCH
from include.ledger.dead_letters import failure_reason
from include.ledger.identity import content_hash
from landfall.errors import Failure, Missing, ServiceDown, TerminalFailure, TransientFailure

if TYPE_CHECKING:
    from include.ledger.plan import Plan, PlannedBatch
    from landfall.gcp.landing import Site

log = logging.getLogger(__name__)

GIVEN_UP = "given_up: the run that had taken it could not load it"


def note_failure(site: Site, run_id: str, batch: PlannedBatch, tries: int, failure: Failure) -> None:
    """Note why a try of a batch failed, in place of what the try before noted. Never raises for a service's sake.

    Args:
        run_id: the run of the try.
        tries: number of the try.
        failure: how it ended.
    """
    own = is_the_batch(site, failure)
    note = {"own": own, "tries": tries, "message": str(failure)}
    try:
        with boundary("transform.note"):
            site.storage.write(_uri(site, run_id, batch), json.dumps(note, ensure_ascii=False).encode())
    except (TerminalFailure, TransientFailure) as lost:
        log.warning("why batch %d failed could not be noted: %s", batch.number, lost)


def is_the_batch(site: Site, failure: Failure) -> bool:
    """Whether a failure is the batch's own, so that it counts against its files.

    It is where the function said so in its own words, and where a call broke off in a function that answers others:
    a file that kills its worker every time looks like an outage.
    """
    from landfall.gcp.function import answers

    if failure.code:
        return failure.code not in NOT_THE_BATCH
    if isinstance(failure, TerminalFailure | ServiceDown) or not failure.delivered:
        return False
    return failure.outage and answers(site.settings.function_url)


def given_up(site: Site, plan: Plan, numbers: Iterable[int]) -> dict[str, str]:
    """Return for every file of the batches that failed, by file id, what the ledger is to say of it."""
    batches = [plan.batches[number] for number in numbers]
    whole = site.dataset.pipeline.load.mode == "replace_partition"
    said = site.storage.at_once(lambda batch: _read(site, plan.run_id, batch, whole=whole), batches)
    return {file.file_id: reason for batch, reason in zip(batches, said, strict=True) for file in batch.files}


def refused(site: Site, plan: Plan, failures: Mapping[int, Failure], tries: int) -> dict[str, str]:
    """Return for every file of the batches that the warehouse refused, by file id, what the ledger is to say of it.

    Args:
        failures: batch number to why.
        tries: number of the try of the task that loads.
    """
    whole = site.dataset.pipeline.load.mode == "replace_partition"
    return {
        file.file_id: failure_reason(str(failure), tries=tries, alone=whole or len(plan.batches[number].files) == 1)
        for number, failure in failures.items()
        for file in plan.batches[number].files
    }


def _read(site: Site, run_id: str, batch: PlannedBatch, *, whole: bool) -> str:
    try:
        note = json.loads(site.storage.read(_uri(site, run_id, batch)))
    except Missing:  # killed, or ended by Airflow: nobody knows why
        return GIVEN_UP
    if not note["own"]:
        return GIVEN_UP
    # A set fails as a whole: none of its files will ever be alone.
    return failure_reason(note["message"], tries=note["tries"], alone=whole or len(batch.files) == 1)


def _uri(site: Site, run_id: str, batch: PlannedBatch) -> str:
    return site.work_uri("batches", batch.batch_id, "failures", f"{content_hash(run_id.encode())}.json")

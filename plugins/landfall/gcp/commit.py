"""Commits what a run brings, while others commit: what another run has settled is left out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.crashpoints import boundary
from landfall.errors import TerminalFailure, TransientFailure

if TYPE_CHECKING:
    from include.engine.account import Manifest
    from include.ledger.commit import Commit
    from include.ledger.drift import Drift
    from include.ledger.plan import Plan, PlannedBatch, PlannedFile
    from include.ledger.taking import Known
    from landfall.gcp.landing import Site

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Brought:
    """What a run brings, staged.

    Args:
        manifests: batch number to manifest, of the batches that were transformed.
        uris: batch number to the manifest's address.
        files: the ledger's rows of their files.
        drift: how the target differed.
    """

    plan: Plan
    manifests: Mapping[int, Manifest]
    uris: Mapping[int, str]
    files: list[dict[str, Any]]
    drift: Drift

    @property
    def batches(self) -> list[PlannedBatch]:
        """The batches that were transformed."""
        return [self.plan.batches[number] for number in sorted(self.manifests)]


def commit_brought(site: Site, commit: Commit, brought: Brought) -> tuple[str, list[dict[str, Any]], list[PlannedFile]]:
    """Commit the batches that no other run has touched, in one transaction.

    Returns:
        The commit's id, empty where nothing was left to commit; the rows of the batches that this run has committed,
        in an earlier try as well; and the files that other runs' commits left open: of batches that they settled in
        part.

    Raises:
        TerminalFailure, TransientFailure: the transaction failed, and not because another run was faster.
    """
    from include.ledger.identity import commit_id

    todo = [batch.number for batch in brought.batches]
    before: list[int] = []
    left: list[PlannedFile] = []
    while todo:
        name = commit_id((brought.plan.batches[number].batch_id for number in todo), brought.plan.run_id)
        batches = _batch_rows(brought, todo, name)
        if _commit(site, commit, brought, batches, name):
            return name, _batch_rows(brought, before, name) + batches, left
        todo, before, left = _what_is_left(site, brought, todo)
    return "", _batch_rows(brought, before, ""), left


def _batch_rows(brought: Brought, numbers: list[int], name: str) -> list[dict[str, Any]]:
    from include.ledger.accounts import batch_rows

    manifests = {number: brought.manifests[number] for number in numbers}
    return batch_rows(brought.plan, manifests, brought.uris, name, brought.files, brought.drift)


def _commit(site: Site, commit: Commit, brought: Brought, batches: list[dict[str, Any]], name: str) -> bool:
    """Run the transaction; False where the ledger shows a part of it as done."""
    from include.ledger.accounts import BATCH_TYPES, FILE_TYPES
    from include.ledger.commit import PARTLY_DONE
    from landfall.gcp.warehouse import Structs

    own = {batch["batch_id"] for batch in batches}
    files = [file for file in brought.files if file["batch_id"] in own]
    parameters = {
        "dataset": site.dataset.name,
        "run_id": brought.plan.run_id,
        "files": Structs(FILE_TYPES, files),
        "batches": Structs(BATCH_TYPES, batches),
        "expected": sum(file["loaded"] for file in files if file["state"] == "loaded"),
    }
    try:
        with boundary("load.commit"):
            job = site.warehouse.run_once(commit.sql(), parameters, f"landfall-{site.dataset.name}-{name}-commit")
    except TerminalFailure as error:
        if not any(mark in str(error) for mark in PARTLY_DONE):
            raise
        log.warning("another run was faster with a part of what this one brings: %s", error)
        return False
    log.info("committed by job %s: %d records loaded", job.job_id, parameters["expected"])
    return True


def commit_nothing(site: Site, commit: Commit, run_id: str) -> None:
    """Run a commit's script for no file at all: what fails even so is of no file.

    Raises:
        TerminalFailure, TransientFailure: it fails.
    """
    from include.ledger.accounts import BATCH_TYPES, FILE_TYPES
    from landfall.gcp.warehouse import Structs

    parameters = {
        "dataset": site.dataset.name,
        "run_id": run_id,
        "files": Structs(FILE_TYPES, []),
        "batches": Structs(BATCH_TYPES, []),
        "expected": 0,
    }
    with boundary("load.nothing"):
        site.warehouse.change(commit.sql(), parameters)


def _what_is_left(site: Site, brought: Brought, todo: list[int]) -> tuple[list[int], list[int], list[PlannedFile]]:
    """Ask the ledger which batches can be committed as they are, which this run has, and which files are left open."""
    from include.ledger.racing import brought_by, unsettled, untouched
    from landfall.gcp.landing import ask_states

    skip = site.dataset.pipeline.load.policy == "skip" and not brought.plan.force
    batches = brought.batches
    files = [file for batch in batches for file in batch.files]
    known: list[Known] = ask_states(site, files[0].bucket, (file.name for file in files))
    kept = untouched((batch for batch in batches if batch.number in todo), known, skip=skip)
    if kept == todo:
        raise TransientFailure("a file of the commit is loaded already, but the ledger does not show it yet")
    touched = [batch for batch in batches if batch.number not in kept]
    left = unsettled((file for batch in touched for file in batch.files), known, skip=skip)
    before = [batch.number for batch in touched if brought_by(brought.plan.run_id, batch, known)]
    log.info("batches %s are still to be committed, %s are by an earlier try, the others by other runs", kept, before)
    return kept, before, left

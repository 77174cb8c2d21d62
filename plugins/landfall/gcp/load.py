"""Commits what the transforms brought: staging tables first, then one transaction."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from include.ledger.tables import COUNTS
from landfall.errors import RefusedData, TerminalFailure

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.plan import Plan, PlannedFile
    from landfall.gcp.landing import Site


_OVERTAKEN = "given_up: another run was faster with a part of its batch; the rest is planned anew"


@dataclass
class _Tries:
    """What all loads of one run have come to know.

    Args:
        proved: a commit without any file went well.
        added: the contract's columns that the target got; a load that is refused keeps them.
    """

    proved: bool = False
    added: list[str] = field(default_factory=list)


class LoadBatches(BaseOperator):
    """Load what succeeded in one warehouse transaction: rows, quarantine, ledger; everything or nothing.

    Args:
        dataset: the dataset's name.
        manifests: what the transforms returned that ended well.
    """

    template_fields = ("dataset", "manifests")
    ui_color = "#f9cb9c"

    def __init__(self, *, dataset: str, manifests: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dataset = dataset
        self.manifests = manifests

    def execute(self, context: Context) -> dict[str, Any]:
        """Commit; returns the plan's address, what was committed, and which batches failed or were left to a new plan.

        Raises:
            TerminalFailure: nothing could be loaded, or must not be; the run lets go of the files.
        """
        from landfall.gcp.events import let_go
        from landfall.gcp.failures import GIVEN_UP, given_up, refused
        from landfall.gcp.landing import Site
        from landfall.gcp.plan_file import transformed
        from landfall.gcp.refused import load_apart

        site = Site.of(self.dataset)
        plan_uri, plan, done = transformed(site, context, "plan", self.manifests)
        failed = [batch.number for batch in plan.batches if batch.number not in done]
        reasons = given_up(site, plan, failed)
        if not done:
            dead = self._give_up(context, site, plan, reasons)
            raise TerminalFailure(_nothing(plan, dead), files=[file.uri for file in plan.files])
        tries = _Tries()
        try:
            apart = load_apart(functools.partial(self._load, site, plan, tries), done, site.dataset.pipeline.load.mode)
        except TerminalFailure:
            self._give_up(context, site, plan, reasons)
            committable = (file for number in done for file in plan.batches[number].files)
            let_go(site, plan.run_id, {file.file_id: GIVEN_UP for file in committable})
            raise
        reasons |= refused(site, plan, apart.refused, context["ti"].try_number)
        reasons |= {file.file_id: GIVEN_UP for number in apart.untried for file in plan.batches[number].files}
        dead = self._give_up(context, site, plan, reasons)
        let_go(site, plan.run_id, {file.file_id: _OVERTAKEN for file in apart.left})
        if not apart.results:
            said = "\n".join(f"batch {number}: {failure}" for number, failure in sorted(apart.refused.items()))
            raise TerminalFailure(f"no batch could be loaded{_dead(dead)}.\n{said}", files=[f.uri for f in plan.files])
        failed = sorted({*failed, *apart.refused, *apart.untried})
        return {"plan": plan_uri, "failed": failed, "dead": dead, "added": tries.added, **apart.result}

    def _give_up(self, context: Context, site: Site, plan: Plan, reasons: Mapping[str, str]) -> list[str]:
        """Let go of the files of failed batches; returns the addresses of those that have failed too often.

        Args:
            reasons: file id to why.
        """
        from landfall.gcp.dead_letters import bury
        from landfall.gcp.events import let_go
        from landfall.gcp.failures import GIVEN_UP

        let_go(site, plan.run_id, reasons)
        whole = site.dataset.pipeline.load.mode == "replace_partition"
        groups = [
            group
            for batch in plan.batches
            for group in ([batch.files] if whole else [(file,) for file in batch.files])
            if reasons.get(group[0].file_id, GIVEN_UP) != GIVEN_UP
        ]
        return [file.uri for file in bury(context, site, groups, let_go=True)]

    def _load(
        self, site: Site, plan: Plan, tries: _Tries, done: Mapping[int, str]
    ) -> tuple[dict[str, Any], list[PlannedFile]]:
        """Commit batches in one transaction; returns what is told of it, and the files that other runs left open.

        Raises:
            RefusedData: because of what these batches bring.
            TerminalFailure, TransientFailure: for another reason.
        """
        from include.ledger.accounts import file_rows
        from include.ledger.commit import Commit
        from include.ledger.drift import joined
        from include.ledger.identity import commit_id
        from landfall.gcp.commit import Brought, commit_brought, commit_nothing
        from landfall.gcp.late import settle_late
        from landfall.gcp.refused import of_no_file
        from landfall.gcp.staging import read_manifest, stage, stage_rows
        from landfall.gcp.target import ready_target

        manifests = {number: read_manifest(site, uri) for number, uri in sorted(done.items())}
        files = file_rows(plan, manifests, whole_sets=site.dataset.pipeline.load.mode == "replace_partition")
        with of_no_file():
            admitted = [file["file_id"] for file in files if file["state"] == "loaded"]
            drift = ready_target(site, joined(manifests, admitted))
        tries.added += [column.name for column in drift.added]
        name = commit_id((plan.batches[number].batch_id for number in manifests), plan.run_id)
        rows = stage_rows(site, manifests, f"{self.dataset}_{name}_rows", drift)
        with of_no_file():
            files = settle_late(site, plan, files, rows)
        bad = [uri for manifest in manifests.values() for uri in manifest.quarantine]
        commit = Commit(
            dataset=site.dataset,
            ledger=site.ledger,
            rows=rows,
            quarantine=stage(site, bad, f"{self.dataset}_{name}_quarantine"),
            force=plan.force,
            evolved=drift.evolved,
            cleared=drift.cleared,
        )
        brought = Brought(plan, manifests, done, files, drift)
        try:
            name, batches, left = commit_brought(site, commit, brought)
        except RefusedData:
            if not tries.proved:
                with of_no_file():
                    commit_nothing(site, commit, plan.run_id)
                tries.proved = True
            raise
        return {"commit": name, "left": len(left), **_totals(batches)}, left


def _nothing(plan: Plan, dead: Sequence[str]) -> str:
    shown = ", ".join(file.uri for file in plan.files[:5])
    return f"no batch was transformed; see the transform task's log. Files: {shown}{_dead(dead)}"


def _dead(dead: Sequence[str]) -> str:
    return f"; dead letters now: {', '.join(dead[:5])}" if dead else ""


def _totals(batches: list[dict[str, Any]]) -> dict[str, int]:
    return {count: sum(batch[count] for batch in batches) for count in COUNTS}

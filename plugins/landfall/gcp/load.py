"""Commits what the transforms brought: staging tables first, then one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from include.ledger.tables import COUNTS
from landfall.errors import TerminalFailure

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.plan import Plan, PlannedFile
    from landfall.gcp.landing import Site


_OVERTAKEN = "given_up: another run was faster with a part of its batch; the rest is planned anew"


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
        from landfall.gcp.failures import GIVEN_UP
        from landfall.gcp.landing import Site
        from landfall.gcp.plan_file import transformed

        site = Site.of(self.dataset)
        plan_uri, plan, done = transformed(site, context, "plan", self.manifests)
        failed = [batch.number for batch in plan.batches if batch.number not in done]
        if not done:
            dead = self._give_up(context, site, plan, failed)
            raise TerminalFailure(_nothing(plan, dead), files=[file.uri for file in plan.files])
        try:
            result, left = self._load(site, plan, done)
        except TerminalFailure:
            self._give_up(context, site, plan, failed)
            committable = (file for number in done for file in plan.batches[number].files)
            let_go(site, plan.run_id, {file.file_id: GIVEN_UP for file in committable})
            raise
        dead = self._give_up(context, site, plan, failed)
        let_go(site, plan.run_id, {file.file_id: _OVERTAKEN for file in left})
        return {"plan": plan_uri, "failed": failed, "dead": dead, **result}

    def _give_up(self, context: Context, site: Site, plan: Plan, failed: list[int]) -> list[str]:
        """Let go of the files of failed batches; returns the addresses of those that have failed too often."""
        from landfall.gcp.dead_letters import bury
        from landfall.gcp.events import let_go
        from landfall.gcp.failures import GIVEN_UP, given_up

        if not failed:
            return []
        reasons = given_up(site, plan, failed)
        let_go(site, plan.run_id, reasons)
        whole = site.dataset.pipeline.load.mode == "replace_partition"
        groups = [
            group
            for number in failed
            for group in ([plan.batches[number].files] if whole else [(file,) for file in plan.batches[number].files])
            if reasons[group[0].file_id] != GIVEN_UP
        ]
        return [file.uri for file in bury(context, site, groups, let_go=True)]

    def _load(self, site: Site, plan: Plan, done: Mapping[int, str]) -> tuple[dict[str, Any], list[PlannedFile]]:
        """Commit what can be; returns what is told of it, and the files that other runs' commits left open."""
        from include.ledger.accounts import file_rows
        from include.ledger.commit import Commit
        from include.ledger.drift import joined
        from include.ledger.identity import commit_id
        from landfall.gcp.commit import Brought, commit_brought
        from landfall.gcp.late import settle_late
        from landfall.gcp.staging import read_manifest, stage, stage_rows
        from landfall.gcp.target import ready_target

        manifests = {number: read_manifest(site, uri) for number, uri in sorted(done.items())}
        files = file_rows(plan, manifests, whole_sets=site.dataset.pipeline.load.mode == "replace_partition")
        drift = ready_target(site, joined(manifests, [file["file_id"] for file in files if file["state"] == "loaded"]))
        name = commit_id((plan.batches[number].batch_id for number in manifests), plan.run_id)
        rows = stage_rows(site, manifests, f"{self.dataset}_{name}_rows", drift)
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
        name, batches, left = commit_brought(site, commit, brought)
        added = [column.name for column in drift.added]
        return {"commit": name, "added": added, "left": len(left), **_totals(batches)}, left


def _nothing(plan: Plan, dead: Sequence[str]) -> str:
    shown = ", ".join(file.uri for file in plan.files[:5])
    more = f"; dead letters now: {', '.join(dead[:5])}" if dead else ""
    return f"no batch was transformed; see the transform task's log. Files: {shown}{more}"


def _totals(batches: list[dict[str, Any]]) -> dict[str, int]:
    return {count: sum(batch[count] for batch in batches) for count in COUNTS}

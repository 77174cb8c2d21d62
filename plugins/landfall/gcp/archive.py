"""Moves away what is loaded, reports the accounting, and ends the run failed where a batch failed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from include.crashpoints import boundary
from landfall.errors import TerminalFailure

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.plan import ObjectVersion, Plan, PlannedFile
    from landfall.gcp.landing import Site

log = logging.getLogger(__name__)


class ArchiveFiles(BaseOperator):
    """Move source files that the ledger shows as loaded, in exactly the generation loaded.

    Args:
        dataset: the dataset's name.
    """

    template_fields = ("dataset",)
    ui_color = "#ead1dc"

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dataset = dataset

    def execute(self, context: Context) -> dict[str, Any]:
        """Move, report, and fail the run where a batch failed.

        Raises:
            TerminalFailure: batches of this run were not loaded; the message names their files.
        """
        from include.ledger.queries import run_files_sql
        from include.ledger.states import LASTING
        from landfall.gcp.landing import Site, ask_states
        from landfall.gcp.plan_file import read_plan
        from landfall.notifiers.evolved import tell_evolved
        from landfall.notifiers.held import tell_held

        site = Site.of(self.dataset)
        load = context["ti"].xcom_pull(task_ids="load")
        plan = read_plan(site, load["plan"])
        rows = site.warehouse.query(run_files_sql(site.ledger), {"dataset": self.dataset, "run_id": plan.run_id})
        known = ask_states(site, plan.files[0].bucket, (file.name for file in plan.files))
        # By whichever run: a file's id is of its very generation.
        loaded = {item.file_id for item in known if item.state in LASTING}
        moved = move_to_archive(site, [file for file in plan.files if file.file_id in loaded] + list(plan.left_behind))
        self._move_vouchers(site, plan, loaded)
        # What `plan` held, without a batch, it has told about.
        told = (row for row in rows if row["state"] == "held" and row["batch_id"])
        held = {f"gs://{row['bucket']}/{row['name']}": row["reason"] for row in told}
        if held:
            tell_held(context, site.dataset, held)
        tell_evolved(context, site.dataset, self._evolved(site, plan), load.get("added", []))
        account = {name: value for name, value in load.items() if isinstance(value, int)}
        report = {**account, "files": len(rows), "held": len(held), "archived": moved, "dead": len(load["dead"])}
        self._emit(context, report)
        self._fail_if_failed(plan, load["failed"], load["dead"])
        return report

    def _move_vouchers(self, site: Site, plan: Plan, loaded: set[str]) -> None:
        """Take a set's marker or manifest away with the set, in exactly the generation that vouched for it."""
        sets: dict[str, list[PlannedFile]] = {}
        for file in plan.files:
            if file.voucher:
                sets.setdefault(file.voucher, []).append(file)
        for voucher, files in sets.items():
            if plan.later or not all(file.file_id in loaded for file in files):
                continue
            name, _, generation = voucher.rpartition("#")
            bucket = files[0].bucket
            destination = f"gs://{site.settings.archive}/{self.dataset}/{generation}/{name}"
            with boundary("archive.voucher"):
                site.storage.move(f"gs://{bucket}/{name}", int(generation), destination)

    def _evolved(self, site: Site, plan: Plan) -> list[dict[str, Any]]:
        """Columns that this run's files brought beyond the contract, as the ledger has them."""
        from include.ledger.queries import evolved_sql

        rows = site.warehouse.query(evolved_sql(site.ledger), {"dataset": self.dataset, "run_id": plan.run_id})
        return [item for row in rows for item in json.loads(row["evolved"])]

    def _emit(self, context: Context, report: dict[str, Any]) -> None:
        """Attach the accounting to the asset event that this task's end emits."""
        for asset in self.outlets:
            context["outlet_events"][asset].extra = report

    def _fail_if_failed(self, plan: Plan, failed: list[int], dead: list[str]) -> None:
        if not failed:
            return
        files = [file.uri for number in failed for file in plan.batches[number].files]
        numbers = ", ".join(str(number) for number in failed)
        again = [uri for uri in files if uri not in dead]
        message = f"batch {numbers} was not loaded; everything else was."
        if again:
            message += f" The next run tries again: {_shown(again)}."
        if dead:
            message += f" Dead letters, which no run tries again: {_shown(dead)}"
        raise TerminalFailure(message, files=files)


def _shown(uris: list[str]) -> str:
    return ", ".join(uris[:5]) + (f" and {len(uris) - 5} more" if len(uris) > 5 else "")


def move_to_archive(site: Site, files: Iterable[PlannedFile]) -> int:
    """Move file versions from where they landed to the archive; returns how many were still there to move."""
    return move_files(site, files, lambda file: archive_uri(site.settings.archive, site.dataset.name, file))


def move_files(site: Site, files: Iterable[PlannedFile], where: Callable[[PlannedFile], str]) -> int:
    """Move file versions from where they landed to elsewhere; returns how many were still there to move."""

    def move(file: PlannedFile) -> bool:
        destination = where(file)
        with boundary("archive.file"):
            moved = site.storage.move(file.uri, file.generation, destination)
        if not moved:
            # A newer version has come, or an earlier try moved it: neither is ours to touch.
            log.info("%s is not there any more in generation %d", file.uri, file.generation)
        return moved

    return sum(site.storage.at_once(move, files))


def archive_uri(bucket: str, dataset: str, file: ObjectVersion) -> str:
    """Return where a file version is kept: its generation is in the path, so that no version overwrites another."""
    return f"gs://{bucket}/{dataset}/{file.generation}/{file.name}"

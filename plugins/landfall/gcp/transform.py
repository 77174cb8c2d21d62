"""Runs the engine over one batch: in the Cloud Function, or as a Beam job where the batch is one large file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from landfall.compat import TaskDeferred

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.plan import Plan, PlannedBatch, PlannedFile
    from landfall.gcp.dataflow import Job
    from landfall.gcp.landing import Site

# A try waits no longer for a job on Dataflow, and a run no longer than 6 hours for its tasks; the next try attaches.
_LONGEST_WAIT = timedelta(hours=5)


class TransformBatch(BaseOperator):
    """Have one batch transformed by what the plan says, and return where its manifest lies.

    A retry writes below a path of its own: a try that timed out may still be writing, and must not get in the way.
    With a job on Dataflow it is the job that has the path, and a retry looks for the job (`landfall.gcp.dataflow`).

    Args:
        dataset: the dataset's name.
        batch: what `plan` returned for the batch: the plan's address and the batch's number.
    """

    template_fields = ("dataset", "batch")
    ui_color = "#fff2cc"

    def __init__(self, *, dataset: str, batch: dict[str, Any], **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dataset = dataset
        self.batch = batch
        self._job: Job | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Transform the batch; returns the manifest's address, the batch's number and the counts.

        Raises:
            TerminalFailure, TransientFailure: there is no manifest; why is noted for `load`.
        """
        site, plan, batch = self._planned()

        def run() -> dict[str, Any]:
            if batch.runner == "function":
                return transform_batch(site, plan, batch, context["ti"].try_number)
            return self._run_job(context, site, plan, batch)

        return self._told(context, site, plan, batch, run)

    def complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Read what a job on Dataflow published, once the triggerer has seen it end; returns what `execute` does.

        Which job it was is looked up: `airflow dags test` hands over the event alone, and forgets `kwargs`.

        Args:
            event: of the provider's trigger.

        Raises:
            TerminalFailure, TransientFailure: there is no manifest; why is noted for `load`.
        """
        from landfall.gcp.dataflow import DataflowJob
        from landfall.gcp.large import LargeBatch

        site, plan, batch = self._planned()
        job = DataflowJob(LargeBatch(site, plan, batch))
        return self._told(context, site, plan, batch, lambda: job.answer(str(event.get("message", ""))))

    def on_kill(self) -> None:
        """End the process of a job that runs in one; a job on Dataflow runs on, and the next try attaches to it."""
        if self._job is not None:
            self._job.kill()

    def _planned(self) -> tuple[Site, Plan, PlannedBatch]:
        from landfall.gcp.landing import Site
        from landfall.gcp.plan_file import read_plan

        site = Site.of(self.dataset)
        plan = read_plan(site, self.batch["plan"])
        return site, plan, plan.batches[self.batch["batch"]]

    def _run_job(self, context: Context, site: Site, plan: Plan, batch: PlannedBatch) -> dict[str, Any]:
        from landfall.gcp.dataflow import Begun, job_of
        from landfall.gcp.large import LargeBatch

        self._job = job_of(LargeBatch(site, plan, batch))
        found = self._job.run(context)
        if isinstance(found, Begun):
            raise TaskDeferred(trigger=found.trigger, method_name="complete", timeout=_LONGEST_WAIT)
        return found

    def _told(
        self, context: Context, site: Site, plan: Plan, batch: PlannedBatch, run: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Say in the log what became of the batch, or note why nothing did."""
        from landfall.errors import TerminalFailure, TransientFailure
        from landfall.gcp.failures import note_failure

        try:
            result = run()
        except (TerminalFailure, TransientFailure) as failure:
            note_failure(site, plan.run_id, batch, context["ti"].try_number, failure)
            raise
        self.log.info(
            "batch %d: %s records = %s loaded + %s filtered + %s duplicates + %s quarantined (%s of %s files held)",
            batch.number, result["records"], result["loaded"], result["filtered"], result["duplicates"],
            result["quarantined"], result["held"], result["files"],
        )  # fmt: skip
        return {"batch": batch.number, **result}


def transform_batch(site: Site, plan: Plan, batch: PlannedBatch, attempt: int) -> dict[str, Any]:
    """Send one batch to the function; returns the manifest's address and the counts.

    Args:
        attempt: number of the try; each writes below a path of its own.
    """
    from landfall.gcp.function import post_batch

    output = site.work_uri("batches", batch.batch_id, f"attempt-{attempt}", "")
    body = request_of(plan, batch, attempt, output)
    files = [file.uri for file in batch.files]
    return post_batch(site.settings.function_url, body, f"{batch.batch_id}-{attempt}", files, site.breakers.function)


def request_of(plan: Plan, batch: PlannedBatch, attempt: int, output: str) -> dict[str, Any]:
    """Return the request for one batch, as `include.functions.protocol` has it.

    Args:
        attempt: number of the try.
        output: the path below which it writes; ends in ``<batch_id>/attempt-<attempt>/``.
    """
    return {
        "dataset": plan.dataset,
        "batch_id": batch.batch_id,
        "attempt": attempt,
        "inputs": [_input(file) for file in batch.files],
        "references": {name: ref.model_dump() for name, ref in plan.references.items()},
        "output": output,
        "engine": plan.engine,
        "keys": plan.keys,
        # A function of an older release refuses what it does not know; it need not know of what is not used.
        **({"chosen": batch.chosen} if batch.chosen else {}),
    }


def _input(file: PlannedFile) -> dict[str, Any]:
    pinned: dict[str, Any] = {
        "file_id": file.file_id,
        "uri": file.uri,
        "generation": file.generation,
        "size": file.size,
        "crc32c": file.checksum,
        "released": file.released,
    }
    if file.promised:
        pinned["promised"] = asdict(file.promised)
    return pinned

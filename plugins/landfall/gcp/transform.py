"""Runs the engine over one batch in the Cloud Function."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.plan import Plan, PlannedBatch, PlannedFile
    from landfall.gcp.landing import Site


class TransformBatch(BaseOperator):
    """Send one batch to the function and return where its manifest lies.

    A retry writes below a path of its own: a try that timed out may still be writing, and must not get in the way.

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

    def execute(self, context: Context) -> dict[str, Any]:
        """Post the batch; returns the manifest's address, the batch's number and the counts.

        Raises:
            TerminalFailure, TransientFailure: there is no manifest; why is noted for `load`.
        """
        from landfall.errors import TerminalFailure, TransientFailure
        from landfall.gcp.failures import note_failure
        from landfall.gcp.landing import Site
        from landfall.gcp.plan_file import read_plan

        site = Site.of(self.dataset)
        plan = read_plan(site, self.batch["plan"])
        batch = plan.batches[self.batch["batch"]]
        attempt = context["ti"].try_number
        try:
            result = transform_batch(site, plan, batch, attempt)
        except (TerminalFailure, TransientFailure) as failure:
            note_failure(site, plan.run_id, batch, attempt, failure)
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
    body = _request(plan, batch, attempt, output)
    files = [file.uri for file in batch.files]
    return post_batch(site.settings.function_url, body, f"{batch.batch_id}-{attempt}", files, site.breakers.function)


def _request(plan: Plan, batch: PlannedBatch, attempt: int, output: str) -> dict[str, Any]:
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

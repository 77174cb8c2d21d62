"""Pins the files of a run, packs them into batches and writes the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from include.crashpoints import boundary
from landfall.compat import AirflowSkipException
from landfall.errors import TerminalFailure

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.plan import Plan, Reference
    from landfall.gcp.landing import Site

_FILE_TYPES = {
    "file_id": "STRING", "bucket": "STRING", "name": "STRING", "generation": "INT64", "checksum": "STRING",
    "size": "INT64", "batch_id": "STRING",
}  # fmt: skip


class PlanRun(BaseOperator):
    """Decide what this run loads and write it down; returns one item for each batch.

    Args:
        dataset: the dataset's name.
    """

    template_fields = ("dataset",)
    ui_color = "#cfe2f3"

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dataset = dataset

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Write plan.json and the ledger's `planned` events."""
        from include.ledger.plan import make_plan
        from include.spec.checks import check_dataset
        from landfall.gcp.function import ask_function
        from landfall.gcp.landing import Site, look
        from landfall.gcp.selection import selection

        site = Site.of(self.dataset)
        problems = [f"{file}: {'.'.join(map(str, path))}: {message}. {fix}"
                    for file, path, message, fix in check_dataset(site.dataset, rules=True)]  # fmt: skip
        if problems:
            raise TerminalFailure("the dataset cannot be used:\n" + "\n".join(problems))
        chosen = selection(context, site)
        found = look(site, **chosen)
        if not found.open:
            raise AirflowSkipException("another run took the files")
        deployed = ask_function(site.settings.function_url, site.breakers.function)
        plan = make_plan(
            site.dataset,
            found.open,
            run_id=context["run_id"],
            references=self._upload_references(site),
            force=chosen["force"],
            left_behind=found.left_behind,
            engine=deployed.engine,
            keys=deployed.keys,
        )
        uri = self._write(site, plan)
        for batch in plan.batches:
            size = sum(file.size for file in batch.files)
            self.log.info("batch %d: %d files, %d bytes, by function", batch.number, len(batch.files), size)
        return [{"plan": uri, "batch": batch.number} for batch in plan.batches]

    def _upload_references(self, site: Site) -> dict[str, Reference]:
        from include.ledger.identity import content_hash
        from include.ledger.plan import Reference
        from include.spec.settings import datasets_folder

        enrich = site.dataset.pipeline.enrich
        if enrich is None:
            return {}
        content = (datasets_folder() / self.dataset / enrich.with_).read_bytes()
        uri = site.work_uri("reference", f"{content_hash(content)}.csv")
        with boundary("plan.reference"):
            generation = site.storage.generation(uri) or site.storage.write(uri, content, "text/csv", if_generation=0)
        return {enrich.with_: Reference(uri=uri, generation=generation)}

    def _write(self, site: Site, plan: Plan) -> str:
        from include.ledger.identity import content_hash
        from include.ledger.queries import plan_sql
        from landfall.gcp.warehouse import Structs

        content = plan.model_dump_json(indent=1).encode()
        uri = site.work_uri("plans", f"{content_hash(plan.run_id.encode())}.json")
        with boundary("plan.plan"):
            site.storage.write(uri, content)
        rows = [{**file.model_dump(), "batch_id": batch.batch_id} for batch in plan.batches for file in batch.files]
        parameters = {"dataset": self.dataset, "run_id": plan.run_id, "files": Structs(_FILE_TYPES, rows)}
        # A task that is tried again writes the events once more: they say the same, and a state is the latest event.
        with boundary("plan.planned"):
            site.warehouse.change(plan_sql(site.ledger), parameters)
        return uri

"""Drives a run's operators one after the other, below Airflow, against the embedded cloud."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from landfall.compat import AirflowSkipException
from landfall.errors import TerminalFailure

_RUNS = itertools.count(1)

CONTRACT = """
kind: DataContract
apiVersion: v3.1.0
id: test
version: 1.0.0
status: active
team: {name: tests}
schema:
  - name: items
    properties:
      - {name: id, logicalType: integer, primaryKey: true}
      - {name: day, logicalType: date, required: true, partitioned: true}
      - {name: name, logicalType: string, logicalTypeOptions: {maxLength: 20}}
"""
PIPELINE = """
source: {{uri: "gs://{{landing}}/{name}/{glob}", complete: {complete}}}
format: {{type: csv}}
load: {{table: steps.{name}, mode: {mode}{more}}}
retry: {{attempts: 1}}
"""
HEADER = "id,day,name\n"


def die(*_: Any, **__: Any) -> None:
    """Stand in for a call in which the process is killed."""
    raise ConnectionAbortedError("the process was killed")


def named_after(test: pytest.FixtureRequest) -> str:
    """Return a name for the dataset of a test, or of one of its cases."""
    name, _, case = test.node.name.partition("[")
    return re.sub(r"\W+", "_", f"{name[5:45]}_{case[:20].lower()}").rstrip("_")


class Steps:
    """One dataset of its own, its landing folder, which is empty at first, and its table.

    `told` are the alerts about held files, `ahead` is by how much the store's clock is moved on, and `failures` are
    those of the last run's tasks.

    Args:
        name: the dataset's name.
    """

    def __init__(self, name: str) -> None:
        from google.cloud import storage

        from landfall.gcp.warehouse import Warehouse

        self.name = name
        self.bucket = storage.Client(project="landfall-local").bucket("landfall-landing")
        self.query: Callable[..., list[dict[str, Any]]] = Warehouse(
            "google_cloud_default", "landfall-local", "US"
        ).query
        self.told: list[dict[str, str]] = []
        self.failures: list[Exception] = []
        self.ahead = timedelta()

    def write(self, root: Path, *, complete: str, mode: str, glob: str, more: str = "") -> None:
        """Write the dataset's folder."""
        folder = root / self.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "contract.yaml").write_text(CONTRACT)
        text = PIPELINE.format(name=self.name, complete=complete, mode=mode, glob=glob, more=more and f", {more}")
        (folder / "pipeline.yaml").write_text(text)

    def land(self, name: str, content: str | bytes = "") -> Any:
        """Land an object below the dataset's place; returns its blob."""
        blob = self.bucket.blob(f"{self.name}/{name}")
        blob.upload_from_string(content)
        return blob

    def look(self, **params: Any) -> str:
        """Return what a look says of what has landed."""
        from landfall.gcp.landing import Site, look
        from landfall.gcp.selection import selection

        site = Site.of(self.name)
        return str(look(site, **selection(self._context(f"look{next(_RUNS)}", {}, params), site)))

    def run(
        self, *, between: Callable[[], None] | None = None, archived: bool = True, **params: Any
    ) -> dict[str, Any] | None:
        """Run once; returns what `load` committed, None where the run was skipped.

        Args:
            between: called after planning.
            archived: end before anything is archived, as a run does that is killed.
            params: what a person chose in the form.
        """
        from landfall.gcp.archive import ArchiveFiles
        from landfall.gcp.load import LoadBatches
        from landfall.gcp.new_files import WaitForFiles
        from landfall.gcp.plan import PlanRun
        from landfall.gcp.transform import TransformBatch
        from landfall.gcp.verify import VerifyLoad

        name, results = f"run{next(_RUNS)}", dict[str, Any]()
        context: Any = self._context(name, results, params)
        try:
            WaitForFiles(task_id="wait_for_files", dataset=self.name).poke(context)
            results["plan"] = PlanRun(task_id="plan", dataset=self.name).execute(context)
        except AirflowSkipException:
            return None
        if between:
            between()
        done: list[dict[str, Any]] = []
        failed = self.failures = []
        for batch in results["plan"]:
            try:
                step = TransformBatch(task_id="transform", dataset=self.name, batch=batch)
                done.append(step.execute(context))
            except Exception as error:  # noqa: BLE001 - a failed task; the others go on
                failed.append(error)
        load = LoadBatches(task_id="load", dataset=self.name, manifests=done)
        if not done:
            try:
                load.execute(context)
            except TerminalFailure as error:
                failed.append(error)
        else:
            results["load"] = load.execute(context)
            VerifyLoad(task_id="verify", dataset=self.name).execute(context)
            if archived:
                archive = ArchiveFiles(task_id="archive", dataset=self.name)
                try:
                    archive.execute(context)
                except Exception as error:  # noqa: BLE001 - it names the batches that failed
                    failed.append(error)
        return results.get("load")

    def _context(self, name: str, results: dict[str, Any], params: dict[str, Any]) -> Any:
        def pull(task_ids: str, **_: Any) -> Any:
            return results.get(task_ids)

        instance = SimpleNamespace(xcom_pull=pull, try_number=1, task_id="t", max_tries=0, dag_id="d", run_id=name)
        return {"run_id": name, "params": params, "ti": instance, "outlet_events": {}}

    def rows(self) -> list[tuple[int, str]]:
        """Return the target's rows."""
        found = self.query(f"SELECT id, name FROM steps.{self.name} ORDER BY id, name")
        return [(row["id"], row["name"]) for row in found]

    def files(self) -> dict[str, str]:
        """Return files, without the dataset's folder, to their states and why; of each its latest version."""
        rows = self.query(
            "SELECT name, state, reason FROM landfall_ops.files_current WHERE dataset = @dataset"
            " QUALIFY ROW_NUMBER() OVER (PARTITION BY name ORDER BY generation DESC) = 1",
            {"dataset": self.name},
        )
        return {
            row["name"].partition("/")[2]: f"{row['state']}: {row['reason']}" if row["reason"] else row["state"]
            for row in rows
        }

    def landed(self) -> set[str]:
        """Return what lies in the landing bucket."""
        return {blob.name.partition("/")[2] for blob in self.bucket.list_blobs(prefix=f"{self.name}/")}

    def put_aside(self) -> set[str]:
        """Return what lies in the dead letters' place."""
        found = self.bucket.client.list_blobs("landfall-archive", prefix=f"{self.name}/dead-letter/")
        return {blob.name.split("/", 4)[4] for blob in found}

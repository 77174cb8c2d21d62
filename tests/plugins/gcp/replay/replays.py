"""A dataset whose quarantined records are replayed, below Airflow, against the embedded cloud."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.plugins.gcp.steps import CONTRACT, Steps

LONG = "a name of more than twenty letters"
LOOSE = CONTRACT.replace("maxLength: 20", "maxLength: 60")
DAY, OTHER = "2026-01-01", "2026-01-02"
FIRST = ((1, DAY, "good"), (2, DAY, LONG), ("x", DAY, "bad"), (4, OTHER, LONG))
MODES = pytest.mark.parametrize(
    "mode", ["merge", *(pytest.param(mode, marks=pytest.mark.long) for mode in ("append", "replace_partition"))]
)


class Replays(Steps):
    """A dataset whose contract refuses long names until it is mended."""

    root: Path
    _number = 0

    def begin(self, root: Path, mode: str, more: str = "") -> None:
        self.root = root
        complete = "marker" if mode == "replace_partition" else "none"
        self.write(root, complete=complete, mode=mode, glob="**", more=more)
        path = root / self.name / "pipeline.yaml"
        path.write_text(path.read_text() + "tolerate: {quarantined: 100%}\n")

    def amend(self, contract: str = LOOSE, **pipeline: Any) -> None:
        """Put another contract in the place of the first, and keys into the pipeline."""
        (self.root / self.name / "contract.yaml").write_text(contract)
        path = self.root / self.name / "pipeline.yaml"
        path.write_text(path.read_text() + "".join(f"{key}: {json.dumps(value)}\n" for key, value in pipeline.items()))

    def ingest(self, name: str, *items: tuple[Any, str, str], **params: Any) -> None:
        self.land(name, "id,day,name\n" + "".join(f"{key},{day},{text}\n" for key, day, text in items))
        if "/" in name:
            self.land(f"{name.rpartition('/')[0]}/_SUCCESS")
        assert self.run(**params)

    def replay(self, *, dry_run: bool = False, between: Callable[[], Any] | None = None, **choice: Any) -> Any:
        """Run a replay's tasks; returns the report."""
        from landfall.gcp.replay_tasks import CommitReplay, SelectRecords
        from landfall.gcp.storage import Storage
        from landfall.gcp.transform import TransformBatch

        Replays._number += 1
        results: dict[str, Any] = {}
        ti = SimpleNamespace(xcom_pull=lambda task_ids: results[task_ids], try_number=1)
        params = {"dataset": self.name, "dry_run": dry_run, **choice}
        context: Any = {"run_id": f"replay{Replays._number}", "params": params, "ti": ti}
        results["select"] = SelectRecords(task_id="select").execute(context)
        done = [
            TransformBatch(task_id="transform", dataset=self.name, batch=batch).execute(context)
            for batch in results["select"]
        ]
        if between:
            between()
        committed = CommitReplay(task_id="commit", dataset=self.name, manifests=done).execute(context)
        return json.loads(Storage("google_cloud_default").read(committed["report"]))

    def outcomes(self, **choice: Any) -> dict[str, int]:
        return {name: count for name, count in self.replay(**choice)["outcomes"].items() if count}

    def open(self) -> list[int]:
        rows = self.query(
            "SELECT record FROM landfall_ops.quarantine_open WHERE dataset = @dataset ORDER BY name, record",
            {"dataset": self.name},
        )
        return [row["record"] for row in rows]

    def ledger(self) -> list[tuple[Any, ...]]:
        """All that a replay may write to, but for what it decides."""
        return [
            (table, tuple(sorted(map(str, self.query(f"SELECT * FROM {table} {where}", {"dataset": self.name})))))
            for table, where in (
                (f"steps.{self.name}", ""),
                *((f"landfall_ops.{name}", "WHERE dataset = @dataset") for name in
                  ("files", "batches", "quarantine", "replays")),
            )
        ]  # fmt: skip


def forget_files(case: Replays) -> None:
    """Delete all files of a dataset, wherever they lie."""
    for bucket in ("landfall-archive", "landfall-landing"):
        for blob in case.bucket.client.list_blobs(bucket, prefix=f"{case.name}/"):
            blob.delete()

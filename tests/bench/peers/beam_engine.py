"""The engine in a Beam pipeline, on two local processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from include.dataflow.pipeline import run_pipeline
from include.dataflow.work import Job, Worker
from include.spec.dataset import Dataset
from tests.bench.engine_orders import wire
from tests.dataflow.builder import FolderStore, Keys
from tests.engine.builder import SECRETS

OPTIONS = ("--runner=DirectRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2")


def main(source: str, out: str) -> None:
    """Run a file's job; its manifest lies in the folder `batch-000`, which the parts are named from."""
    path, root = Path(source), Path(out)
    (root / "landing").mkdir()
    (root / "landing" / path.name).symlink_to(path)
    output = "gs://work/batch/attempt-1/"
    pinned = {"file_id": "orders", "uri": f"gs://landing/{path.name}", "generation": 1, "size": path.stat().st_size}
    request = {
        "dataset": Dataset.from_wire(wire("csv")).to_wire(), "batch_id": "batch", "attempt": 1, "inputs": [pinned],
        "output": output,
    }  # fmt: skip
    job = Job(json.dumps(request), FolderStore(root), Keys(SECRETS))
    run_pipeline(job, Worker(job).why_whole(), OPTIONS)
    manifest = json.loads((root / "work/batch/attempt-1/manifest.json").read_text())
    for name in ("good", "quarantine"):
        manifest[name] = [f"../work/{uri.removeprefix('gs://work/')}" for uri in manifest[name]]
    (root / "batch-000").mkdir()
    (root / "batch-000" / "manifest.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    main(*sys.argv[1:])

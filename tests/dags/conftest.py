"""Runs DAGs as `airflow dags test` does, in this process, against the embedded cloud."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Run:
    """How a DAG run ended."""

    state: str
    run_id: str
    tasks: dict[str, list[str]] = field(default_factory=dict)


@pytest.fixture(scope="session")
def airflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated metadata database of this test process; see tests/conftest.py for AIRFLOW_HOME."""
    from airflow.utils.db import initdb  # noqa: TID251 - a test sets up what `airflow db migrate` would

    initdb()
    return Path(os.environ["AIRFLOW_HOME"])


@pytest.fixture
def run_dag(in_cloud: object, airflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run a DAG to its end and return how each of its tasks ended."""

    def run(name: str, datasets: Path | None = None, conf: dict[str, Any] | None = None) -> Run:
        if datasets is not None:
            monkeypatch.setenv("LANDFALL_DATASETS", str(datasets))
        # Airflow 3.1 leaves behind which DAG it parsed a file for.
        monkeypatch.delenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", raising=False)
        from landfall.generate import build_dags

        dag = build_dags()[name]
        dag.fileloc = str(ROOT / "dags" / "ingest.py")
        finished: Any = dag.test(run_conf=conf or {})
        tasks: dict[str, list[str]] = {}
        for instance in finished.get_task_instances():
            tasks.setdefault(instance.task_id, []).append(str(instance.state))
        return Run(str(finished.state), finished.run_id, {name: sorted(states) for name, states in tasks.items()})

    return run


@pytest.fixture
def landing(in_cloud: Any) -> Any:
    """The landing bucket, emptied."""
    from google.cloud import storage

    client = storage.Client(project="landfall-local")
    buckets = [client.bucket(f"landfall-{name}") for name in ("landing", "work", "archive")]
    for bucket in buckets:
        for blob in client.list_blobs(bucket):
            blob.delete()
    return buckets[0]


@pytest.fixture
def query(in_cloud: Any) -> Callable[..., list[dict[str, Any]]]:
    """Ask the warehouse."""
    from landfall.gcp.warehouse import Warehouse

    return Warehouse("google_cloud_default", "landfall-local", "US").query

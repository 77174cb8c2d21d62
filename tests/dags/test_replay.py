"""The DAG `replay`: light, bounded, and a whole run of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from landfall.replay import build_replay_dag
from tests.dags.test_policy import _heavy, _imports

ROOT = Path(__file__).resolve().parent.parent.parent
CONTRACT = """
kind: DataContract
apiVersion: v3.1.0
id: test
version: 1.0.0
status: active
team: {name: tests}
schema: [{name: items, properties: [{name: id, logicalType: KIND}]}]
"""
PIPELINE = """
source: {uri: "gs://{landing}/replay_dag/**"}
format: {type: csv}
load: {table: runs.replay_dag, mode: append}
tolerate: {quarantined: 100%}
"""


def test_it_imports_nothing_heavy() -> None:
    assert _heavy(_imports("replay")) == []


def test_it_can_be_sent_as_it_is_and_changes_nothing_then() -> None:
    dag = build_replay_dag(ROOT / "include" / "datasets")
    assert all("null" in dag.params.get_param(name).schema["type"] for name in dag.params)
    assert dag.params["dry_run"] is True
    assert dag.params.get_param("dataset").schema["examples"] == ["events", "inventory", "orders"]


def test_its_tasks_have_bounds_retries_and_somebody_to_tell() -> None:
    dag = build_replay_dag(ROOT / "include" / "datasets")
    assert [task.task_id for task in dag.topological_sort()] == ["select", "transform", "commit", "report"]
    assert dag.catchup is False
    assert dag.dagrun_timeout is not None
    assert {"landfall", "replay"} <= set(dag.tags)
    for task in dag.tasks:
        assert task.execution_timeout is not None
        assert task.retries >= 1
        assert task.on_failure_callback
        assert task.owner == "landfall"


def test_a_run_loads_what_passes_and_a_run_of_nothing_is_skipped(
    run_dag: Any, landing: Any, query: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "replay_dag"
    folder.mkdir()
    (folder / "pipeline.yaml").write_text(PIPELINE)
    (folder / "contract.yaml").write_text(CONTRACT.replace("KIND", "integer"))
    landing.blob("replay_dag/a.csv").upload_from_string("id\n1\nx\ny\n")
    assert run_dag("ingest_replay_dag", datasets=tmp_path).state == "success"
    # Not every change of a type goes with the table; a rule that makes a number of it does.
    (folder / "pipeline.yaml").write_text(PIPELINE + "clean: {id: \"IF(id = 'x', '7', id)\"}\n")

    def run(**conf: Any) -> dict[str, list[str]]:
        monkeypatch.delenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", raising=False)
        dag = build_replay_dag()
        dag.fileloc = str(ROOT / "dags" / "replay.py")
        finished: Any = dag.test(run_conf={"dataset": "replay_dag", **conf})
        states: dict[str, list[str]] = {}
        for instance in finished.get_task_instances():
            states.setdefault(instance.task_id, []).append(str(instance.state))
        return states

    def ids() -> list[int]:
        return sorted(row["id"] for row in query("SELECT id FROM runs.replay_dag"))

    well = {task: ["success"] for task in ("select", "transform", "commit", "report")}
    assert (run(), ids()) == (well, [1])
    assert (run(dry_run=False), ids()) == (well, [1, 7])
    assert run(file="none.csv") == {task: ["skipped"] for task in well}

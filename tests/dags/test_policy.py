"""What every DAG of this project must have."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from landfall.generate import build_dags

ROOT = Path(__file__).resolve().parent.parent.parent
DAGS = build_dags(ROOT / "include" / "datasets")
TASKS = ["wait_for_files", "plan", "transform", "load", "verify", "archive"]

every_dag = pytest.mark.parametrize("dag", DAGS.values(), ids=DAGS.keys())


def test_every_dataset_folder_has_its_dag() -> None:
    assert list(DAGS) == ["ingest_events", "ingest_inventory", "ingest_orders"]


@every_dag
def test_a_dag_has_the_six_tasks_in_their_order(dag: Any) -> None:
    assert [task.task_id for task in dag.topological_sort()] == TASKS


@every_dag
def test_a_dag_has_an_owner_tags_and_documentation(dag: Any) -> None:
    assert dag.owner not in ("", "airflow")
    assert {"landfall", "ingest"} <= set(dag.tags)
    assert "contract.yaml" in dag.doc_md
    assert "pipeline.yaml" in dag.doc_md


@every_dag
def test_a_dag_catches_nothing_up_and_runs_once_at_a_time(dag: Any) -> None:
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.dagrun_timeout is not None


@every_dag
def test_a_dag_offers_a_form_that_may_be_sent_as_it_is(dag: Any) -> None:
    assert set(dag.params) == {"files", "prefix", "force", "release", "reject", "reason", "retry"}
    # The UI marks a field that cannot be null as required, and an empty one then keeps the button from working.
    assert all("null" in dag.params.get_param(name).schema["type"] for name in dag.params)


@every_dag
def test_a_dag_has_the_deadline_its_contract_promises(dag: Any) -> None:
    from landfall.compat import HAS_DEADLINES

    promised = {"ingest_orders": 60, "ingest_events": 30, "ingest_inventory": 120}
    if not HAS_DEADLINES:
        assert not dag.deadline
        return
    alerts = dag.deadline if isinstance(dag.deadline, list) else [dag.deadline]
    assert [alert.interval for alert in alerts] == [timedelta(minutes=promised[dag.dag_id])]


@every_dag
def test_every_task_has_bounds_retries_and_somebody_to_tell(dag: Any) -> None:
    for task in dag.tasks:
        assert task.execution_timeout is not None, task.task_id
        assert task.retries >= 1, task.task_id
        assert task.retry_exponential_backoff, task.task_id
        assert task.max_retry_delay is not None, task.task_id
        assert task.on_failure_callback, task.task_id


@every_dag
def test_a_wait_frees_its_slot_and_ends(dag: Any) -> None:
    wait = dag.get_task("wait_for_files")
    assert wait.mode == "reschedule"
    assert wait.timeout <= timedelta(days=1).total_seconds()


PARSE = """
import json, sys
sys.path[:0] = {paths!r}
from airflow.sdk import DAG, BaseOperator
with DAG("trivial", schedule=None):  # what the smallest of DAGs imports
    BaseOperator(task_id="task")
before = set(sys.modules)
import {module}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def _imports(module: str, context: str = "") -> set[str]:
    paths = [str(ROOT / "dags"), str(ROOT / "plugins"), str(ROOT)]
    environment = {**os.environ, "_AIRFLOW_PARSING_CONTEXT_DAG_ID": context} if context else dict(os.environ)
    script = PARSE.format(paths=paths, module=module)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    import json

    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return set(found)


HEAVY = (
    "airflow.providers",
    "google",
    "boto3",
    "duckdb",
    "pyarrow",
    "numpy",
    "pandas",
    "requests",
    "apache_beam",
)


# Light, and looked into by Airflow's own sensors and mapped operators.
AIRFLOWS_OWN = "airflow.providers.standard"


def _heavy(modules: set[str]) -> list[str]:
    ours = {module for module in modules if not module.startswith(AIRFLOWS_OWN)}
    return sorted(m for m in ours if any(m == name or m.startswith(f"{name}.") for name in HEAVY))


def test_the_dag_processor_imports_nothing_heavy() -> None:
    assert _heavy(_imports("ingest")) == []


def test_a_task_builds_its_own_dag_only_and_checks_no_rules_again() -> None:
    assert "sqlglot" not in _imports("ingest", context="ingest_orders")


def test_two_parses_give_the_same_dags() -> None:
    from airflow.serialization import serialized_objects

    # Airflow 3.1 has it under another name.
    serialise = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    first = [serialise.serialize_dag(dag) for dag in build_dags(ROOT / "include" / "datasets").values()]
    second = [serialise.serialize_dag(dag) for dag in build_dags(ROOT / "include" / "datasets").values()]
    assert first == second

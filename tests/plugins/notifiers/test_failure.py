"""The failure callback: light at parse, plain data, one alert for each task that failed for good."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import airflow
import pytest

from include.spec.pipeline import Notify
from landfall.notifiers.failure import NotifyFailure

ROOT = Path(__file__).resolve().parents[3]
GOOD = Notify(type="webhook", connection="good")

IMPORTS = """
import json, sys
from airflow.sdk import DAG, BaseNotifier, BaseOperator, task
before = set(sys.modules)
import landfall.notifiers.failure
print(json.dumps(sorted(set(sys.modules) - before)))
"""

RUN = """
import json, os
from datetime import timedelta
from airflow.sdk import DAG, task
from landfall.notifiers.failure import NotifyFailure
from include.spec.pipeline import Notify

notify = NotifyFailure(dataset="orders", channels=(
    Notify(type="slack", to="#data"), Notify(type="webhook", connection="broken"), Notify(type="log"),
    Notify(type="webhook", connection="good"),
))
defaults = {"retries": 1, "retry_delay": timedelta(0)}

def next_callback(context):
    with open(os.environ["SEEN"], "a") as seen:
        print(context["exception"], file=seen)

class HeldError(Exception):
    files = ("gs://landing/orders/a.csv",)

with DAG("ingest_orders", default_args=defaults) as dag:
    @task(on_failure_callback=[notify, next_callback])
    def transform(batch):
        if batch:
            raise HeldError("the partner's file is broken")

    @task(trigger_rule="all_done")
    def archive():
        pass

    transform.expand(batch=[0, 1]) >> archive()

if __name__ == "__main__":
    run = dag.test()
    states = {f"{ti.task_id}[{ti.map_index}]": str(ti.state) for ti in run.get_task_instances()}
    print("RESULT " + json.dumps({"states": states, "run_id": run.run_id}))
"""


def run_python(script: Path, code: str, **environment: str) -> str:
    script.parent.mkdir(exist_ok=True)
    script.write_text(code)
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    return done.stdout


def test_importing_it_adds_next_to_nothing_to_what_airflow_has_imported(tmp_path: Path) -> None:
    added = json.loads(run_python(tmp_path / "imports.py", IMPORTS).splitlines()[-1])
    assert [name for name in added if not name.startswith(("landfall", "include"))] == []


def test_it_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(NotifyFailure(dataset="orders", channels=[GOOD])))
    assert (again.dataset, again.channels) == ("orders", (GOOD,))


def context(**parts: Any) -> dict[str, Any]:
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="load", map_index=-1, try_number=1, max_tries=2, **parts)
    return {"ti": ti, "exception": ValueError("no")}


def test_a_try_that_will_be_repeated_is_no_failure(receiver: Any, connect: Callable[..., None]) -> None:
    connect("good", conn_type="http", host=receiver.url)
    NotifyFailure(dataset="orders", channels=[GOOD])(context(state="up_for_retry"))
    assert receiver.requests == []
    NotifyFailure(dataset="orders", channels=[GOOD])(context(state="failed"))
    assert len(receiver.requests) == 1


def test_a_dag_level_callback_is_told_as_well(receiver: Any, connect: Callable[..., None]) -> None:
    connect("good", conn_type="http", host=receiver.url)
    dag = SimpleNamespace(dag_id="ingest_orders")  # like 3.1.7's SerializedDAG, it has no template environment
    NotifyFailure(dataset="orders", channels=[GOOD])({"dag": dag, "run_id": "r", "reason": "timed_out"})
    assert receiver.requests[0].body["reason"] == "timed_out"


# In Airflow 3.1 `DAG.test()`, unlike its task runner, hands a callback no exception.
HANDS_OVER_EXCEPTIONS = tuple(int(part) for part in airflow.__version__.split(".")[:2]) >= (3, 2)


@pytest.mark.slow
@pytest.mark.skipif(not HANDS_OVER_EXCEPTIONS, reason="Airflow 3.1's DAG.test() hands callbacks no exception")
def test_in_a_real_run_the_tasks_error_stands_and_the_good_channel_gets_one_alert(
    receiver: Any, tmp_path: Path
) -> None:
    environment = {
        "AIRFLOW_HOME": str(tmp_path),
        "SEEN": str(tmp_path / "seen"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW_CONN_GOOD": json.dumps({"conn_type": "http", "host": receiver.url}),
        "AIRFLOW_CONN_BROKEN": json.dumps({"conn_type": "http", "host": "http://localhost:1/s3cr3t"}),
    }
    run_python(tmp_path / "init.py", "from airflow.utils.db import initdb; initdb()", **environment)
    printed = run_python(tmp_path / "dags" / "run.py", RUN, **environment)
    result = json.loads(printed.rpartition("RESULT ")[2])

    assert result["states"] == {"transform[0]": "success", "transform[1]": "failed", "archive[-1]": "success"}
    # Two tries, one failure; the callback after ours was called once too, with the task's own error.
    assert (tmp_path / "seen").read_text() == "the partner's file is broken\n"
    (request,) = receiver.requests
    said = request.body
    assert (said["dataset"], said["task_id"], said["map_index"]) == ("orders", "transform", 1)
    assert (said["try_number"], said["max_tries"]) == (2, 2)
    assert said["reason"] == "HeldError: the partner's file is broken"
    assert said["files"] == ["gs://landing/orders/a.csv"]
    assert said["run_id"] == result["run_id"]
    assert said["log_url"].endswith("/tasks/transform/mapped/1?try_number=2")
    assert "was not delivered by slack" in printed
    assert "was not delivered by webhook: WebhookError: no answer from localhost" in printed
    assert "[landfall] orders: transform[1] failed: HeldError: the partner's file is broken" in printed
    assert "s3cr3t" not in printed

"""What a task learns of other runs of its DAG."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from airflow.sdk.api.datamodels._generated import DagRunState
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from landfall.runs import has_ended

GONE = AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 404}))


def context(answer: Any) -> dict[str, Any]:
    def ask(dag_id: str, run_id: str) -> Any:
        assert (dag_id, run_id) == ("ingest_x", "other")
        if isinstance(answer, Exception):
            raise answer
        return answer

    return {"ti": SimpleNamespace(get_dagrun_state=ask), "dag": SimpleNamespace(dag_id="ingest_x")}


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        ("success", True),
        ("failed", True),
        ("running", False),
        ("queued", False),
        (DagRunState.SUCCESS, True),
        (DagRunState.RUNNING, False),
    ],
)
def test_a_run_has_ended_when_airflow_says_so(answer: str, ended: bool) -> None:
    assert has_ended(context(answer), "other") is ended


@pytest.mark.parametrize("error", [GONE, httpx.ConnectError("refused")], ids=["unknown", "unreachable"])
def test_a_run_of_which_airflow_cannot_say_anything_may_be_alive(error: Exception) -> None:
    assert not has_ended(context(error), "other")


def test_below_airflow_every_run_may_be_alive() -> None:
    assert not has_ended({"ti": SimpleNamespace(try_number=1)}, "other")

"""A whole Airflow run whose large file goes to Dataflow: its task is put off, resumed by the trigger, and loaded.

Dataflow is the server of `service.py`; the gRPC call of the triggerer is replaced at the hook.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.dags.conftest import airflow_database, run_dag  # noqa: F401 - fixtures
from tests.plugins.gcp.beam.conftest import ROWS, publish
from tests.plugins.gcp.beam.service import Dataflow
from tests.plugins.gcp.steps import Steps


@pytest.mark.long
def test_a_run_is_put_off_until_its_job_has_ended(
    dataflow: Dataflow,
    steps: Steps,
    run_dag: Any,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.providers.google.cloud.hooks.dataflow import AsyncDataflowHook

    from include.functions.protocol import TransformRequest
    from landfall.gcp.storage import Storage

    async def ends(_: Any, **named: Any) -> Any:
        assert named["job_id"] == dataflow.jobs[0]["id"]
        request = Storage("google_cloud_default").read(dataflow.launched[0]["launchParameter"]["parameters"]["request"])
        publish(TransformRequest.model_validate_json(request))
        return SimpleNamespace(name="JOB_STATE_DONE")

    monkeypatch.setattr(AsyncDataflowHook, "get_job_status", ends)
    steps.land("a.csv", ROWS)
    done = run_dag(f"ingest_{steps.name}", tmp_path)
    assert done.state == "success"
    assert done.tasks["transform"] == ["success"]
    assert steps.rows() == [(1, "a"), (2, "b")]
    assert len(dataflow.launched) == 1

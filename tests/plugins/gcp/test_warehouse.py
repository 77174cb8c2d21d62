"""Jobs that are named after what they do, on the BigQuery emulator through the provider's hook."""

from __future__ import annotations

import uuid

import pytest

from landfall.errors import Missing
from landfall.gcp.warehouse import Structs, Warehouse


@pytest.fixture
def warehouse(in_cloud: object) -> Warehouse:
    made = Warehouse("google_cloud_default", "landfall-local", "US")
    made.ensure_dataset("jobs")
    return made


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4().hex}"


def table(warehouse: Warehouse) -> str:
    made = f"jobs.t{uuid.uuid4().hex}"
    warehouse.query(f"CREATE TABLE {made} (n INT64)")
    return made


def test_a_job_that_ran_is_not_run_again(warehouse: Warehouse, name: str) -> None:
    target = table(warehouse)
    for _ in range(3):
        job = warehouse.run_once(f"INSERT INTO {target} VALUES (1)", {}, name)
    assert job.job_id == f"{name}-1"
    assert warehouse.query(f"SELECT COUNT(*) c FROM {target}") == [{"c": 1}]


def test_a_job_that_failed_gets_the_next_number(warehouse: Warehouse, name: str) -> None:
    target = f"jobs.t{uuid.uuid4().hex}"
    with pytest.raises(Missing):
        warehouse.run_once(f"INSERT INTO {target} VALUES (1)", {}, name)
    warehouse.query(f"CREATE TABLE {target} (n INT64)")
    job = warehouse.run_once(f"INSERT INTO {target} VALUES (1)", {}, name)
    assert job.job_id == f"{name}-2"
    assert warehouse.query(f"SELECT COUNT(*) c FROM {target}") == [{"c": 1}]


def test_a_job_that_another_process_submitted_is_attached_to(warehouse: Warehouse, name: str) -> None:
    target = table(warehouse)
    warehouse.client.query(f"INSERT INTO {target} VALUES (1)", job_id=f"{name}-1", job_retry=None)
    job = warehouse.run_once(f"INSERT INTO {target} VALUES (1)", {}, name)
    assert job.job_id == f"{name}-1"
    assert job.done()
    assert warehouse.query(f"SELECT COUNT(*) c FROM {target}") == [{"c": 1}]


def test_rows_travel_as_one_parameter_whatever_they_hold(warehouse: Warehouse) -> None:
    rows = [{"text": 'it\'s "quoted"; DROP TABLE x --', "n": 1}, {"text": None, "n": 2}]
    found = warehouse.query(
        "SELECT r.text, r.n FROM UNNEST(@rows) AS r ORDER BY r.n",
        {"rows": Structs({"text": "STRING", "n": "INT64"}, rows)},
    )
    assert found == rows


def test_no_rows_are_rows_too(warehouse: Warehouse) -> None:
    nothing = Structs({"text": "STRING", "n": "INT64"}, [])
    assert warehouse.query("SELECT r.n FROM UNNEST(@rows) AS r", {"rows": nothing}) == []
    assert warehouse.query("SELECT x FROM UNNEST(@names) AS x", {"names": []}) == []

"""Jobs that are named after what they do, on the BigQuery emulator through the provider's hook."""

from __future__ import annotations

import concurrent.futures
import uuid

import pytest
import requests

from include.breaker import Breaker, Rules
from landfall.errors import Missing, TransientFailure
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


class SlowJob:
    """A query whose end is asked for so often; each time nothing has happened, or nobody answers."""

    job_type, job_id, error_result = "query", "slow", None

    def __init__(self, asked: int, silent: bool) -> None:
        self.left, self.silent = asked, silent

    def result(self, **_: object) -> None:
        if not self.left:
            return
        self.left -= 1
        cause = requests.ReadTimeout("no answer") if self.silent else None
        raise concurrent.futures.TimeoutError from cause


def test_a_query_that_takes_its_time_is_waited_for_and_is_no_outage() -> None:
    breaker = Breaker("s", rules=Rules(failures=1))
    Warehouse("c", "p", "US", breaker)._wait(SlowJob(50, silent=False))
    assert not breaker.admit()


def test_a_query_of_which_nothing_is_heard_is_an_outage() -> None:
    with pytest.raises(TransientFailure, match="wait for BigQuery job slow: no whole answer came") as caught:
        Warehouse("c", "p", "US")._wait(SlowJob(50, silent=True))
    assert caught.value.outage

"""Jobs that are named after what they do, on the BigQuery emulator through the provider's hook."""

from __future__ import annotations

import concurrent.futures
import io
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from include.breaker import Breaker, Rules
from landfall.errors import LostRace, Missing, RefusedData, TransientFailure
from landfall.gcp.storage import Storage
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


def numbers() -> list[Any]:
    from google.cloud.bigquery import SchemaField

    return [SchemaField("n", "INT64")]


def parquet(name: str, rows: int) -> str:
    """Put a Parquet file of numbers into the work bucket; returns its address."""
    made = io.BytesIO()
    pq.write_table(pa.table({"n": list(range(rows))}), made)
    uri = f"gs://landfall-work/{name}.parquet"
    Storage("google_cloud_default").write(uri, made.getvalue(), "application/octet-stream")
    return uri


def test_a_load_that_was_done_is_not_done_again(warehouse: Warehouse, name: str) -> None:
    from google.cloud.exceptions import NotFound

    target = f"landfall-local.jobs.t{uuid.uuid4().hex}"
    for _ in range(2):
        assert warehouse.load_parquet([parquet(name, 3)], target, numbers(), name) == 3
    with pytest.raises(NotFound):
        warehouse.client.get_job(f"{name}-2", location="US")


def test_a_load_whose_table_has_expired_is_done_again_under_the_next_number(warehouse: Warehouse, name: str) -> None:
    target = f"landfall-local.jobs.t{uuid.uuid4().hex}"
    warehouse.load_parquet([parquet(name, 3)], target, numbers(), name)
    warehouse.client.delete_table(target)
    assert warehouse.load_parquet([parquet(name, 3)], target, numbers(), name) == 3
    assert warehouse.client.get_job(f"{name}-2", location="US").done()
    assert warehouse.query(f"SELECT COUNT(*) c FROM `{target}`") == [{"c": 3}]


def test_a_load_whose_table_is_about_to_expire_is_done_again(warehouse: Warehouse, name: str) -> None:
    target = f"landfall-local.jobs.t{uuid.uuid4().hex}"
    warehouse.load_parquet([parquet(name, 3)], target, numbers(), name)
    table = warehouse.client.get_table(target)
    table.expires = datetime.now(UTC) + timedelta(minutes=5)
    warehouse.client.update_table(table, ["expires"])
    assert not warehouse._stays(target)


def test_a_transaction_that_loses_a_race_is_run_again_at_once(
    warehouse: Warehouse, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = table(warehouse)
    waits = iter([LostRace("Failed to commit"), LostRace("Failed to commit"), None])
    wait = Warehouse._wait

    def lose(self: Warehouse, job: Any) -> None:
        wait(self, job)
        lost = next(waits)
        if lost:
            raise lost

    monkeypatch.setattr(Warehouse, "_wait", lose)
    assert warehouse.run_once(f"SELECT * FROM {target}", {}, name).job_id == f"{name}-3"


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


def test_a_job_that_failed_before_anybody_asked_for_its_rows_is_known_to_have_failed(warehouse: Warehouse) -> None:
    job = warehouse.client.query("SELECT 1; ASSERT FALSE AS 'too many days';", job_retry=None)
    for _ in range(100):
        if warehouse.client.get_job(job.job_id).state == "DONE":
            break
        time.sleep(0.1)
    job._properties.get("status", {}).pop("errorResult", None)  # as it was while the job ran
    with pytest.raises(RefusedData, match="too many days"):
        warehouse._wait(job)


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

"""Jobs that are named after what they do, on the BigQuery emulator through the provider's hook."""

from __future__ import annotations

import io
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landfall.errors import LostRace, TerminalFailure, TransientFailure
from landfall.gcp.storage import Storage
from landfall.gcp.warehouse import Structs, Warehouse, classify


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
    with pytest.raises(TerminalFailure, match="was not found"):
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


class Answer(Exception):
    """An error as google.api_core shows one."""

    def __init__(self, code: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.errors = code, message, [{"reason": reason}]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Answer(503, "try later"), TransientFailure),
        (Answer(429, "slow down"), TransientFailure),
        (Answer(403, "Exceeded rate limits", "rateLimitExceeded"), TransientFailure),
        (Answer(403, "Permission denied", "accessDenied"), TerminalFailure),
        (Answer(400, "Transaction is aborted due to concurrent update against table x"), LostRace),
        (Answer(400, "Could not serialize access to table x due to concurrent update"), LostRace),
        (Answer(400, "Failed to commit"), LostRace),
        (Answer(400, "Syntax error", "invalidQuery"), TerminalFailure),
        (Answer(404, "no such table", "notFound"), TerminalFailure),
    ],
)
def test_the_reason_and_not_the_status_alone_says_whether_to_try_again(error: Any, kind: type[Exception]) -> None:
    assert type(classify(error, "job")) is kind

"""What happens where the service did the work and its answer got lost: the work is found, and not done again."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

from include.ledger.queries import EVENT_TYPES, event_sql
from include.ledger.states import FileState
from include.ledger.tables import Ledger
from landfall.errors import Changed, LostRace, Missing
from landfall.gcp.storage import Storage
from landfall.gcp.warehouse import Structs, Warehouse

Lose = Callable[[str, str], list[str]]


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Lose:
    """Lose the first answer to a request with this method whose address holds this text; returns what was sent."""

    def arrange(method: str, part: str) -> list[str]:
        send, sent = requests.adapters.HTTPAdapter.send, []

        def lossy(adapter: Any, request: Any, *args: Any, **given: Any) -> Any:
            answer = send(adapter, request, *args, **given)
            if request.method == method and part in request.url:
                sent.append(request.url)
                if len(sent) == 1:
                    raise requests.ConnectionError("lost on its way back")
            return answer

        monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lossy)
        return sent

    return arrange


@pytest.fixture
def storage(in_cloud: object) -> Storage:
    return Storage("google_cloud_default")


@pytest.fixture
def warehouse(in_cloud: object) -> Warehouse:
    made = Warehouse("google_cloud_default", "landfall-local", "US")
    made.ensure_dataset("lost")
    return made


@pytest.fixture
def uri() -> str:
    return f"gs://landfall-work/{uuid.uuid4().hex}"


@pytest.fixture
def table(warehouse: Warehouse) -> str:
    made = f"lost.t{uuid.uuid4().hex}"
    warehouse.query(f"CREATE TABLE {made} (n INT64)")
    return made


def rows(warehouse: Warehouse, table: str) -> int:
    return int(warehouse.query(f"SELECT COUNT(*) c FROM {table}")[0]["c"])


def test_a_write_under_a_precondition_knows_its_own_object_again(storage: Storage, uri: str, lose: Lose) -> None:
    sent = lose("POST", "/upload/")
    generation = storage.write(uri, b"mine", if_generation=0)
    assert len(sent) == 2
    assert storage.generation(uri) == generation
    assert storage.read(uri) == b"mine"


def test_what_another_wrote_meanwhile_is_not_taken_for_ones_own(storage: Storage, uri: str) -> None:
    storage.write(uri, b"theirs", if_generation=0)
    with pytest.raises(Changed, match="changed meanwhile"):
        storage.write(uri, b"mine", if_generation=0)
    assert storage.read(uri) == b"theirs"


def test_a_write_without_a_precondition_puts_the_same_in_its_own_place(storage: Storage, uri: str, lose: Lose) -> None:
    sent = lose("POST", "/upload/")
    generation = storage.write(uri, b"mine")
    assert len(sent) == 2
    assert (storage.generation(uri), storage.read(uri)) == (generation, b"mine")


@pytest.mark.parametrize(("method", "part"), [("POST", "/rewriteTo/"), ("DELETE", "/o/")])
def test_a_move_is_finished_whichever_answer_is_lost(
    storage: Storage, uri: str, lose: Lose, method: str, part: str
) -> None:
    generation = storage.write(uri, b"rows")
    sent = lose(method, part)
    assert storage.move(uri, generation, f"{uri}.moved")
    assert len(sent) == 2
    assert storage.read(f"{uri}.moved") == b"rows"
    with pytest.raises(Missing):
        storage.read(uri)


def test_an_insert_by_query_is_made_once(warehouse: Warehouse, table: str, lose: Lose) -> None:
    sent = lose("POST", "/jobs")
    warehouse.query(f"INSERT INTO {table} VALUES (1)")
    assert len(sent) == 2
    assert rows(warehouse, table) == 1


def test_a_named_job_is_found_again(warehouse: Warehouse, table: str, lose: Lose) -> None:
    sent = lose("POST", "/jobs")
    name = f"test-{uuid.uuid4().hex}"
    assert warehouse.run_once(f"INSERT INTO {table} VALUES (1)", {}, name).job_id == f"{name}-1"
    assert len(sent) == 2
    assert rows(warehouse, table) == 1


@pytest.mark.parametrize("part", ["/queries/", "/jobs/"])
def test_a_result_whose_answer_is_lost_is_asked_for_again(warehouse: Warehouse, lose: Lose, part: str) -> None:
    sent = lose("GET", part)
    assert warehouse.query("SELECT n FROM UNNEST([1, 2, 3]) AS n ORDER BY n") == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert len(sent) != 1


def test_a_job_that_lost_a_race_is_run_again_under_the_next_number(warehouse: Warehouse, table: str) -> None:
    name = f"test-{uuid.uuid4().hex}"

    def submit(job_id: str) -> Any:
        lost = job_id == f"{name}-1"
        sql = "ASSERT FALSE AS 'Failed to commit'" if lost else f"INSERT INTO {table} VALUES (1)"
        return warehouse._query(sql, {})(job_id)

    assert warehouse._once(name, submit).job_id == f"{name}-2"
    assert rows(warehouse, table) == 1


def test_a_job_that_loses_every_race_fails_the_task_for_now(warehouse: Warehouse) -> None:
    with pytest.raises(LostRace, match="Failed to commit"):
        warehouse.run_once("ASSERT FALSE AS 'Failed to commit'", {}, f"test-{uuid.uuid4().hex}")


def test_planned_events_written_by_two_tries_are_one_state(warehouse: Warehouse) -> None:
    ledger = Ledger("landfall-local", "lost")
    warehouse.query(ledger.create_sql())
    file = dict.fromkeys(EVENT_TYPES) | {
        "file_id": "f", "bucket": "b", "name": "n", "generation": 1, "checksum": "c", "size": 3, "batch_id": "x",
    }  # fmt: skip
    parameters = {"dataset": "d", "run_id": "r", "files": Structs(EVENT_TYPES, [file])}
    for _ in range(2):
        warehouse.change(event_sql(ledger, FileState.PLANNED), parameters)
    assert warehouse.query(f"SELECT file_id, state FROM {ledger.table('files_current')}") == [
        {"file_id": "f", "state": "planned"}
    ]

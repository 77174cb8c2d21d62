"""The breakers' shared state in the storage emulator: one writer wins, whatever the number of processes."""

from __future__ import annotations

import json
import multiprocessing
import uuid
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from include.breaker import Breaker, RefusedError, Rules, State, StoreUnavailableError
from landfall.errors import ServiceDown, TransientFailure
from landfall.gcp.breakers import ObjectStore
from landfall.gcp.calls import Calls
from landfall.gcp.storage import Storage

BUCKET = "landfall-work"
PROCESSES, TASKS = 4, 200
# Time does not pass in these tests: what is due is due from the beginning, what is not will not be.
RULES = Rules(failures=5, window=1e9, cool_down=1e9, lease=1e9)
DUE = State(phase="open", since=1.0, probe_at=2.0, reason="503")


@pytest.fixture
def storage(in_cloud: object) -> Storage:
    return Storage("google_cloud_default")


@pytest.fixture
def name() -> str:
    return f"_landfall/breakers/{uuid.uuid4().hex}.json"


@pytest.fixture
def store(storage: Storage, name: str) -> ObjectStore:
    return ObjectStore(lambda: storage.client, BUCKET, name)


def test_what_was_never_written_is_closed(store: ObjectStore) -> None:
    assert store.read() == (State(), 0)


def test_a_state_is_read_as_it_was_written(store: ObjectStore) -> None:
    assert store.write(DUE, 0)
    state, version = store.read()
    assert state == DUE
    assert version > 0


def test_of_two_that_write_over_one_version_the_second_is_refused_even_with_the_same_state(store: ObjectStore) -> None:
    assert [store.write(DUE, 0) for _ in range(2)] == [True, False]
    _, version = store.read()
    assert [store.write(State(), version) for _ in range(2)] == [True, False]


def test_what_is_no_state_is_as_good_as_no_store(storage: Storage, store: ObjectStore, name: str) -> None:
    for content in (b"", b"[]", b'{"phase": ', b"\xff"):
        storage.write(f"gs://{BUCKET}/{name}", content)
        with pytest.raises(StoreUnavailableError, match="breakers"):
            store.read()


def test_a_newer_version_may_have_added_a_field(storage: Storage, store: ObjectStore, name: str) -> None:
    storage.write(f"gs://{BUCKET}/{name}", json.dumps({"phase": "open", "probe_at": 5.0, "colour": "red"}).encode())
    assert store.read()[0] == State(phase="open", probe_at=5.0)


def worker(name: str, count: int) -> list[str]:
    """Do the tasks of one process, each with a breaker of its own."""
    storage = Storage("google_cloud_default")
    ended = []
    for _ in range(count):
        breaker = Breaker("s", ObjectStore(lambda: storage.client, BUCKET, name), rules=RULES)
        try:
            ended.append("probed" if breaker.admit() else "called")
        except RefusedError:
            ended.append("refused")
            continue
        breaker.failed("503")
    return ended


def all_tasks(name: str) -> list[str]:
    # Forked, for what a worker imports takes longer than all it does.
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("fork")) as workers:
        parts = [workers.submit(worker, name, TASKS // PROCESSES) for _ in range(PROCESSES)]
    return [one for part in parts for one in part.result()]


def test_tasks_of_several_processes_stop_calling_what_is_down(store: ObjectStore, name: str) -> None:
    ended = all_tasks(name)
    assert RULES.failures <= ended.count("called") <= RULES.failures + PROCESSES
    assert ended.count("refused") == TASKS - ended.count("called")
    assert store.read()[0].phase == "open"


def test_of_tasks_of_several_processes_one_probes(store: ObjectStore, name: str) -> None:
    store.write(DUE, 0)
    ended = all_tasks(name)
    assert (ended.count("probed"), ended.count("refused")) == (1, TASKS - 1)


class Down:
    """A service whose every call is an outage, or an answer once it is mended."""

    def __init__(self) -> None:
        self.up, self.calls = False, 0

    def __call__(self) -> str:
        self.calls += 1
        if not self.up:
            raise TransientFailure("503", outage=True)
        return "well"


def test_calls_fail_at_once_and_say_since_when_and_until_when(store: ObjectStore) -> None:
    service, told = Down(), []
    rules = Rules(failures=3)

    def calls() -> Calls:
        changed = lambda name, state, up: told.append((name, state.reason, up))  # noqa: E731
        return Calls(lambda *_: None, Breaker("BigQuery", store, rules=rules, changed=changed), sleep=lambda _: None)

    def failure(_: int) -> TransientFailure:
        with pytest.raises(TransientFailure) as caught:
            calls()("ask", service)
        return caught.value

    with ThreadPoolExecutor(8) as workers:
        failed = list(workers.map(failure, range(40)))
    assert rules.failures <= service.calls <= rules.failures + 8
    assert type(failed[-1]) is ServiceDown
    said = str(failed[-1])
    assert said.startswith("ask: not tried, BigQuery is down since ")
    assert "the next probe is at " in said
    assert 0 < failed[-1].retry_after <= rules.cool_down
    assert told == [("BigQuery", "503", False)]


def test_a_probe_that_is_answered_lets_the_call_through_and_closes_it(store: ObjectStore) -> None:
    store.write(DUE, 0)
    service, probe, told = Down(), Down(), []
    service.up = probe.up = True
    breaker = Breaker("the function", store, changed=lambda _n, _s, up: told.append(up))
    call = Calls(lambda *_: None, breaker, probe=probe)
    assert [call("post", service) for _ in range(3)] == ["well"] * 3
    assert (probe.calls, service.calls, told) == (1, 3, [True])
    assert store.read()[0] == State()


def test_a_probe_that_fails_keeps_the_call_back(store: ObjectStore) -> None:
    store.write(DUE, 0)
    service, probe = Down(), Down()
    call = Calls(lambda *_: None, Breaker("the function", store), probe=probe, sleep=lambda _: None)
    with pytest.raises(TransientFailure):
        call("post", service)
    assert (probe.calls, service.calls) == (1, 0)
    assert store.read()[0].phase == "open"


def test_slow_down_and_a_lost_race_are_no_outages(store: ObjectStore) -> None:
    call = Calls(lambda *_: None, Breaker("s", store, rules=Rules(failures=1)), sleep=lambda _: None)

    def busy() -> None:
        raise TransientFailure("429")

    with pytest.raises(TransientFailure, match="429"):
        call("ask", busy)
    assert store.read() == (State(), 0)


def test_with_the_store_away_a_call_is_made_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    client = storage.Client(project="p", credentials=AnonymousCredentials())
    service = Down()
    service.up = True
    call = Calls(lambda *_: None, Breaker("s", ObjectStore(lambda: client, BUCKET, "x")))
    assert call("ask", service) == "well"

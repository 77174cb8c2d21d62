"""The circuit breaker: its states, and what two hundred tasks do to a service that is down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from include.breaker import Breaker, MemoryStore, RefusedError, Rules, State, StoreUnavailableError

RULES = Rules(failures=5, window=60.0, cool_down=30.0, lease=120.0)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(now: float) -> State:
    state = State()
    for _ in range(RULES.failures):
        state = state.failed("a", now, RULES, "503")
    return state


def test_it_opens_after_so_many_outages_in_a_row() -> None:
    state = State()
    for count in range(1, RULES.failures):
        state = state.failed("a", 10.0, RULES, "503")
        assert (state.phase, state.failures) == ("closed", count)
    state = state.failed("b", 12.0, RULES, "503")
    assert (state.phase, state.since, state.probe_at, state.reason) == ("open", 12.0, 42.0, "503")


def test_an_answer_starts_the_count_anew() -> None:
    state = State().failed("a", 10.0, RULES, "503").answered("b")
    assert state == State()


def test_outages_that_lie_further_apart_than_the_window_are_not_in_a_row() -> None:
    state = State()
    for number in range(20):
        state = state.failed("a", number * 16.0, RULES, "503")
        assert state.phase == "closed"


def test_nobody_probes_before_the_cool_down_and_one_does_after_it() -> None:
    state = opened(100.0)
    assert state.admitted("a", 129.0, RULES) == state
    probing = state.admitted("a", 130.0, RULES)
    assert (probing.phase, probing.holder, probing.probe_at) == ("half_open", "a", 250.0)
    assert probing.admitted("b", 131.0, RULES) == probing


def test_the_probes_answer_closes_it_and_its_outage_opens_it_again() -> None:
    probing = opened(100.0).admitted("a", 130.0, RULES)
    assert probing.answered("a") == State()
    again = probing.failed("a", 140.0, RULES, "still 503")
    assert (again.phase, again.since, again.probe_at, again.holder) == ("open", 100.0, 170.0, "")


def test_what_was_on_its_way_when_it_opened_says_nothing() -> None:
    for state in (opened(100.0), opened(100.0).admitted("a", 130.0, RULES)):
        assert state.answered("late") == state
        assert state.failed("late", 131.0, RULES, "503") == state


def test_a_prober_that_died_loses_the_probe_when_its_lease_runs_out() -> None:
    probing = opened(100.0).admitted("dead", 130.0, RULES)
    taken = probing.admitted("b", 250.0, RULES)
    assert (taken.phase, taken.holder) == ("half_open", "b")
    assert taken.answered("dead") == taken


class Counting(MemoryStore):
    """A shared store that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.writes = 0

    def read(self) -> tuple[State, int]:
        self.reads += 1
        return super().read()

    def write(self, state: State, version: int) -> bool:
        self.writes += 1
        return super().write(state, version)


def test_while_all_is_well_it_costs_one_read_and_no_write() -> None:
    store = Counting()
    breaker = Breaker("s", store)
    for _ in range(1_000):
        breaker.admit()
        breaker.answered()
    assert (store.reads, store.writes) == (1, 0)


class Away:
    """A store that cannot be read."""

    def read(self) -> tuple[State, int]:
        raise StoreUnavailableError("no answer")

    def write(self, state: State, version: int) -> bool:  # noqa: ARG002
        raise AssertionError("nothing is written to what cannot be read")


def test_without_its_store_a_process_goes_on_with_a_breaker_of_its_own(clock: Clock) -> None:
    told: list[str] = []
    breaker = Breaker("s", Away(), rules=RULES, clock=clock, changed=lambda *change: told.append(str(change)))
    for _ in range(RULES.failures):
        assert not breaker.admit()
        breaker.failed("503")
    with pytest.raises(RefusedError):
        breaker.admit()
    clock.now += RULES.cool_down
    assert breaker.admit()
    breaker.answered()
    assert not breaker.admit()
    # Two hundred processes would tell two hundred times of what each found out for itself.
    assert told == []


class Service:
    """A service that is down until it is mended, and counts who called."""

    def __init__(self) -> None:
        self.up, self.calls, self._lock = False, 0, threading.Lock()

    def call(self) -> bool:
        with self._lock:
            self.calls += 1
        return self.up


def run_task(service: Service, make: Callable[[], Breaker], probing: list[bool]) -> str:
    """Do what a task does in one try: ask the breaker, call, say what came of it."""
    breaker = make()
    try:
        probe = breaker.admit()
    except RefusedError:
        return "refused"
    probing.append(probe)
    if not service.call():
        breaker.failed("503")
        return "failed"
    breaker.answered()
    return "done"


WORKERS, TASKS = 16, 200


def test_two_hundred_tasks_do_not_hammer_a_service_that_is_down(clock: Clock) -> None:
    service, store, told = Service(), MemoryStore(), []
    probing: list[bool] = []

    def made() -> Breaker:
        return Breaker("s", store, rules=RULES, clock=clock, changed=lambda _s, _state, up: told.append(up))

    def all_tasks() -> list[str]:
        with ThreadPoolExecutor(WORKERS) as workers:
            return list(workers.map(lambda _: run_task(service, made, probing), range(TASKS)))

    ended = all_tasks()
    # As many as it takes to open it, and those that were on their way just then.
    assert RULES.failures <= service.calls <= RULES.failures + WORKERS
    assert ended.count("refused") == TASKS - service.calls
    assert told == [False]

    # Down still: of all tasks of the next round one probes.
    clock.now += RULES.cool_down
    service.calls = 0
    probing.clear()
    assert all_tasks().count("failed") == 1
    assert (service.calls, probing) == (1, [True])
    assert told == [False]

    # Mended: one probes, and the others follow.
    clock.now += RULES.cool_down
    service.up, service.calls = True, 0
    probing.clear()
    first = run_task(service, made, probing)
    assert (first, probing) == ("done", [True])
    assert set(all_tasks()) == {"done"}
    assert told == [False, True]
    assert store.read()[0] == State()


def test_of_threads_that_meet_an_open_breaker_together_exactly_one_probes(clock: Clock) -> None:
    for _ in range(50):
        store = MemoryStore()
        store.write(opened(clock.now), 0)
        clock.now += RULES.cool_down
        barrier = threading.Barrier(WORKERS)

        def ask(store: MemoryStore = store, barrier: threading.Barrier = barrier) -> bool:
            breaker = Breaker("s", store, rules=RULES, clock=clock)
            barrier.wait()
            try:
                return breaker.admit()
            except RefusedError:
                return False

        with ThreadPoolExecutor(WORKERS) as workers:
            asked = [workers.submit(ask) for _ in range(WORKERS)]
        assert [future.result() for future in asked].count(True) == 1


def test_of_the_threads_of_one_task_one_probes_too(clock: Clock) -> None:
    store = MemoryStore()
    store.write(opened(clock.now), 0)
    clock.now += RULES.cool_down
    breaker = Breaker("s", store, rules=RULES, clock=clock)

    barrier = threading.Barrier(8)

    def ask(_: int) -> bool:
        barrier.wait()
        try:
            return breaker.admit()
        except RefusedError:
            return False

    with ThreadPoolExecutor(8) as workers:
        assert list(workers.map(ask, range(8))).count(True) == 1

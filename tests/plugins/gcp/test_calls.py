"""One call: how often it is made, and how long it is waited."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import tenacity

from include.backoff import Backoff
from include.breaker import Breaker
from landfall.errors import Failure, TerminalFailure, TransientFailure
from landfall.gcp import calls
from landfall.gcp.calls import SECONDS, Calls


class Clock:
    """Time that passes by sleeping, and while a call is made."""

    def __init__(self, call_takes: float = 0.0) -> None:
        self.now, self.call_takes = 0.0, call_takes
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Service:
    """A service that fails in these ways, one after the other, and then answers."""

    def __init__(self, clock: Clock, *failures: Exception, forever: bool = False) -> None:
        self.clock, self.failures, self.forever = clock, list(failures), forever
        self.began: list[float] = []

    def __call__(self) -> str:
        self.began.append(self.clock.now)
        self.clock.now += self.clock.call_takes
        if self.failures:
            raise self.failures[0] if self.forever else self.failures.pop(0)
        return "well"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(tenacity, "time", SimpleNamespace(monotonic=lambda: made.now))
    monkeypatch.setattr(calls, "BACKOFF", Backoff(base=1.0, jitter=1.0, cap=8.0))
    return made


def caller(clock: Clock) -> Calls:
    def classify(error: Exception, what: str) -> Failure | None:
        return TransientFailure(f"{what}: {error}") if isinstance(error, ConnectionError) else None

    return Calls(classify, Breaker("s"), sleep=clock.sleep)


def test_the_delays_double_and_no_try_begins_after_half_a_minute(clock: Clock) -> None:
    service = Service(clock, ConnectionError("reset"), forever=True)
    with pytest.raises(TransientFailure, match="ask: reset"):
        caller(clock)("ask", service)
    assert all(low <= slept <= min(low + 1, 8) for slept, low in zip(clock.slept, (1, 2, 4, 8, 8), strict=False))
    assert len(service.began) == 6
    assert service.began[-1] <= SECONDS


def test_a_service_that_hangs_is_not_asked_again_and_again(clock: Clock) -> None:
    clock.call_takes = 60.0
    service = Service(clock, ConnectionError("silent"), forever=True)
    with pytest.raises(TransientFailure):
        caller(clock)("ask", service)
    assert len(service.began) == 1


def test_a_call_that_goes_well_in_the_end_has_gone_well(clock: Clock) -> None:
    service = Service(clock, ConnectionError("a"), ConnectionError("b"))
    assert caller(clock)("ask", service) == "well"
    assert len(service.began) == 3


def test_a_retry_after_is_waited_for(clock: Clock) -> None:
    service = Service(clock, TransientFailure("slow down", retry_after=12.0))
    assert caller(clock)("ask", service) == "well"
    assert clock.slept == [12.0]


def test_a_retry_after_that_is_too_long_for_a_call_is_left_to_airflow(clock: Clock) -> None:
    service = Service(clock, TransientFailure("slow down", retry_after=120.0))
    with pytest.raises(TransientFailure) as caught:
        caller(clock)("ask", service)
    assert (clock.slept, caught.value.retry_after) == ([], 120.0)


@pytest.mark.parametrize("error", [TerminalFailure("no"), KeyError("a defect of ours")])
def test_what_cannot_pass_is_tried_once(clock: Clock, error: Exception) -> None:
    service = Service(clock, error)
    with pytest.raises(type(error)):
        caller(clock)("ask", service)
    assert len(service.began) == 1


def test_what_may_not_be_made_twice_is_repeated_only_if_it_never_arrived(clock: Clock) -> None:
    arrived = Service(clock, TransientFailure("broke off"))
    with pytest.raises(TransientFailure):
        caller(clock)("post", arrived, repeatable=False)
    refused = Service(clock, TransientFailure("nobody there", delivered=False))
    assert caller(clock)("post", refused, repeatable=False) == "well"

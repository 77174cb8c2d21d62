"""Calls of one service: classified, tried again for seconds, behind the service's breaker.

This is the only retry inside a call: every call hands the client libraries `retry=None`, so that nothing multiplies.
What does not pass within seconds fails the task, and Airflow bridges the minutes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from include.backoff import Backoff
from include.breaker import Breaker, RefusedError
from landfall.errors import Failure, ServiceDown, TerminalFailure, TransientFailure

log = logging.getLogger(__name__)

T = TypeVar("T")

# No try begins later than this after the first.
SECONDS = 30.0
# Seconds that one HTTP request may be silent. The longest call is thus a minute and a half.
TIMEOUT = 60.0
BACKOFF = Backoff(base=1.0, jitter=1.0, cap=8.0)


def patiently(
    call: Callable[[], T], *, again: Callable[[TransientFailure], bool], sleep: Callable[[float], None] = time.sleep
) -> T:
    """Call until it goes well, fails in a way that is not to be repeated, or the next try would come too late.

    Args:
        call: what to call.
        again: whether a failure is to be repeated.
        sleep: what waits for so many seconds.

    Raises:
        TerminalFailure, TransientFailure: the last try's.
    """
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay

    def delay(state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        return BACKOFF.delay(state.attempt_number, asked=getattr(failure, "retry_after", 0.0))

    def tell(state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        log.warning("try %d: %s; once more in %.1f s", state.attempt_number, failure, state.upcoming_sleep)

    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, TransientFailure) and again(error)),
        wait=delay,
        # A Retry-After beyond this fails the task at once, which carries it on to Airflow's delay.
        stop=stop_before_delay(SECONDS),
        before_sleep=tell,
        sleep=sleep,
        reraise=True,
    )
    return retrying(call)


class Calls:
    """What calls one service.

    Args:
        classify: makes a failure of an error and of what was tried; None for what is no error of the service.
        breaker: the service's.
        probe: what the breaker probes with, where a call itself would take too long for that.
        sleep: what waits for so many seconds.
    """

    def __init__(
        self,
        classify: Callable[[Exception, str], Failure | None],
        breaker: Breaker,
        *,
        probe: Callable[[], object] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._classify, self._breaker, self._probe, self._sleep = classify, breaker, probe, sleep

    def __call__(self, what: str, call: Callable[[], T], *, repeatable: bool = True) -> T:
        """Call the service.

        Args:
            what: what is tried and on what, for a person.
            call: one short call, in which the client library tries nothing again.
            repeatable: whether it may be made twice; one that may not is repeated only if it never arrived.

        Raises:
            TerminalFailure, TransientFailure: it failed; whatever the client library raised is the cause.
        """

        def again(failure: TransientFailure) -> bool:
            return not isinstance(failure, ServiceDown) and (repeatable or not failure.delivered)

        return patiently(lambda: self._guarded(what, call), again=again, sleep=self._sleep)

    def _guarded(self, what: str, call: Callable[[], T]) -> T:
        try:
            probes = self._breaker.admit()
        except RefusedError as refused:
            raise _service_down(refused, what) from None
        if probes and self._probe is not None:
            self._try(f"a probe before {what}", self._probe)
        return self._try(what, call)

    def _try(self, what: str, call: Callable[[], T]) -> T:
        try:
            result = call()
        except Exception as error:
            failure = error if isinstance(error, Failure) else self._classify(error, what)
            self._report(failure)
            if failure is None or failure is error:
                raise
            raise failure from error
        self._breaker.answered()
        return result

    def _report(self, failure: Failure | None) -> None:
        if isinstance(failure, TransientFailure) and failure.outage:
            self._breaker.failed(str(failure))
        elif isinstance(failure, TerminalFailure) or (failure is not None and failure.delivered):
            self._breaker.answered()


def _service_down(refused: RefusedError, what: str) -> ServiceDown:
    since, probe = (
        datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC") for at in (refused.state.since, refused.state.probe_at)
    )
    text = (
        f"{what}: not tried, {refused.service} is down since {since}; the next probe is at {probe}. Last outage:"
        f" {refused.state.reason}"
    )
    return ServiceDown(text, retry_after=refused.seconds)

"""A circuit breaker that many processes share: who may call a service that was seen to be down.

    closed --(N outages in a row)--> open --(cool-down over, one wins the probe)--> half-open
    half-open --(the probe is answered)--> closed      half-open --(the probe fails, or its lease runs out)--> open

The state lies where every process sees it and is written by compare-and-set, so that of many that would probe one does.
A service that is well costs one read in a process and no write.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

log = logging.getLogger(__name__)

# A compare-and-set that lost is tried again this often; a count that gets lost only opens the breaker a little later.
_TRIES = 5
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Rules:
    """When a breaker opens, and for how long. All times are seconds.

    Args:
        failures: outages in a row that open it.
        window: time within which they have to fall.
        cool_down: time from an outage to the next probe.
        lease: time after which a probe is given to another: longer than any probe takes.
    """

    failures: int = 10
    window: float = 60.0
    cool_down: float = 30.0
    lease: float = 120.0


@dataclass(frozen=True, slots=True)
class State:
    """What is known of one service. Times are seconds since 1970, UTC.

    Args:
        failures: outages counted in a row while closed.
        counting_since: when the first of them was.
        since: when it opened.
        probe_at: while open: when the next probe is due; while half-open: when the running one's lease runs out.
        holder: who probes.
        reason: the last outage.
    """

    phase: Literal["closed", "open", "half_open"] = "closed"
    failures: int = 0
    counting_since: float = 0.0
    since: float = 0.0
    probe_at: float = 0.0
    holder: str = ""
    reason: str = ""

    def admitted(self, who: str, now: float, rules: Rules) -> State:
        """Return the state after `who` asked to call: with `who` as the one who probes, if a probe is due."""
        if self.phase == "closed" or now < self.probe_at:
            return self
        return replace(self, phase="half_open", holder=who, probe_at=now + rules.lease)

    def failed(self, who: str, now: float, rules: Rules, reason: str) -> State:
        """Return the state after an outage that `who` met."""
        if self.phase == "closed":
            fresh = self.failures == 0 or now - self.counting_since > rules.window
            count, since = (1, now) if fresh else (self.failures + 1, self.counting_since)
            counted = State(failures=count, counting_since=since, reason=reason)
            return counted if count < rules.failures else self._opened(now, now + rules.cool_down, reason)
        if self.phase == "half_open" and self.holder == who:
            return self._opened(self.since, now + rules.cool_down, reason)
        return self  # one that was on its way when it opened

    def answered(self, who: str) -> State:
        """Return the state after the service answered `who`; what was on its way when it opened says nothing."""
        return State() if self.phase == "closed" or self.holder == who else self

    def _opened(self, since: float, probe_at: float, reason: str) -> State:
        return State(phase="open", since=since, probe_at=probe_at, reason=reason)


class StoreUnavailableError(Exception):
    """The place where a breaker's state lies cannot be read."""


class Store(Protocol):
    """Where the state of one breaker lies; a version is what compare-and-set compares."""

    def read(self) -> tuple[State, int]:
        """Return the state and its version; a state that was never written is closed, version 0.

        Raises:
            StoreUnavailableError: it cannot be read.
        """

    def write(self, state: State, version: int) -> bool:
        """Write a state over that version; False where another was written meanwhile, or nothing could be."""


class MemoryStore:
    """A store for the threads of one process."""

    def __init__(self) -> None:
        self._held: tuple[State, int] = (State(), 0)
        self._lock = threading.Lock()

    def read(self) -> tuple[State, int]:
        """Return the state and its version."""
        return self._held

    def write(self, state: State, version: int) -> bool:
        """Write a state over that version; False where another was written meanwhile."""
        with self._lock:
            if self._held[1] != version:
                return False
            self._held = (state, version + 1)
            return True


class RefusedError(Exception):
    """The breaker lets nobody call the service now."""

    def __init__(self, service: str, state: State, now: float) -> None:
        super().__init__(f"{service} is down: {state.reason}")
        self.service, self.state = service, state
        self.seconds = max(state.probe_at - now, 0.0)


class Breaker:
    """One service's breaker as one process uses it; threads may share it.

    Without its store it goes on with a state of its own: a run does not stop because a breaker cannot be read.

    Args:
        service: its name, for people.
        store: where the shared state lies; in this process alone if left out.
        changed: called by the one process that opened or closed the shared breaker: with the service, the state while
            it was open, and whether the service is up again.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        service: str,
        store: Store | None = None,
        *,
        rules: Rules | None = None,
        changed: Callable[[str, State, bool], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.service, self._rules, self._clock = service, rules or Rules(), clock
        self._store: Store = store or MemoryStore()
        self._changed = changed if store else None
        self._process = uuid.uuid4().hex
        self._known: State | None = None
        self._lock = threading.RLock()

    def admit(self) -> bool:
        """Return whether the caller is the probe; the shared state is read at the first call only, while it is closed.

        Raises:
            RefusedError: the service is down, and another probes or nobody may yet.
        """
        with self._lock:
            if self._known is None:
                self._known = self._read()[0]
            if self._known.phase == "closed":
                return False
            who, now = self._who, self._clock()
            state = self._update(lambda held: held.admitted(who, now, self._rules))
            if state.phase != "closed" and state.holder != who:
                raise RefusedError(self.service, state, now)
            return state.phase != "closed"

    def failed(self, reason: str) -> None:
        """Count an outage."""
        with self._lock:
            who, now = self._who, self._clock()
            self._update(lambda held: held.failed(who, now, self._rules, reason))

    def answered(self) -> None:
        """Take note that the service answered; writes only where outages were counted or this was the probe."""
        who, known = self._who, self._known
        if known is not None and known.answered(who) != known:
            with self._lock:
                self._update(lambda held: held.answered(who))

    @property
    def _who(self) -> str:
        """This thread: of those that share a breaker one probes."""
        return f"{self._process}-{threading.get_ident()}"

    def _update(self, step: Callable[[State], State]) -> State:
        """Bring the state one step on; returns what is now held to be so."""
        for attempt in range(_TRIES):
            before, version = self._read()
            self._known = after = step(before)
            if after == before:
                return before
            if self._store.write(after, version):
                self._tell(before, after)
                return after
            time.sleep(random.uniform(0.0, _PAUSE_SECONDS * attempt))  # noqa: S311 - spreads writers
        # Somebody else always came first: what they wrote counts.
        self._known = self._read()[0]
        return self._known

    def _read(self) -> tuple[State, int]:
        try:
            return self._store.read()
        except StoreUnavailableError as error:
            log.warning("the state of the breaker of %s cannot be read, so this process keeps its own: %s",
                        self.service, error)  # fmt: skip
            self._store, self._changed = MemoryStore(), None
            return self._store.read()

    def _tell(self, before: State, after: State) -> None:
        if after.phase == before.phase or "closed" not in (before.phase, after.phase):
            return
        if after.phase == "open":
            log.error("%s is down, nobody calls it for %.0f s: %s", self.service, self._rules.cool_down, after.reason)
        else:
            log.warning("%s answers again", self.service)
        if self._changed is not None:
            down = after.phase == "open"
            self._changed(self.service, after if down else before, not down)

"""Each fault at each place, in small histories that together come to all of them."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.faults import ALL, Fault
from tests.faults.histories import HISTORIES, History
from tests.faults.schedules import end, new_world
from tests.faults.script import Rule
from tests.faults.world import MODES, Mode, World

if TYPE_CHECKING:
    from tests.faults.site import Site


@dataclass(frozen=True)
class Pair:
    """What became of one fault at one place.

    Args:
        place: the crash point, or the call.
        fault: what was done there.
        mode: in which history, and how the dataset loads.
        met: whether it was done: whether a process came there.
        problems: what was not as it must be after everything had settled.
    """

    place: str
    fault: str
    mode: str
    met: bool
    problems: tuple[str, ...]

    @property
    def result(self) -> str:
        """In a word."""
        return "; ".join(self.problems) if self.problems else "ok" if self.met else "not met"


def crash(site: Site, history: History, place: str, mode: Mode) -> Pair:
    """Kill a process at a crash point."""
    met, problems = _live(site, history, mode, lambda _: site.arm(place), lambda: place not in site.disarm())
    return Pair(place, "kill -9", f"{history.name}, {mode}", met, problems)


def strike(site: Site, history: History, call: str, fault: Fault, mode: Mode) -> Pair:
    """Have a fault strike the first call of a name."""
    rule = Rule(fault=fault, call=call)

    def met() -> bool:
        return any(exchange.fault == fault for exchange in site.proxies.injected())

    happened, problems = _live(site, history, mode, lambda world: world.strike(rule), met)
    return Pair(call, repr(fault), f"{history.name}, {mode}", happened, problems)


# Made only where the emulator has not done a job by the time it answers: a pair could not be sure to meet it, and each
# process has to draw up the same list.
_NOW_AND_THEN = {"bigquery.get_job"}


def calls_made(site: Site, history: History) -> list[str]:
    """Return the names of the calls that a history always makes when nothing goes wrong."""
    found: set[str] = set()

    def seen() -> bool:
        found.update(exchange.call for exchange in site.proxies.log)
        return True

    for mode in MODES:
        _live(site, history, mode, lambda _: site.proxies.play(), seen)
    return sorted(found - _NOW_AND_THEN)


def all_pairs(site: Site) -> list[Callable[[], Pair]]:
    """Return what tries out each pair.

    Each crash point in every history that comes to it, in each mode; each fault at each call of the first history, and
    at each call that writes of the others, in one mode after the other.
    """
    crashes = [
        functools.partial(crash, site, history, place, mode)
        for history in HISTORIES
        for mode in MODES
        for place in history.crash_points(mode)
    ]
    struck = [
        (history, call, fault)
        for history in HISTORIES
        for call in (calls_made(site, history) if history.calls is None else history.calls)
        for fault in ALL
    ]
    faults = [
        functools.partial(strike, site, history, call, fault, MODES[number % len(MODES)])
        for number, (history, call, fault) in enumerate(struck)
    ]
    return [*crashes, *faults]


def _live(
    site: Site, history: History, mode: Mode, begin: Callable[[World], object], met: Callable[[], bool]
) -> tuple[bool, tuple[str, ...]]:
    """Live through a history; returns whether the fault was met, and what was wrong in the end."""
    with tempfile.TemporaryDirectory(prefix="landfall-pair-") as scratch:
        world = new_world(site, mode, Path(scratch), "pair", history.policy)
        history.before(world)
        begin(world)
        history.under_fire(world)
        happened = met()
        problems = end(world)
        site.clear(world.table, world.ledger)
        site.ended(world.name)
        return happened, tuple(problems)

"""Each fault at each place, in a small history that comes to all of them."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.faults import ALL, Fault
from tests.faults.places import crash_points
from tests.faults.schedules import new_world
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
        mode: how the dataset loads.
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


def crash(site: Site, place: str, mode: Mode) -> Pair:
    """Kill a process at a crash point."""
    met, problems = _under(site, mode, lambda: site.arm(place), lambda: place not in site.disarm())
    return Pair(place, "kill -9", mode, met, problems)


def strike(site: Site, call: str, fault: Fault, mode: Mode) -> Pair:
    """Have a fault strike the first call of a name."""
    rule = Rule(fault=fault, call=call)
    met, problems = _under(site, mode, lambda: site.proxies.play(rule), lambda: bool(site.proxies.injected()))
    return Pair(call, repr(fault), mode, met, problems)


def calls_made(site: Site) -> list[str]:
    """Return the names of the calls that the history makes when nothing goes wrong."""
    found: set[str] = set()

    def seen() -> bool:
        found.update(exchange.call for exchange in site.proxies.log)
        return True

    for mode in MODES:
        _under(site, mode, site.proxies.play, seen)
    return sorted(found)


def all_pairs(site: Site) -> list[Callable[[], Pair]]:
    """Return what tries out each pair: crash points in each mode, faults in one mode after the other."""
    crashes = [functools.partial(crash, site, place, mode) for place in crash_points() for mode in MODES]
    struck = [(call, fault) for call in calls_made(site) for fault in ALL]
    faults = [
        functools.partial(strike, site, call, fault, MODES[number % len(MODES)])
        for number, (call, fault) in enumerate(struck)
    ]
    return [*crashes, *faults]


def _under(
    site: Site, mode: Mode, begin: Callable[[], object], met: Callable[[], bool]
) -> tuple[bool, tuple[str, ...]]:
    """Live through the history; returns whether the fault was met, and what was wrong in the end.

    The fault is there from the dataset's first run on, which makes its tables, to the end of its second, which takes
    another file and the second version of the first one.
    """
    with tempfile.TemporaryDirectory(prefix="landfall-pair-") as scratch:
        world = new_world(site, mode, Path(scratch), "pair")
        begin()
        _history(world)
        happened = met()
        site.disarm()
        try:
            world.settle()
            problems = world.problems()
        except AssertionError as stuck:
            problems = [str(stuck)]
        site.ended(world.name)
        return happened, tuple(problems)


def _history(world: World) -> None:
    world.land(0, bad=1)
    world.new_run().finish()
    world.amend()
    world.land(0, bad=1)
    world.land(2)
    world.new_run().finish()

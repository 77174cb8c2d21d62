"""Each crash point, in each mode, in a small history that comes to all of them."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.places import crash_points
from tests.faults.schedules import new_world
from tests.faults.world import MODES, Mode

if TYPE_CHECKING:
    from tests.faults.site import Site


@dataclass(frozen=True)
class Pair:
    """What became of one fault at one place.

    Args:
        place: the crash point, or the call.
        fault: what was done there.
        mode: how the dataset loads.
        met: whether a process came there.
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
    """Kill a process at a crash point while two files are loaded, one of them in its second version."""
    with tempfile.TemporaryDirectory(prefix="landfall-pair-") as scratch:
        world = new_world(site, mode, Path(scratch), "pair")
        world.land(0, bad=1)
        world.new_run().finish()
        world.land(0, bad=1)
        world.land(2)
        site.arm(place)
        world.new_run().finish()
        met = place not in site.disarm()
        try:
            world.settle()
            problems = world.problems()
        except AssertionError as stuck:
            problems = [str(stuck)]
        site.ended(world.name)
        return Pair(place, "kill -9", mode, met, tuple(problems))


def all_pairs(site: Site) -> list[Callable[[], Pair]]:
    """Return what tries out each pair."""
    return [functools.partial(crash, site, place, mode) for place in crash_points() for mode in MODES]

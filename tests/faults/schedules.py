"""Random schedules of what can happen to one dataset, with crashes and faults; what they may not lead to is checked."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.faults.faults import ALL, Fault
from tests.faults.places import crash_points
from tests.faults.script import Rule
from tests.faults.world import LOADS, OBJECTS, Mode, Wish, World

if TYPE_CHECKING:
    from tests.faults.driver import Run
    from tests.faults.site import Site

CALLS = (
    "storage.*",
    "bigquery.*",
    "function.*",
    "storage.insert",
    "storage.rewrite",
    "storage.delete",
    "bigquery.insert_job",
)
_STEPS = st.integers(1, 6)
_LANDINGS = st.fixed_dictionaries({
    "place": st.integers(0, 2), "rows": st.integers(0, 4), "bad": st.integers(0, 2), "mendable": st.integers(0, 2),
    "poison": st.sampled_from([False] * 5 + [True]),
})  # fmt: skip
_NUMBERS = itertools.count()


def new_world(site: Site, mode: Mode, scratch: Path, prefix: str = "chaos", policy: str = "") -> World:
    """Make a dataset that no other schedule uses, and lead the operators to it."""
    world = World(f"{prefix}_{os.getpid()}_{next(_NUMBERS)}", mode, scratch, site, policy=policy)
    os.environ.update(LANDFALL_DATASETS=str(world.datasets), LANDFALL_OPS_DATASET=world.ledger)
    return world


def end(world: World) -> list[str]:
    """Let a world settle and tidy it where there is something to tidy; returns what is not as it must be."""
    world.calm()
    try:
        world.settle()
        found = world.problems()
        if not found and world.needs_tidying():
            world.tidy()
            found = world.problems(tidied=True)
    except AssertionError as stuck:
        return [str(stuck)]
    return found


class Schedule(RuleBasedStateMachine):
    """What may happen to one dataset, on the site of a subclass."""

    site: ClassVar[Site]

    @initialize(load=st.sampled_from(LOADS), landings=st.lists(_LANDINGS, min_size=1, max_size=3), steps=_STEPS)
    def begin(self, load: tuple[Mode, str], landings: list[dict[str, Any]], steps: int) -> None:
        self.scratch = tempfile.TemporaryDirectory(prefix="landfall-chaos-")
        self.world = new_world(self.site, load[0], Path(self.scratch.name), policy=load[1])
        for landing in landings:
            self.world.land(**landing)
        self.world.new_run().advance(steps)

    @rule(landing=_LANDINGS)
    def land(self, landing: dict[str, Any]) -> None:
        self.world.land(**landing)

    @rule(steps=_STEPS)
    def start(self, steps: int) -> None:
        self.world.new_run().advance(steps)

    def _open(self) -> list[Run]:
        return [run for run in self.world.runs if run.next_step]

    @precondition(lambda self: self._open())
    @rule(data=st.data(), steps=_STEPS)
    def step(self, data: Any, steps: int) -> None:
        data.draw(st.sampled_from(self._open())).advance(steps)

    @precondition(lambda self: len(self._open()) > 1)
    @rule()
    def race(self) -> None:
        self.world.race(self._open())

    @precondition(lambda self: not self.world.amended)
    @rule()
    def amend(self) -> None:
        self.world.amend()

    @precondition(lambda self: not self.world.mended and self._wrong())
    @rule()
    def mend(self) -> None:
        self.world.mend()

    def _wrong(self) -> list[int]:
        """Places that something is wrong with: of which records are bad, or of which the function dies."""
        latest = self.world.latest()
        names = [latest.get(f"{self.world.name}/{name}") for name in OBJECTS[self.world.mode]]
        return [place for place, version in enumerate(names) if version and (version.bad or version.poison)]

    @precondition(lambda self: self._wrong())
    @rule(dry_run=st.booleans(), whole=st.booleans(), steps=_STEPS)
    def replay(self, dry_run: bool, whole: bool, steps: int) -> None:
        self.world.replay(dry_run=dry_run, whole_files=whole).advance(steps)

    @precondition(lambda self: self._wrong())
    @rule(data=st.data(), wish=st.sampled_from(Wish.__args__), steps=_STEPS)  # type: ignore[attr-defined]
    def decide(self, data: Any, wish: Wish, steps: int) -> None:
        self.world.decide(wish, data.draw(st.sampled_from(self._wrong()))).advance(steps - 1)

    @rule(place=st.sampled_from(crash_points()))
    def crash(self, place: str) -> None:
        self.site.arm(place)

    @rule(call=st.sampled_from(CALLS), fault=st.sampled_from(ALL), nth=st.integers(1, 4))
    def strike(self, call: str, fault: Fault, nth: int) -> None:
        self.world.strike(Rule(fault=fault, call=call, nth=nth))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            problems = end(self.world)
            assert not problems, "\n".join([*problems, self.world.story()])
        finally:
            self.scratch.cleanup()
            self.site.clear(self.world.table, self.world.ledger)
            self.site.ended(self.world.name)


def schedules(site: Site) -> type[Schedule]:
    """Return the state machine whose runs are schedules on a site; hypothesis draws them and shrinks what fails."""
    return type("ScheduleHere", (Schedule,), {"site": site})

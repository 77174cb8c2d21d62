"""Random schedules of landings, runs, races and crashes over one dataset; what they may not lead to is checked."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.faults.faults import ALL, Fault
from tests.faults.places import crash_points
from tests.faults.script import Rule
from tests.faults.world import MODES, Mode, World

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
_NUMBERS = itertools.count()


def new_world(site: Site, mode: Mode, scratch: Path, prefix: str = "chaos") -> World:
    """Make a dataset that no other schedule uses, and lead the operators to it."""
    world = World(f"{prefix}_{os.getpid()}_{next(_NUMBERS)}", mode, scratch, site)
    os.environ.update(LANDFALL_DATASETS=str(world.datasets), LANDFALL_OPS_DATASET=world.ledger)
    return world


def schedules(site: Site) -> type[RuleBasedStateMachine]:
    """Return the state machine whose runs are schedules on a site; hypothesis draws them and shrinks what fails."""

    class Schedule(RuleBasedStateMachine):
        @initialize(mode=st.sampled_from(MODES))
        def begin(self, mode: Mode) -> None:
            self.scratch = tempfile.TemporaryDirectory(prefix="landfall-chaos-")
            self.world = new_world(site, mode, Path(self.scratch.name))
            self.rules: list[Rule] = []

        @rule(place=st.integers(0, 2), rows=st.integers(0, 4), bad=st.integers(0, 2))
        def land(self, place: int, rows: int, bad: int) -> None:
            self.world.land(place, rows=rows, bad=bad)

        @rule()
        def start(self) -> None:
            self.world.new_run().advance()

        def _open(self) -> list[Run]:
            return [run for run in self.world.runs if run.next_step]

        @precondition(lambda self: self._open())
        @rule(data=st.data())
        def step(self, data: Any) -> None:
            data.draw(st.sampled_from(self._open())).advance()

        @precondition(lambda self: self._open())
        @rule(data=st.data())
        def finish(self, data: Any) -> None:
            data.draw(st.sampled_from(self._open())).finish()

        @precondition(lambda self: len(self._open()) > 1)
        @rule()
        def race(self) -> None:
            self.world.race(self._open())

        @rule(place=st.sampled_from(crash_points()))
        def crash(self, place: str) -> None:
            site.arm(place)

        @rule(call=st.sampled_from(CALLS), fault=st.sampled_from(ALL), nth=st.integers(1, 4))
        def strike(self, call: str, fault: Fault, nth: int) -> None:
            self.rules.append(Rule(fault=fault, call=call, nth=nth))
            site.proxies.play(*self.rules)

        def teardown(self) -> None:
            if not hasattr(self, "world"):
                return
            try:
                site.disarm()
                self.world.settle()
                problems = self.world.problems()
                assert not problems, "\n".join([*problems, self.world.story()])
            finally:
                self.scratch.cleanup()
                site.ended(self.world.name)

    return Schedule

"""Random schedules whose runs go through a whole Airflow; each follows from a seed of its own.

They are not hypothesis's: a run takes seconds, so that shrinking a schedule would take an hour.
"""

from __future__ import annotations

import functools
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.faults.airflow_runs import AirflowWorld
from tests.faults.faults import ALL
from tests.faults.places import crash_points
from tests.faults.schedules import CALLS, end
from tests.faults.script import Rule
from tests.faults.world import LOADS, Mode

if TYPE_CHECKING:
    from tests.faults.site import Site

_ROUNDS = 3
_AMENDED, _MENDED, _RACED, _CRASHED = 0.5, 0.7, 0.25, 0.5
"""Shares of schedules whose contract is amended, and mended; of rounds with two runs at once; of troubles: crashes."""


@dataclass(frozen=True)
class Round:
    """What happens up to some runs, and during them.

    Args:
        landings: place, good, bad and mendable records of what lands.
        crashes: armed crash points.
        rules: faults.
        runs: how many runs at the same time.
        amend: whether the contract gets another column first.
        replay: whether the contract is mended first, and what it had refused is replayed at the same time.
    """

    landings: tuple[tuple[int, int, int, int], ...]
    crashes: tuple[str, ...]
    rules: tuple[Rule, ...]
    runs: int
    amend: bool
    replay: bool

    def __str__(self) -> str:
        """Say it in a line."""
        before = ["another column"] * self.amend + ["a mended contract"] * self.replay
        troubles = [*self.crashes, *(f"{rule.fault} at {rule.call} ({rule.nth})" for rule in self.rules)]
        runs = f"{self.runs} run(s){' and a replay' if self.replay else ''}"
        return "; ".join([*before, f"land {self.landings}", *troubles, runs])


@dataclass(frozen=True)
class Schedule:
    """What is done to one dataset.

    Args:
        seed: it follows from this.
        mode, policy: how the dataset loads, and what becomes of redelivered files.
        rounds: one after the other; then all settles.
    """

    seed: int
    mode: Mode
    policy: str
    rounds: tuple[Round, ...]

    def __str__(self) -> str:
        """Say it in a few lines."""
        return "\n".join((f"mode {self.mode}, {self.policy}", *map(str, self.rounds)))


@dataclass(frozen=True)
class Lived:
    """What became of a schedule.

    Args:
        problems: what was not as it must be in the end.
        story: what happened.
        runs, killed, failed: how many runs went through Airflow, and how many of them were killed or failed.
        met: how many crash points and faults a process came to.
    """

    problems: tuple[str, ...]
    story: str
    runs: int
    killed: int
    failed: int
    met: int


def draw(seed: int) -> Schedule:
    """Draw a schedule; a seed gives the same one each time."""
    rng = Random(seed)
    amended = rng.randrange(_ROUNDS) if rng.random() < _AMENDED else None
    mended = rng.randrange(1, _ROUNDS) if rng.random() < _MENDED else None
    rounds = tuple(_round(rng, amend=number == amended, replay=number == mended) for number in range(_ROUNDS))
    mode, policy = LOADS[seed % len(LOADS)]
    return Schedule(seed, mode, policy, rounds)


_points = functools.cache(crash_points)  # all sources are parsed for it


def _round(rng: Random, *, amend: bool, replay: bool) -> Round:
    landings = tuple(
        (rng.randrange(3), rng.randint(2, 5), rng.randrange(2), rng.randrange(3)) for _ in range(rng.randint(1, 2))
    )
    points = [point for point in _points() if replay or not point.startswith("replay.")]
    crashes, rules = [], []
    for _ in range(rng.randint(1, 2)):
        if rng.random() < _CRASHED:
            crashes.append(rng.choice(points))
        else:
            rules.append(Rule(fault=rng.choice(ALL), call=rng.choice(CALLS), nth=rng.randint(1, 3)))
    runs = 2 if rng.random() < _RACED else 1
    return Round(landings, tuple(crashes), tuple(rules), runs, amend, replay)


def live(site: Site, schedule: Schedule) -> Lived:
    """Live through a schedule, let all settle, and look."""
    with tempfile.TemporaryDirectory(prefix="landfall-airflow-") as scratch:
        name = f"airflow_{os.getpid()}_{schedule.seed}"
        world = AirflowWorld(name, schedule.mode, Path(scratch), site, policy=schedule.policy)
        os.environ.update(LANDFALL_DATASETS=str(world.datasets), LANDFALL_OPS_DATASET=world.ledger)
        met = sum(_live(site, world, each) for each in schedule.rounds)
        problems = end(world)
        how = [ended.how for run in world.runs for _, ended in run.tried]
        bad = len(how) - how.count("success") - how.count("killed")
        site.clear(world.table, world.ledger)
        return Lived(tuple(problems), f"{schedule}\n{world.story()}", len(how), how.count("killed"), bad, met)


def _live(site: Site, world: AirflowWorld, each: Round) -> int:
    """Live through a round; returns how many of its troubles were met."""
    if each.amend:
        world.amend()
    if each.replay:
        world.mend()
    for place, rows, bad, mendable in each.landings:
        world.land(place, rows=rows, bad=bad, mendable=mendable)
    for crash in each.crashes:
        site.arm(crash)
    for rule in each.rules:
        world.strike(rule)
    runs = [world.new_run() for _ in range(each.runs)]
    if each.replay:
        runs.append(world.replay())
    if len(runs) > 1:
        world.race(runs)
    else:
        runs[0].finish()
    met = len(site.proxies.injected()) + len(set(each.crashes)) - len(site.disarm())
    world.calm()
    return met

"""Two hundred files that land while two runs and a replay are under way.

A first wave is loaded under a contract that refuses long values, so that some of its records wait in quarantine. Then
the contract is mended, and all happens at once, each in a process of its own: files land, among them new versions of
the first wave's; runs follow upon one another, two at a time; and replays bring in what was refused.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.driver import Replay, Run, in_processes
from tests.faults.world import ATTEMPTS, Version, World

FIRST, ARRIVING, AGAIN = 20, 200, 10
"""Files before, files that arrive meanwhile, and how many of these are new versions of the ones before."""
_FOLDER, _BURSTS, _ROWS = 10, 5, 3
_PATIENCE_SECONDS = 240.0


@dataclass
class ManyFiles(World):
    """A dataset of many small files; of sets, ten are one."""

    def __post_init__(self) -> None:
        """Write the dataset's folder, with a label for each of its days."""
        super().__post_init__()
        days = sorted({name.rpartition("/")[0] or "2026-01-01" for name in self.objects})
        content = "day,label\n" + "".join(f"{day},a day\n" for day in days)
        (self.datasets / self.name / "reference" / "days.csv").write_text(content)

    @property
    def objects(self) -> Sequence[str]:
        """Names of what lands, without the dataset's folder."""
        if not self.sets:
            return [f"f{number:03}.csv" for number in range(FIRST + ARRIVING - AGAIN)]
        return [f"2026-01-{1 + number // _FOLDER:02}/f{number:03}.csv" for number in range(FIRST + ARRIVING - AGAIN)]

    def _play(self) -> None:
        """Nothing is injected: there are no proxies."""

    def land_all(self, places: Sequence[int], *, mendable: int = 0) -> None:
        """Land the objects of some places, of sets all of each; some of them with a record that no contract takes."""
        for place in places:
            if not self.sets or place % _FOLDER == 0:
                self.land(place, rows=_ROWS, bad=place % 7 == 0, mendable=mendable)

    def committed(self) -> list[str]:
        """Return, in the order of time, which run or replay committed."""
        sql = f"SELECT DISTINCT run_id, at FROM {self.ledger}.batches WHERE dataset = @dataset ORDER BY at"
        return [row["run_id"] for row in self.site.warehouse.query(sql, {"dataset": self.name})]


@dataclass(frozen=True)
class _Signs:
    """What the processes tell one another, by files in a folder."""

    folder: Path

    def give(self, sign: str) -> None:
        (self.folder / sign).touch()

    def given(self, pattern: str) -> int:
        return len(list(self.folder.glob(pattern)))

    def wait(self, pattern: str, count: int) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        while self.given(pattern) < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{pattern} was not given {count} times")
            time.sleep(0.01)


def all_at_once(world: ManyFiles) -> None:
    """Load the first wave, mend the contract, and have everything happen at once."""
    world.land_all(range(FIRST), mendable=2)
    world.new_run().finish()
    world.mend()
    signs = _Signs(world.folder / "signs")
    signs.folder.mkdir()
    works: list[Callable[[], Any]] = [
        lambda: _land(world, signs), lambda: _runs(world, "a", signs), lambda: _runs(world, "b", signs),
        lambda: _replays(world, signs),
    ]  # fmt: skip
    ended = in_processes(works, world.log)
    broken = [end for end in ended if end.how != "success"]
    assert not broken, f"the rig itself broke: {broken}"
    world.versions, *several = (end.value for end in ended)
    for runs in several:
        world.runs += runs


def _land(world: ManyFiles, signs: _Signs) -> list[Version]:
    """Land all files in bursts, the next one not before another run and now and then a replay are under way."""
    from google.cloud import storage

    # A client of its own: the parent's has connections that two processes cannot share.
    bucket = storage.Client(project="landfall-local").bucket(world.site.bucket.name)
    world.site = dataclasses.replace(world.site, bucket=bucket)
    half, end = FIRST + ARRIVING // 2, FIRST + ARRIVING - AGAIN
    places = [*range(FIRST, half), *range(AGAIN), *range(half, end)]
    size = len(places) // _BURSTS
    try:
        for burst in range(_BURSTS):
            signs.wait("run-*", burst)
            signs.wait("replay-*", burst // 2)
            world.land_all(places[burst * size : (burst + 1) * size])
    finally:  # or the others would wait for ever
        signs.give("all-landed")
    return world.versions


def _runs(world: ManyFiles, who: str, signs: _Signs) -> list[Run]:
    """Run again and again, until a run that began after all had landed finds nothing."""
    runs: list[Run] = []
    while True:
        over = signs.given("all-landed")
        run = Run(world.name, f"{who}-{len(runs)}", ATTEMPTS, world.log)
        signs.give(f"run-{run.run_id}")
        run.finish()
        runs.append(run)
        if over and run.states["wait_for_files"] == "skipped":
            return runs


def _replays(world: ManyFiles, signs: _Signs) -> list[Replay]:
    """Replay a few records at a time, until nothing is left of what the contract refused, and all has landed."""
    replays: list[Replay] = []
    while True:
        over = signs.given("all-landed")
        replay = world.replay(column="version", limit=5)
        replay.finish()
        replays.append(replay)
        signs.give(f"replay-{len(replays)}")
        if over and replay.states["select"] == "skipped":
            return replays

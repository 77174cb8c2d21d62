"""Two hundred files that land while two runs and a replay are under way, and what must be true in the end.

A first wave is loaded under a contract that refuses long values, so that some of its records wait in quarantine. Then
the contract is mended, and five things happen at once, each in a process of its own: files land, among them new
versions of the first wave's; two runs follow upon one another twice over; and replays bring in what was refused.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.faults.driver import Run, in_process, in_processes
from tests.faults.world import ATTEMPTS, Version, World

FIRST, ARRIVING, AGAIN = 20, 200, 10
"""Files before, files that arrive meanwhile, and how many of these are new versions of the ones before."""
_FOLDER, _BURSTS, _ROWS = 10, 5, 3
_LONG = "-which-is-longer-than-was-thought"
_PATIENCE_SECONDS = 240.0


@dataclass
class ManyFiles(World):
    """A dataset of many small files, some of whose records a first contract refuses and a second one takes.

    Args:
        mended: tag of a version to those of its records that only the second contract takes.
    """

    mended: dict[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)
    replays: int = 0

    def __post_init__(self) -> None:
        """Write the dataset's folder, with a contract that takes short values only."""
        super().__post_init__()
        self._contract("{maxLength: 12}")

    def amend(self) -> None:
        """Take long values, too."""
        self._contract("{maxLength: 99}")

    def _contract(self, options: str) -> None:
        path = self.datasets / self.name / "contract.yaml"
        kept, found, _ = path.read_text().partition("- {name: version,")
        path.write_text(f"{kept}{found} logicalType: string, required: true, logicalTypeOptions: {options}}}\n")

    def place(self, number: int) -> str:
        """Return a file's name; of sets so many are one."""
        if self.mode != "replace_partition":
            return f"f{number:03}.csv"
        return f"2026-{1 + number // _FOLDER // 28:02}-{1 + number // _FOLDER % 28:02}/f{number:03}.csv"

    def land_file(self, number: int, *, long: int = 0, bad: int = 0) -> None:
        """Land a version of a file; a set is whole with its last file.

        Args:
            long: records that the first contract refuses; a version without any has short ones in their place.
            bad: records that no contract takes.
        """
        name = self.place(number)
        day = name.rpartition("/")[0] or "2026-01-01"
        tag = f"v{len(self.versions)}"
        good = [(number * 1000 + row, tag) for row in range(_ROWS)]
        refused = [(number * 1000 + 500 + row, tag + _LONG) for row in range(long)]
        if not long:
            good += [(number * 1000 + 500 + row, tag) for row in range(2)]
        wrong = [(f"x{row}", tag) for row in range(bad)]
        lines = [f"{key},{day},{text}".encode() for key, text in (*wrong, *good, *refused)]
        content = b"id,day,version\n" + b"\n".join(lines) + b"\n"
        blob = self.site.bucket.blob(f"{self.name}/{name}")
        blob.upload_from_string(content, content_type="text/csv")
        raw = tuple(lines[:bad] + lines[bad + len(good) :])
        self.versions.append(Version(blob.name, int(blob.generation), tag, tuple(good), raw, content))
        self.mended[tag] = tuple(refused)
        if "/" in name and number % _FOLDER == _FOLDER - 1:
            self.site.bucket.blob(f"{self.name}/{name.rpartition('/')[0]}/_SUCCESS").upload_from_string(b"")

    def replay(self, **choice: Any) -> str:
        """Replay records, trying each task as often as Airflow would; returns how it ended."""
        number, self.replays = self.replays, self.replays + 1
        work = _Replay(self.name, f"replay-{number}", choice)
        for attempt in range(1, ATTEMPTS + 1):
            ended = in_process(lambda attempt=attempt: work.run(attempt), self.log)
            if ended.how in ("success", "skipped", "terminal"):
                break
        return ended.how if ended.how in ("success", "skipped") else str(ended)

    def settle(self, most: int = 10) -> None:
        """Run and replay until there is nothing to do."""
        super().settle(most)
        for _ in range(most):
            if self.replay(column="version") == "skipped":
                break
        # What fails under any contract goes back into quarantine.
        assert self.replay() in ("success", "skipped")

    def problems(self) -> list[str]:
        """Return what is not as it must be, once everything has settled."""
        return [*self._lost(), *self._rows(), *self._accounts(), *self._records(), *self._bucket(), *self._tries()]

    def _expected(self) -> Counter[tuple[int, str]]:
        last = {version.name: version for version in self._loaded()}
        mended = Counter(row for version in last.values() for row in self.mended[version.tag])
        return super()._expected() + mended

    def _records(self) -> Iterator[str]:
        """Compare quarantined and open records with those that are wrong."""
        found = Counter(self._raw("SELECT DISTINCT file_id, record, raw FROM {}.quarantine"))
        yield from _compared("in quarantine", found, Counter(raw for v in self._loaded() for raw in v.bad))
        last = {version.name: version for version in self._loaded()}.values()
        wrong = (raw for v in last for raw in v.bad[: len(v.bad) - len(self.mended[v.tag])])
        yield from _compared("open", Counter(self._raw("SELECT raw FROM {}.quarantine_open")), Counter(wrong))
        twice = self._query(
            "SELECT file_id, record FROM {}.replays WHERE dataset = @dataset AND outcome != 'quarantined'"
            " GROUP BY file_id, record, of_batch HAVING COUNT(*) > 1"
        )
        yield from (f"settled twice: record {row['record']} of {row['file_id']}" for row in twice)

    def _raw(self, sql: str) -> list[bytes]:
        return [bytes(row["raw"]) for row in self._query(f"{sql} WHERE dataset = @dataset")]

    def _query(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.site.warehouse.query(sql.format(self.ledger), {"dataset": self.name})
        return rows

    def commits(self) -> list[tuple[str, Any]]:
        """Return, in the order of time, which run or replay committed, and when."""
        rows = self._query("SELECT DISTINCT run_id, at FROM {}.batches WHERE dataset = @dataset ORDER BY at")
        return [(row["run_id"], row["at"]) for row in rows]


def _compared(where: str, found: Counter[bytes], expected: Counter[bytes]) -> Iterator[str]:
    yield from (f"lost: the bad record {raw!r} is not {where}" for raw in sorted((expected - found).elements()))
    yield from (f"too many: the record {raw!r} is {where}" for raw in sorted((found - expected).elements()))


@dataclass
class _Replay:
    """The tasks of one replay."""

    dataset: str
    run_id: str
    choice: dict[str, Any]

    def run(self, attempt: int) -> str:
        from landfall.gcp.replay_tasks import CommitReplay, SelectRecords
        from landfall.gcp.transform import TransformBatch

        done: dict[str, Any] = {}
        ti = SimpleNamespace(
            dag_id="replay", run_id=self.run_id, task_id="replay", map_index=-1, try_number=attempt,
            max_tries=ATTEMPTS - 1, xcom_pull=lambda task_ids: done[task_ids],
        )  # fmt: skip
        params = {"dataset": self.dataset, "dry_run": False, **self.choice}
        context: Any = {"run_id": self.run_id, "params": params, "ti": ti, "task_instance": ti}
        done["select"] = SelectRecords(task_id="select").execute(context)
        manifests = [
            TransformBatch(task_id="transform", dataset=self.dataset, batch=batch).execute(context)
            for batch in done["select"]
        ]
        CommitReplay(task_id="commit", dataset=self.dataset, manifests=manifests).execute(context)
        return self.run_id


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


def all_at_once(world: ManyFiles) -> list[str]:
    """Load the first wave, mend the contract, have everything happen at once; returns how the replays ended."""
    for number in range(FIRST):
        world.land_file(number, long=2, bad=1)
    world.new_run().finish()
    world.amend()
    signs = _Signs(world.folder / "signs")
    signs.folder.mkdir()
    works: list[Callable[[], Any]] = [
        lambda: _land(world, signs), lambda: _runs(world, "a", signs), lambda: _runs(world, "b", signs),
        lambda: _replays(world, signs),
    ]  # fmt: skip
    ended = in_processes(works, world.log)
    broken = [end for end in ended if end.how != "success"]
    assert not broken, f"the rig itself broke: {broken}"
    landed, first, second, replays = (end.value for end in ended)
    world.versions, world.mended = landed
    world.runs += [*first, *second]
    world.replays = len(replays)
    return list(replays)


def _land(world: ManyFiles, signs: _Signs) -> tuple[list[Version], dict[str, Any]]:
    """Land all files, in bursts, the next one not before a run or two have begun since the last."""
    from google.cloud import storage

    # A client of its own: the parent's has connections that two processes cannot share.
    bucket = storage.Client(project="landfall-local").bucket(world.site.bucket.name)
    world.site = dataclasses.replace(world.site, bucket=bucket)
    half, end = FIRST + ARRIVING // 2, FIRST + ARRIVING - AGAIN
    numbers = [*range(FIRST, half), *range(AGAIN), *range(half, end)]
    size = len(numbers) // _BURSTS
    try:
        for burst in range(_BURSTS):
            signs.wait("run-*", burst)
            signs.wait("replay-*", burst // 2)
            for number in numbers[burst * size : (burst + 1) * size]:
                world.land_file(number, bad=number % 7 == 0)
    finally:  # or the others would wait for ever
        signs.give("all-landed")
    return world.versions, world.mended


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


def _replays(world: ManyFiles, signs: _Signs) -> list[str]:
    """Replay a few records at a time, until nothing is left of what the contract refused, and all has landed."""
    ended: list[str] = []
    while True:
        over = signs.given("all-landed")
        ended.append(world.replay(column="version", limit=5))
        signs.give(f"replay-{len(ended)}")
        if over and ended[-1] == "skipped":
            return ended


def stuck(ended: list[str]) -> list[str]:
    """Return the replays that ended neither well nor with nothing to do."""
    return [how for how in ended if how not in ("success", "skipped")]

"""A large file on its whole way, through the real pipeline in worker processes of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from landfall.errors import TerminalFailure, TransientFailure
from tests.plugins.gcp.steps import HEADER, Steps, named_after

LARGE = "transform: {dataflow_above: 100KB, shard: 100KB}\n"


def large(count: int) -> bytes:
    """Return a file of so many records and a fiftieth more, which are duplicates far from their twins.

    There are line breaks in quotes, and of the first records one in a hundred is bad.
    """
    rows = [f'{n},2026-01-01,"a\n{n}"' if n % 100 else f"{n}x,2026-01-01,bad" for n in range(count)]
    again = [f"{n},2026-01-02,later" for n in range(1, count, 50)]
    return (HEADER + "\n".join([*rows, *again]) + "\n").encode()


def expected(count: int) -> list[tuple[int, str]]:
    """Return the rows of such a file; of two with one key the last stays."""
    return [(n, "later" if n % 50 == 1 else f"a\n{n}") for n in range(count) if n % 100]


@pytest.fixture
def real(request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """A dataset whose files go to Dataflow above 100 kB, and are cut into shards of as much."""
    made = Steps(named_after(request))
    made.write(tmp_path, complete="none", mode="append", glob="*.csv")
    pipeline = tmp_path / made.name / "pipeline.yaml"
    pipeline.write_text(pipeline.read_text().replace("attempts: 1", "attempts: 3") + LARGE)
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    return made


@pytest.fixture
def told(hear: Any) -> list[str]:
    """What the job says in the task's log."""
    lines: list[str] = []
    hear(lines.append)
    return lines


def test_a_small_and_a_large_file_are_loaded_once_and_progress_is_told_meanwhile(
    real: Steps, told: list[str], hear: Any
) -> None:
    unfinished: list[bool] = []
    hear(lambda line: unfinished.append(not published(real, "manifest.json")) if line.startswith("progress: s") else 0)
    real.land("small.csv", HEADER + "-1,2026-01-01,small\nx,2026-01-01,bad\n")
    real.land("large.csv", large(10_000))
    committed = real.run()
    assert real.failures == []
    counts = [committed[name] for name in ("records", "loaded", "duplicates", "quarantined")]  # type: ignore[index]
    assert counts == [10_202, 9_901, 200, 101]
    assert real.rows() == [(-1, "small"), *expected(10_000)]
    assert real.files() == {"small.csv": "loaded", "large.csv": "loaded"}
    assert real.landed() == set()
    lines = real.query(
        "SELECT line FROM landfall_ops.quarantine WHERE dataset = @dataset AND uri LIKE '%large.csv' ORDER BY line",
        {"dataset": real.name},
    )
    assert [row["line"] for row in lines] == [2 + n + n - n // 100 for n in range(0, 10_000, 100)]
    assert told[0] == "landfall: cut into 3 shards"
    assert sorted(line.split(": ")[1] for line in told[1:4]) == [f"shard {n} of 3" for n in (1, 2, 3)]
    assert told[4:] == [
        "progress: all shards: 10,200 records, 9,900 loaded, 0 filtered, 200 duplicates, 100 quarantined"
    ]
    assert unfinished == [True, True, True]


def published(steps: Steps, name: str) -> list[str]:
    """Return what a dataset's jobs have published under a name."""
    found = steps.bucket.client.list_blobs("landfall-work", prefix=f"{steps.name}/dataflow/")
    return [blob.name for blob in found if blob.name.endswith(name)]


def workers() -> list[int]:
    """Return the processes of Beam's workers on jobs of this process."""
    parents: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            parents[int(folder.name)] = parent, (folder / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue

    def is_ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and is_ours(parents[pid][0]))

    wanted = [pid for pid, (_, command) in parents.items() if "sdk_worker_main" in command and is_ours(pid)]
    return [pid for pid in wanted if not any(parents[child][0] == pid for child in wanted)]


@pytest.mark.long
def test_a_worker_that_is_killed_costs_a_try_and_neither_a_row_nor_a_second_one(
    real: Steps, hear: Callable[[Callable[[str], None]], None]
) -> None:
    killed: list[int] = []

    def kill(line: str) -> None:
        if not killed and line.startswith("progress: shard"):
            killed.extend(workers()[:1])
            os.kill(killed[0], signal.SIGKILL)

    hear(kill)
    real.land("large.csv", large(120_000))
    assert real.run() is None
    assert len(killed) == 1
    assert 0 < len(published(real, "result.json")) < 34
    failure = real.failures[0]
    assert isinstance(failure, TransientFailure)
    assert failure.code == "worker_lost"
    assert real.files()["large.csv"].startswith("seen: given_up"), "that is not held against the file"
    committed = real.run()
    assert committed["loaded"] == 118_800  # type: ignore[index]
    assert real.rows() == expected(120_000)


@pytest.mark.long
def test_a_rule_that_cannot_be_run_fails_for_good_in_the_engines_own_words(real: Steps, tmp_path: Path) -> None:
    pipeline = tmp_path / real.name / "pipeline.yaml"
    # What RE2 repeats a thousand times at most, `landfall check` lets pass.
    pipeline.write_text(pipeline.read_text() + """clean: {name: "REGEXP_EXTRACT(name, 'a{2000}')"}\n""")
    real.land("large.csv", large(10_000))
    assert real.run() is None
    failure = real.failures[0]
    assert isinstance(failure, TerminalFailure)
    assert failure.code == "bad_rule"
    assert "clean.name: the rule \"REGEXP_EXTRACT(name, 'a{2000}')\" cannot be run: Invalid Input" in str(failure)
    assert real.files()["large.csv"].startswith(
        "seen: failed: at try 1: job 1 of the batch failed: bad_rule: clean.name"
    )

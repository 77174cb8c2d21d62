"""A replayed record is in the table once, whatever else goes on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from landfall.gcp import warehouse
from tests.plugins.gcp.replay.replays import DAY, FIRST, LONG, MODES, OTHER, Replays

# As it is outside of tests: each of several that race has its turn.
RACE_BACKOFF = warehouse._RACE_BACKOFF


@MODES
def test_a_redelivery_that_is_faster_ends_a_replay(replays: Callable[..., Replays], mode: str) -> None:
    case = replays(mode)
    case.ingest("s/a.csv", *FIRST)
    case.amend()
    case.land("s/a.csv", "")  # nothing of it is taken before it is whole
    report = case.replay(between=lambda: case.ingest("s/a.csv", (2, DAY, "new"), (4, OTHER, LONG)))
    assert {name: count for name, count in report["outcomes"].items() if count} == {"superseded": 3}
    assert case.rows() == [*([(1, "good")] if mode == "merge" else []), (2, "new"), (4, LONG)]
    assert case.open() == []


@MODES
def test_a_redelivery_after_a_replay_takes_its_rows_out(replays: Callable[..., Replays], mode: str) -> None:
    case = replays(mode)
    case.ingest("s/a.csv", *FIRST)
    case.amend()
    assert case.outcomes()["loaded"] == 2
    case.ingest("s/a.csv", (2, DAY, "new"), (4, OTHER, LONG))
    assert case.rows() == [*([(1, "good")] if mode == "merge" else []), (2, "new"), (4, LONG)]


@pytest.mark.parametrize("mode", ["merge", pytest.param("append", marks=pytest.mark.long)])
def test_a_file_that_is_loaded_again_is_decided_anew(replays: Callable[..., Replays], mode: str) -> None:
    case = replays(mode)
    case.ingest("a.csv", *FIRST, archived=False)
    case.amend()
    assert case.outcomes()["loaded"] == 2
    assert case.run(force=True)
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG)]
    assert case.open() == [2]
    assert case.outcomes() == {"quarantined": 1}


def test_two_replays_that_overlap_load_a_record_once(replays: Callable[..., Replays]) -> None:
    case = replays()
    case.ingest("a.csv", *FIRST)
    case.amend()
    report = case.replay(between=lambda: case.replay(limit=2))
    assert {name: count for name, count in report["outcomes"].items() if count} == {"loaded": 1, "quarantined": 1}
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG)]


def test_a_task_that_is_tried_again_finds_its_work_done(replays: Callable[..., Replays]) -> None:
    from landfall.gcp.landing import Site
    from landfall.gcp.replay import plan_replay, settle_replay
    from landfall.gcp.replay_tasks import read_choice
    from landfall.gcp.transform import transform_batch

    case = replays()
    case.ingest("a.csv", *FIRST)
    case.amend()
    site = Site.of(case.name)
    plan = plan_replay(site, read_choice({"dataset": case.name}), run_id="r", dry_run=False)
    assert plan
    manifests = {0: transform_batch(site, plan, plan.batches[0], 1)["manifest"]}
    first = settle_replay(site, plan, manifests)
    before = case.ledger()
    assert settle_replay(site, plan, manifests) == first
    assert case.ledger() == before
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG)]


@pytest.mark.parametrize(
    "place",
    [
        "replay.commit.before",
        "replay.commit.after",
        *(pytest.param(place, marks=pytest.mark.long) for place in ("plan.plan.after", "load.stage.after")),
    ],
)
def test_a_replay_that_is_killed_and_repeated_loads_once(
    replays: Callable[..., Replays], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    from include import crashpoints
    from tests.faults.driver import armed, in_process

    case = replays()
    case.ingest("a.csv", *FIRST)
    case.amend()
    bombs = tmp_path / "bombs"
    bombs.mkdir()
    monkeypatch.setattr(crashpoints, "_FOLDER", str(bombs))
    with armed(bombs, place):
        assert in_process(case.replay, tmp_path / "log").how == "killed"
    if place == "replay.commit.after":
        assert case.open() == [2]
    else:
        assert case.open() == [1, 2, 3]
    assert case.outcomes()["quarantined"] == 1
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG)]
    assert case.open() == [2]


@MODES
def test_replays_and_a_redelivery_that_commit_at_once_bring_each_record_once(
    replays: Callable[..., Replays], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    from landfall.gcp.landing import Site
    from landfall.gcp.replay import plan_replay, settle_replay
    from landfall.gcp.replay_tasks import read_choice
    from landfall.gcp.transform import transform_batch

    case = replays(mode)
    case.ingest("s/a.csv", *FIRST)
    case.ingest("t/b.csv", (7, "2026-01-07", "good"), (8, "2026-01-08", LONG))
    case.amend()
    work: list[Callable[[], Any]] = []
    for choice in ({}, {"limit": 1}, {"limit": 3}, {"file": "b.csv"}):
        site = Site.of(case.name)
        plan = plan_replay(site, read_choice({"dataset": case.name, **choice}), run_id=str(choice), dry_run=False)
        assert plan
        uris = {batch.number: transform_batch(site, plan, batch, 1)["manifest"] for batch in plan.batches}
        work.append(functools.partial(settle_replay, site, plan, uris))
    work.insert(2, functools.partial(case.ingest, "s/a.csv", (2, DAY, "new"), (5, OTHER, LONG)))
    monkeypatch.setattr(warehouse, "_RACE_BACKOFF", RACE_BACKOFF)
    with ThreadPoolExecutor(len(work)) as pool:
        list(pool.map(lambda act: act(), work))
    old = [(1, "good"), (4, LONG)] if mode == "merge" else []
    rows = [row for row in case.rows() if row not in old]
    assert rows == [(2, "new"), (5, LONG), (7, "good"), (8, LONG)]
    assert case.open() == []
    settled = case.query(
        "SELECT file_id, record, COUNT(*) AS n FROM landfall_ops.replays WHERE dataset = @d"
        " AND outcome != 'quarantined' GROUP BY file_id, record HAVING COUNT(*) > 1", {"d": case.name},
    )  # fmt: skip
    assert settled == []

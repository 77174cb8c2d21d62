"""What is done and still lies in the landing bucket is moved away by the next run, though it has nothing else to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from landfall.gcp import archive
from tests.plugins.gcp.steps import HEADER, Steps, die, named_after


@pytest.fixture
def steps(request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch) -> Steps:
    made = Steps(named_after(request))
    made.write(tmp_path, complete="none", mode="append", glob="*.csv", more="redelivered: skip")
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    return made


def test_a_rejected_file_that_was_not_moved_is_moved_by_the_next_run(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.land("a.csv", HEADER + "1,2026-01-01,x\n")
    assert steps.run()
    steps.land("a.csv", HEADER + "1,2026-01-01,again\n")
    with monkeypatch.context() as dying:
        dying.setattr(archive, "move_to_archive", die)
        with pytest.raises(ConnectionAbortedError):
            steps.run()
    assert steps.files()["a.csv"].startswith("rejected: redelivered")
    assert steps.landed() == {"a.csv"}
    assert steps.run() is None
    assert steps.landed() == set()
    assert steps.rows() == [(1, "x")]


def test_a_loaded_file_that_was_not_archived_is_moved_by_the_next_run(steps: Steps) -> None:
    steps.land("a.csv", HEADER + "1,2026-01-01,x\n")
    assert steps.run(archived=False)
    assert steps.landed() == {"a.csv"}
    assert steps.run() is None
    assert steps.landed() == set()
    assert steps.look().startswith("0 files to load")

"""Many files arrive while two runs and a replay are under way: nothing is lost, doubled or stuck."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.many import AGAIN, ARRIVING, FIRST, ManyFiles, all_at_once
from tests.faults.site import Site, clients, hurry
from tests.faults.world import MODES, Mode


@pytest.fixture
def site(in_cloud: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The embedded cloud as a world sees it; who races there does not wait for seconds."""
    monkeypatch.setenv("LANDFALL_LEASE", "")  # put back at the end, whatever is set here
    hurry(monkeypatch.setattr)
    return Site(tmp_path, None, *clients(), lambda _: None)  # type: ignore[arg-type]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", MODES)
def test_files_that_arrive_during_two_runs_and_a_replay_are_all_there_once(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    world = ManyFiles(f"many_{mode}", mode, tmp_path, site)
    monkeypatch.setenv("LANDFALL_DATASETS", str(world.datasets))
    monkeypatch.setenv("LANDFALL_OPS_DATASET", world.ledger)
    all_at_once(world)
    first, *during = [run_id.partition("-")[0] for run_id in world.committed()]
    world.settle()
    assert world.problems() == [], world.story()
    world.tidy()
    assert world.problems(tidied=True) == [], world.story()
    assert len(world.versions) == FIRST + ARRIVING
    assert len(world.latest()) == FIRST + ARRIVING - AGAIN
    assert [run.run_id for run in world.runs if run.failed] == []
    assert first == "run"
    last_load = max(place for place, who in enumerate(during) if who != "replay")
    assert "replay" in during[:last_load], "no replay was committed while files were being loaded"
    assert last_load > 1, "the files were loaded by one commit alone"

"""What is left over when a history has settled can be brought in by replays."""

from __future__ import annotations

import pytest

from tests.faults.schedules import end, new_world
from tests.faults.site import Site


@pytest.mark.long
def test_a_dead_letter_whose_records_fail_too_is_held_once_it_is_retried_and_then_released(
    here: Site, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDFALL_LEASE", "1s")
    world = new_world(here, "append", tmp_path_factory.mktemp("world"), "tidied")
    world.land(0, bad=2, mendable=1, rows=0, poison=True)
    for _ in range(2):
        world.new_run().finish()
    assert world.has(0, "dead_lettered")
    assert not end(world), world.story()
    assert "held" in {event["state"] for event in world._events()}

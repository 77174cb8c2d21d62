"""Fixtures of the tests of replays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins.gcp.replay.replays import Replays
from tests.plugins.gcp.steps import named_after


@pytest.fixture
def replays(
    request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Replays]:
    """Make datasets, each named after its test."""

    def make(mode: str = "append", more: str = "") -> Replays:
        made = Replays(named_after(request))
        made.begin(tmp_path, mode, more)
        monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
        monkeypatch.setattr("landfall.gcp.selection.has_ended", lambda _context, _run_id: True)
        return made

    return make

"""No write without a crash point on either side of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from include.crashpoints import VARIABLE
from tests.faults.histories import HISTORIES, NOT_COME_TO
from tests.faults.places import crash_points, writes
from tests.faults.world import MODES

_REACH = """
from include.crashpoints import boundary
with boundary("here"):
    print("written", flush=True)
print("gone on", flush=True)
"""


def test_every_write_stands_in_a_boundary() -> None:
    assert [place for place in writes() if not place.name] == []


def test_the_code_has_boundaries_at_every_step() -> None:
    steps = {place.partition(".")[0] for place in crash_points()}
    assert {"archive", "function", "ledger", "load", "plan", "replay", "transform"} <= steps


def test_every_crash_point_is_in_a_history_of_the_pairs_or_listed_with_a_reason() -> None:
    tried = {place for history in HISTORIES for mode in MODES for place in history.crash_points(mode)}
    listed = {f"{name}.{side}" for name in NOT_COME_TO for side in ("before", "after")}
    assert tried | listed == set(crash_points())
    assert not tried & listed


def reach(bombs: Path | None) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    given = environment | ({VARIABLE: str(bombs)} if bombs else {})
    done = subprocess.run([sys.executable, "-c", _REACH], env=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_place_that_is_not_armed_is_passed(tmp_path: Path) -> None:
    assert reach(None) == (0, "written\ngone on\n")
    assert reach(tmp_path) == (0, "written\ngone on\n")


def test_an_armed_place_kills_once_before_or_after_the_write(tmp_path: Path) -> None:
    (tmp_path / "here.before").touch()
    (tmp_path / "here.after").touch()
    assert reach(tmp_path) == (-signal.SIGKILL, "")
    assert reach(tmp_path) == (-signal.SIGKILL, "written\n")
    assert reach(tmp_path) == (0, "written\ngone on\n")

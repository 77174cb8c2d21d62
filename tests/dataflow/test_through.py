"""The engine's own tests and the conformance suites pass through a large file's job, unchanged."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# The tests of what is told of records, files and duplicates; the others take more CPU for fewer kinds of files.
ENGINE = ("block", "check", "files", "keys", "mask")


def passed(way: str, *arguments: str) -> dict[str, int]:
    """Run tests with their files sent through a job that way; returns how many were read how."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments]
    environment = {**os.environ, "LANDFALL_TEST_THROUGH": way, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]
    found = re.findall(rf"^through {way}: (\d+) (.*)$", done.stdout, re.MULTILINE)
    return {what: int(count) for count, what in found}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_engines_tests_pass_through_shards() -> None:
    told = passed("shards", *(f"tests/engine/test_{name}.py" for name in ENGINE))
    assert told["files of csv in 3 or more shards"] > 50
    assert told["files of ndjson in 3 or more shards"] > 0


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_conformance_suites_pass_through_beam(shared_data: object) -> None:
    told = passed("beam", "tests/conformance", "-k", "csv_spectrum or name_says or held")
    assert sum(told.values()) >= 12 + 21 + 9

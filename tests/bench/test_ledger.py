"""The number of BigQuery jobs of a run does not grow with its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.small_files import Measured, SmallFiles


def test_a_run_of_fifty_files_makes_as_many_jobs_as_one_of_five(
    in_cloud: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    measured: list[Measured] = []
    for count in (5, 50):
        files = SmallFiles(f"jobs_{count}", tmp_path, in_cloud)
        files.land("first", 1)
        files.run()
        files.land("then", count)
        measured.append(files.run())
    five, fifty = measured
    assert (five.files, fifty.files) == (5, 50)
    assert {step.name: step.jobs for step in five.steps} == {step.name: step.jobs for step in fifty.steps}
    assert five.jobs > 5

"""A large file on its whole way, through the real pipeline in worker processes of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.plugins.gcp.steps import HEADER, Steps, named_after

SMALL = HEADER + "1,2026-01-01,small\nx,2026-01-01,bad\n"


def large(count: int) -> bytes:
    """Return a file with line breaks in quotes, a bad record in a hundred, and a duplicate far from its twin in fifty."""
    rows = (f'{n},2026-01-01,"a\n{n}"' if n % 100 else f"{n}x,2026-01-01,bad" for n in range(10, count))
    again = (f"{n},2026-01-02,later" for n in range(11, count, 50))
    return (HEADER + "\n".join([*rows, *again]) + "\n").encode()


@pytest.fixture
def real(request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """A dataset whose files go to Dataflow above 100 kB, and are cut into shards of as much."""
    made = Steps(named_after(request))
    made.write(tmp_path, complete="none", mode="append", glob="*.csv")
    with (tmp_path / made.name / "pipeline.yaml").open("a") as pipeline:
        pipeline.write("transform: {dataflow_above: 100KB, shard: 100KB}\n")
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    return made


def test_a_small_and_a_large_file_are_loaded_once_and_progress_is_told(
    real: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    real.land("small.csv", SMALL)
    real.land("large.csv", large(8_000))
    committed = real.run()
    assert real.failures == []
    print(committed)
    for record in caplog.records:
        print(record.name, record.getMessage()[:300])

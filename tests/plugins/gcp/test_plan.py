"""What a run says of its batches, and that a set with a large file in it is loaded whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.gcp.steps import HEADER, Steps, named_after

LARGE = HEADER + "".join(f"{key},2026-01-01,large\n" for key in range(100, 200))
SMALL = HEADER + "1,2026-01-01,small\n"


@pytest.fixture
def case(request: pytest.FixtureRequest, in_cloud: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    monkeypatch.setattr("landfall.gcp.selection.has_ended", lambda _context, _run_id: True)
    monkeypatch.setattr("landfall.notifiers.held.tell_held", lambda *_: 1)
    return Steps(named_after(request))


def write(case: Steps, root: Path, *, above: str, complete: str = "none", mode: str = "append") -> None:
    case.write(root, complete=complete, mode=mode, glob="**.csv")
    with (root / case.name / "pipeline.yaml").open("a") as pipeline:
        pipeline.write(f"transform: {{dataflow_above: {above}}}\n")


def test_a_run_says_for_each_batch_who_transforms_it_and_why(
    case: Steps, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(case, tmp_path, above="5KB")
    case.land("a.csv", SMALL)
    case.land("b.csv", LARGE)
    assert case.run()
    size = f"{len(SMALL) + len(LARGE):,}"
    assert f"batch 0: 2 files, {size} bytes, by function: below dataflow_above (5 KB)" in capsys.readouterr().out


def test_a_set_with_a_large_file_replaces_its_days_as_a_whole_or_not_at_all(case: Steps, tmp_path: Path) -> None:
    write(case, tmp_path, above="1KB", complete="marker", mode="replace_partition")
    case.land("1/a.csv", "nonsense\n")
    case.land("1/b.csv", LARGE)
    case.land("1/_SUCCESS")
    case.run()
    assert case.rows() == [], "the large file alone would be a part of the day"
    case.land("1/a.csv", SMALL.replace("1,", "100,", 1))
    case.land("1/_SUCCESS")
    assert case.run()
    assert len(case.rows()) == 100, "a key that both files bring stands once"

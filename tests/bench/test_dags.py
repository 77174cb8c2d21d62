"""The DAG benchmark measures what it says: folders that are sound and differ, bounds that are judged plainly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.spec.dataset import list_folders, load_dataset
from tests.bench.dags import judge, main
from tests.bench.folders import make_folders
from tests.bench.parse import Parsed
from tests.bench.tasks import Timed

ENOUGH = 60


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("folders")
    make_folders(root, ENOUGH)
    return list_folders(root)


def test_every_made_folder_is_a_sound_dataset(folders: list[Path]) -> None:
    assert len({load_dataset(folder).pipeline.load.table for folder in folders}) == ENOUGH


def test_no_two_made_folders_hold_the_same(folders: list[Path]) -> None:
    for name in ("contract.yaml", "pipeline.yaml"):
        assert len({(folder / name).read_text() for folder in folders}) == ENOUGH


def test_rules_differ_from_folder_to_folder(folders: list[Path]) -> None:
    orders = [load_dataset(folder) for folder in folders if folder.name.startswith("orders")]
    assert len({next(iter(dataset.pipeline.derive.values())) for dataset in orders}) == len(orders)


def _parsed(dags: int, seconds: float) -> Parsed:
    return Parsed("landfall", dags, seconds, 0.0, (seconds,))


def _timed(file: str, whole: float, process: float) -> Timed:
    return Timed(file, whole, process, process, ())


def test_a_bound_is_reached_below_it_and_not_at_it() -> None:
    bounds = judge([_parsed(200, 0.99), _parsed(1000, 4.95)], [])
    assert [bound.verdict for bound in bounds[:2]] == ["reached", "NOT REACHED"]


def test_a_task_is_held_against_the_plain_one() -> None:
    bounds = judge([], [_timed("plain", 1.0, 0.05), _timed("landfall", 1.1, 0.1), _timed("usual", 4.0, 3.0)])
    assert [(bound.measured, bound.verdict) for bound in bounds[2:]] == [(1.1, "reached"), (2.0, "NOT REACHED")]


def test_what_was_not_measured_is_not_judged() -> None:
    assert {bound.verdict for bound in judge([], [])} == {"not measured"}


@pytest.mark.long
def test_the_short_form_shows_every_file_and_ends_well(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "numbers.json"
    assert main(["--quick", "--only", "parse", "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    assert {row["file"] for row in report["parse"]} == {"landfall", "plain", "usual"}
    assert all(len(row["samples"]) == 1 for row in report["parse"])
    assert "Landfall, a dataset folder per DAG" in capfd.readouterr().out

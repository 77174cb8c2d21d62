"""`landfall check`: what it says of dataset folders, and how it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import exit_codes
from cli.main import app
from include.spec.settings import DATASETS

runner = CliRunner()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("orders", "events"):
        shutil.copytree(DATASETS / name, tmp_path / name, ignore=shutil.ignore_patterns("samples"))
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    return tmp_path


def _break(root: Path) -> None:
    pipeline = root / "orders" / "pipeline.yaml"
    text = pipeline.read_text()
    pipeline.write_text(text.replace("mode: merge", "mode: upsert").replace("every: 1m", "every: often"))


def test_sound_folders_are_ok() -> None:
    answer = runner.invoke(app, ["check"])

    assert answer.exit_code == exit_codes.OK, answer.output
    assert "orders: ok" in answer.output


def test_every_problem_is_listed_with_file_and_line(root: Path) -> None:
    _break(root)

    answer = runner.invoke(app, ["check"])

    assert answer.exit_code == exit_codes.PROBLEMS
    assert f"{root}/orders/pipeline.yaml:2" in answer.output
    assert "load.mode" in answer.output
    assert "events: ok" in answer.output
    assert "1 of 2 datasets cannot be used" in answer.output


def test_a_named_dataset_is_checked_alone(root: Path) -> None:
    _break(root)

    answer = runner.invoke(app, ["check", "events"])

    assert answer.exit_code == exit_codes.OK
    assert "orders" not in answer.output


def test_a_folder_can_be_named_by_its_path(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANDFALL_DATASETS")

    answer = runner.invoke(app, ["check", str(root / "events")])

    assert answer.exit_code == exit_codes.OK, answer.output


def test_json_holds_each_problem_in_its_parts(root: Path) -> None:
    _break(root)

    answer = runner.invoke(app, ["check", "--json"])

    datasets = {entry["name"]: entry for entry in json.loads(answer.stdout)["datasets"]}
    assert datasets["events"] == {"name": "events", "ok": True, "problems": []}
    problem = datasets["orders"]["problems"][0]
    assert set(problem) == {"file", "line", "key", "value", "message", "fix"}
    assert answer.exit_code == exit_codes.PROBLEMS


def test_an_unknown_dataset_is_wrong_usage_and_the_known_ones_are_named(root: Path) -> None:
    answer = runner.invoke(app, ["check", "ordres"])

    assert answer.exit_code == exit_codes.USAGE
    assert "there are: events, orders" in answer.output


def test_an_empty_place_is_nothing_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))

    assert runner.invoke(app, ["check"]).exit_code == exit_codes.NOTHING

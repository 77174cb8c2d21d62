"""`make run`: the whole path on the embedded cloud, through real Airflow."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from cli import exit_codes
from cli.clients import storage_client
from cli.folders import settings
from include.spec.settings import DATASETS
from local.cloud import Cloud
from local.run import main, run
from local.samples import SHIPPED, generate, write_large

NAMES = ("orders", "events", "inventory")


@pytest.fixture
def samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in NAMES:
        shutil.copytree(DATASETS / name / "samples", tmp_path / "samples" / name)
    monkeypatch.setenv("LANDFALL_SAMPLES", str(tmp_path / "samples"))
    return tmp_path / "samples"


def _report(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def _truth(name: str, folder: Path) -> dict[str, int]:
    made = SHIPPED[name]
    path = folder / f"{name}.json"
    generate(name, made.rows, made.seed, folder / name, defects=made.defects, truth=path)
    together: dict[str, int] = json.loads(path.read_text())["together"]
    return together


@pytest.fixture
def empty_landing(in_cloud: object) -> None:
    """No file of another test in the landing bucket: a run takes whatever lies there."""
    client = storage_client(settings())
    for blob in client.list_blobs(settings().landing):
        blob.delete()


@pytest.mark.long
@pytest.mark.usefixtures("empty_landing")
def test_samples_are_loaded_once_and_a_changed_one_once_more(
    cloud: Cloud, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three runs as a person would try them; each costs an Airflow start, so they share a test."""
    report = tmp_path / "run-report.json"

    large = write_large(samples / "orders")

    assert run(cloud, report) == exit_codes.OK, capsys.readouterr()
    first = _report(report)
    for name in NAMES:
        truth = _truth(name, tmp_path / "truth")
        if name == "orders":
            truth = {key: count + getattr(large, key) for key, count in truth.items()}
        assert {key: first["datasets"][name][key] for key in truth} == truth, name
        assert len(first["datasets"][name]["rows"]) == 5
        assert len(first["datasets"][name]["quarantine"]) == 3
    by_dataflow = [file for file in first["datasets"]["orders"]["files"] if file["runner"] == "dataflow"]
    assert [file["name"] for file in by_dataflow] == [f"orders/{large.name}"]
    assert by_dataflow[0]["runner_reason"] == "above dataflow_above (1 MB); cut into about 3 shards"
    shown = capsys.readouterr().out
    assert f"orders/{large.name} went to Dataflow" in shown
    assert "@example.org" not in shown

    assert run(cloud, report) == exit_codes.OK, capsys.readouterr()
    assert [_report(report)["datasets"][name]["files"] for name in NAMES] == [[], [], []]
    assert "Nothing new" in capsys.readouterr().out

    changed = samples / "orders" / "orders-2026-11-18.csv"
    changed.write_bytes(changed.read_bytes() + b"\n")
    assert run(cloud, report) == exit_codes.OK, capsys.readouterr()
    third = _report(report)["datasets"]
    assert [file["name"] for file in third["orders"]["files"]] == ["orders/orders-2026-11-18.csv"]
    assert third["events"]["files"] == third["inventory"]["files"] == []


def test_what_it_started_is_stopped_even_when_there_is_nothing_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("LANDFALL_SAMPLES", str(tmp_path / "none"))

    code = main(["--state", str(tmp_path / "cloud")])

    assert code == exit_codes.NOTHING
    assert "holds no sample file" in capsys.readouterr().err
    assert set(Cloud(tmp_path / "cloud").status().values()) == {"stopped"}
    assert "LANDFALL_PROJECT" not in os.environ

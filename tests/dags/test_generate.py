"""A broken dataset folder takes nothing with it, and says what is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from landfall.errors import TerminalFailure
from landfall.generate import build_dags, find_problems

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    """The shipped datasets, with `events` broken in two places."""
    root = tmp_path / "datasets"
    shutil.copytree(ROOT / "include" / "datasets", root)
    contract, pipeline = root / "events" / "contract.yaml", root / "events" / "pipeline.yaml"
    contract.write_text(contract.read_text().replace("logicalType: boolean", "logicalType: bolean"))
    pipeline.write_text(pipeline.read_text().replace("mode: append", "mode: apend"))
    return root


def test_the_other_datasets_keep_their_dags(datasets: Path) -> None:
    dags = build_dags(datasets)
    assert list(dags) == ["ingest_events", "ingest_inventory", "ingest_orders"]
    assert len(dags["ingest_orders"].tasks) == 6


def test_the_broken_one_is_a_placeholder_that_shows_every_error(datasets: Path) -> None:
    dag = build_dags(datasets)["ingest_events"]
    assert "broken" in dag.tags
    assert "events/contract.yaml:" in str(dag.doc_md)
    assert "events/pipeline.yaml:" in str(dag.doc_md)
    with pytest.raises(TerminalFailure, match=r"(?s)bolean.*apend"):
        dag.tasks[0].execute({})


def test_a_placeholder_never_runs_by_itself(datasets: Path) -> None:
    assert not build_dags(datasets)["ingest_events"].timetable.can_be_scheduled


def test_all_problems_of_all_folders_are_found(datasets: Path) -> None:
    found = {(problem.file, problem.line > 1, problem.key) for problem in find_problems(datasets)}
    assert found == {
        ("events/contract.yaml", True, "schema.0.properties.6.logicalType"),
        ("events/pipeline.yaml", True, "load.mode"),
    }


def _import(module: str, datasets: Path) -> subprocess.CompletedProcess[str]:
    import os

    paths = os.pathsep.join(str(ROOT / name) for name in ("dags", "plugins", ""))
    environment = {**os.environ, "PYTHONPATH": paths, "LANDFALL_DATASETS": str(datasets)}
    command = [sys.executable, "-c", f"import {module}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_generator_never_raises(datasets: Path) -> None:
    assert _import("ingest", datasets).returncode == 0


def test_the_other_file_raises_so_that_the_ui_shows_it(datasets: Path) -> None:
    done = _import("broken", datasets)
    assert done.returncode != 0
    assert "Did you mean" in done.stderr or "must be" in done.stderr
    assert "events/pipeline.yaml" in done.stderr


def test_with_nothing_wrong_nothing_is_raised() -> None:
    assert _import("broken", ROOT / "include" / "datasets").returncode == 0


def test_a_bucket_as_composer_lays_it_out_gives_the_same_dags(tmp_path: Path) -> None:
    bucket = tmp_path / "dags"
    shutil.copytree(ROOT / "dags", bucket)
    shutil.copytree(ROOT / "include", bucket / "include")
    shutil.copytree(ROOT / "plugins" / "landfall", bucket / "landfall")
    script = (
        "import ingest, include, landfall;"
        "print([n for n in vars(ingest) if n.startswith('ingest_')], include.__file__, landfall.__file__)"
    )
    command = [sys.executable, "-c", script]
    import os

    environment = {**os.environ, "PYTHONPATH": str(bucket)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "['ingest_events', 'ingest_inventory', 'ingest_orders']" in done.stdout
    assert str(bucket) in done.stdout

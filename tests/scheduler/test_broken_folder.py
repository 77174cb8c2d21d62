"""Under a real scheduler: a dataset folder breaks while the others run, and is mended again."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.cloud import Cloud
from tests.scheduler.real_airflow import RealAirflow, real_airflow

ROOT = Path(__file__).resolve().parent.parent.parent
DAGS = ["ingest_events", "ingest_inventory", "ingest_orders", "replay"]
# What a deployment does in minutes: read folders again, and store what has changed.
IMPATIENT = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "1",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
    "AIRFLOW__CORE__PARALLELISM": "2",
}

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Seen:
    """What Airflow's API showed at one moment."""

    dags: dict[str, dict[str, Any]]
    errors: list[dict[str, Any]]

    def tags(self, dag_id: str) -> set[str]:
        return {tag["name"] for tag in self.dags[dag_id]["tags"]}

    @classmethod
    def of(cls, airflow: RealAirflow) -> Seen:
        return cls(airflow.dags(), airflow.ask("importErrors")["import_errors"])


@dataclass(frozen=True)
class Story:
    """What was seen before the folder broke, while it was broken, and when it was mended; and a run meanwhile."""

    before: Seen
    broken: Seen
    run: dict[str, Any]
    mended: Seen


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud in whose landing bucket nothing has ever been."""
    running = Cloud(tmp_path_factory.mktemp("scheduler-cloud"))
    running.up(["storage", "bigquery"])
    yield running
    running.down()


@pytest.fixture(scope="module")
def story(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Story:
    home = tmp_path_factory.mktemp("scheduler")
    datasets = home / "datasets"
    shutil.copytree(ROOT / "include" / "datasets", datasets)
    environment = {**cloud.environ(), **IMPATIENT, "LANDFALL_DATASETS": str(datasets)}
    with real_airflow(home / "airflow", environment) as airflow:
        before = _seen(airflow, "all DAGs", lambda seen: sorted(seen.dags) == DAGS)
        _break(datasets / "events")
        _seen(airflow, "the placeholder", lambda seen: bool(seen.errors) and "broken" in seen.tags("ingest_events"))
        run = airflow.run("ingest_orders")
        broken = Seen.of(airflow)
        _mend(datasets / "events")
        mended = _seen(
            airflow, "the mended DAG", lambda seen: not seen.errors and "broken" not in seen.tags("ingest_events")
        )
    return Story(before, broken, run, mended)


def _seen(airflow: RealAirflow, what: str, holds: Callable[[Seen], bool]) -> Seen:
    def look() -> Seen | None:
        seen = Seen.of(airflow)
        return seen if holds(seen) else None

    return airflow.wait_until(what, look)


def _break(folder: Path) -> None:
    _replace(folder / "contract.yaml", "logicalType: boolean", "logicalType: bolean")
    _replace(folder / "pipeline.yaml", "mode: append", "mode: apend")


def _mend(folder: Path) -> None:
    _replace(folder / "contract.yaml", "logicalType: bolean", "logicalType: boolean")
    _replace(folder / "pipeline.yaml", "mode: apend", "mode: append")


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def _line(name: str, text: str) -> int:
    lines = (ROOT / "include" / "datasets" / "events" / name).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_sound_folders_give_their_dags_and_no_import_error(story: Story) -> None:
    assert story.before.errors == []
    assert [dag_id for dag_id in DAGS if "broken" in story.before.tags(dag_id)] == []


def test_the_broken_folder_leaves_a_placeholder_that_says_so(story: Story) -> None:
    placeholder = story.broken.dags["ingest_events"]
    assert {"broken", "landfall"} <= story.broken.tags("ingest_events")
    assert not placeholder["is_stale"]
    assert placeholder["timetable_summary"] is None


def test_an_import_error_of_the_other_file_names_every_problem_with_its_file_and_line(story: Story) -> None:
    assert [error["filename"] for error in story.broken.errors] == ["broken.py"]
    text = story.broken.errors[0]["stack_trace"]
    contract, pipeline = _line("contract.yaml", "boolean"), _line("pipeline.yaml", "append")
    assert re.search(rf"events/contract\.yaml:{contract}: .*bolean", text)
    assert re.search(rf"events/pipeline\.yaml:{pipeline}: .*apend", text)


def test_the_other_dags_stay_as_they_were(story: Story) -> None:
    for dag_id in ("ingest_inventory", "ingest_orders"):
        then, now = story.before.dags[dag_id], story.broken.dags[dag_id]
        assert not now["is_stale"]
        assert not now["is_paused"]
        assert not now["has_import_errors"]
        assert story.broken.tags(dag_id) == story.before.tags(dag_id)
        assert now["timetable_summary"] == then["timetable_summary"]


def test_another_dataset_runs_meanwhile_and_ends_well_with_nothing_to_do(story: Story) -> None:
    assert story.run["state"] == "success"
    states = {name: instance["state"] for name, instance in story.run["tasks"].items()}
    assert states["wait_for_files"] == "skipped"
    assert set(states.values()) == {"skipped"}


def test_mended_the_folder_has_its_own_dag_back_and_the_error_is_gone(story: Story) -> None:
    assert story.mended.errors == []
    assert story.mended.tags("ingest_events") == story.before.tags("ingest_events")
    then, now = story.before.dags["ingest_events"], story.mended.dags["ingest_events"]
    assert now["timetable_summary"] == then["timetable_summary"]

"""Measures how long a trivial task takes under a real scheduler, by the DAG file that it stands in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.folders import SHIPPED
from tests.bench.parse import DAG_FILES
from tests.scheduler.real_airflow import real_airflow

# The file, and its DAG that holds the trivial task.
DAGS = {"plain": "plain_0000", "usual": "usual", "landfall": "ingest_orders"}
# Nothing but the measured runs: no folder is read again, no DAG starts by itself.
QUIET = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "3600",
    "AIRFLOW__CORE__PARALLELISM": "2",
}


@dataclass(frozen=True)
class Timed:
    """What a trivial task in one file takes, in seconds up to its end: medians over its runs.

    Args:
        file: plain, usual or landfall.
        whole_s: from the moment at which its run is triggered, the scheduler's share included.
        queued_s: from the moment at which the scheduler gives it to the executor.
        process_s: from the moment at which its process is there: parse the file, run, report.
        samples: of each run whole, queued and process.
    """

    file: str
    whole_s: float
    queued_s: float
    process_s: float
    samples: tuple[tuple[float, float, float], ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def measure_tasks(work: Path, rounds: int, say: Callable[[str], None]) -> list[Timed]:
    """Start an Airflow of its own, run the trivial tasks in turn, stop it.

    Args:
        work: an empty folder.
        rounds: runs of each file that count; one more each comes first and does not.
        say: told how far it is.
    """
    say("starting Airflow: scheduler, DAG processor, API server")
    with real_airflow(work / "airflow", _settings(work)) as airflow:
        airflow.wait_until("the three DAGs", lambda: set(DAGS.values()) <= set(airflow.dags()))
        taken: dict[str, list[tuple[float, float, float]]] = {file: [] for file in DAGS}
        for number in range(rounds + 1):
            for file in _turn(list(DAGS), number):
                say(f"run {number} of {rounds}: {file}" if number else f"warming up: {file}")
                times = _times(airflow.run(DAGS[file]))
                if number:
                    taken[file].append(times)
    return [_timed(file, times) for file, times in taken.items()]


def _turn(files: list[str], number: int) -> list[str]:
    # Whoever comes after the heaviest finds the machine warm, or still busy: each gets that place in turn.
    return files[number % len(files) :] + files[: number % len(files)]


def _settings(work: Path) -> dict[str, str]:
    shutil.copytree(DAG_FILES, work / "dags")
    shutil.copytree(SHIPPED, work / "datasets", ignore=shutil.ignore_patterns("samples"))
    for pipeline in (work / "datasets").glob("*/pipeline.yaml"):
        # A schedule whose last moment lies before the DAG's start, so that it does not start by itself.
        pipeline.write_text(pipeline.read_text().replace("every: 1m", 'every: "0 0 29 2 *"'))
    return {
        **QUIET,
        "AIRFLOW__CORE__DAGS_FOLDER": str(work / "dags"),
        "LANDFALL_DATASETS": str(work / "datasets"),
    }


def _times(run: dict[str, Any]) -> tuple[float, float, float]:
    task = run["tasks"]["trivial"]
    if task["state"] != "success":
        raise RuntimeError(f"{run['dag_id']}: the trivial task ended {task['state']}, not success")
    triggered, queued, started, ended = (
        datetime.fromisoformat(text)
        for text in (run["queued_at"], task["queued_when"], task["start_date"], task["end_date"])
    )
    whole, waited, process = ((ended - since).total_seconds() for since in (triggered, queued, started))
    return round(whole, 3), round(waited, 3), round(process, 3)


def _timed(file: str, times: list[tuple[float, float, float]]) -> Timed:
    whole, queued, process = (round(median(column), 3) for column in zip(*times, strict=True))
    return Timed(file, whole, queued, process, tuple(times))

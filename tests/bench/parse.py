"""Measures what parsing a DAG file costs beyond Airflow's own import, in CPU seconds of whole processes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from local.paths import ROOT
from local.settings import airflow_settings
from tests.bench.folders import make_folders

DAG_FILES = Path(__file__).resolve().parent / "dag_files"
FILES = {"landfall": ROOT / "dags" / "ingest.py", "plain": DAG_FILES / "plain.py", "usual": DAG_FILES / "usual.py"}


@dataclass(frozen=True)
class Parsed:
    """What one file with so many DAGs costs: medians over the rounds.

    Args:
        file: landfall, plain or usual.
        dags: datasets of ours, or DAGs of the others.
        parse_cpu_s: CPU seconds beyond Airflow's own import.
        serialise_cpu_s: CPU seconds of Airflow's serialisation of all these DAGs, which follows in the DAG processor.
        samples: the rounds' CPU seconds of the whole process, less the median of one that parses nothing.
    """

    file: str
    dags: int
    parse_cpu_s: float
    serialise_cpu_s: float
    samples: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def measure_parse(
    work: Path, counts: Sequence[int], rounds: int, say: Callable[[str], None]
) -> tuple[float, list[Parsed]]:
    """Measure all files with all counts, one process after the other and round by round.

    Args:
        work: an empty folder for the datasets and Airflow's home.
        counts: numbers of datasets, ascending.
        rounds: how often each is measured; serialisation half as often.
        say: told how far it is.

    Returns:
        CPU seconds of Airflow's own import, and what each file costs beyond it.
    """
    cases = [(file, count) for count in counts for file in FILES]
    for count in counts:
        make_folders(work / f"datasets-{count}", count)
    environments = {count: _environment(work, count) for count in counts}
    for file, path in FILES.items():  # compiles the modules, and reads them from the disk
        say(f"warming up: {file}")
        _process(environments[counts[0]], "store", path)
    nothing: list[float] = []
    whole: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
    stored: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
    for number in range(rounds):
        for case, what in _round(cases, stores=number % 2 == 0):
            file, count = case
            say(f"round {number + 1} of {rounds}: {count} x {file} ({what})")
            if what == "parse":
                nothing.append(_process(environments[count], "nothing")[0])
            cpu, told = _process(environments[count], what, FILES[file])
            assert told["dags"] >= count, (file, count, told)
            (whole if what == "parse" else stored)[case].append(cpu if what == "parse" else told["serialise_cpu_s"])
    own = median(nothing)
    return own, [_parsed(case, own, whole[case], stored[case]) for case in cases]


def _round(cases: Sequence[tuple[str, int]], *, stores: bool) -> Iterator[tuple[tuple[str, int], str]]:
    for case in cases:
        yield case, "parse"
        if stores:
            yield case, "store"


def _parsed(case: tuple[str, int], own: float, whole: list[float], stored: list[float]) -> Parsed:
    samples = tuple(round(cpu - own, 4) for cpu in whole)
    return Parsed(*case, round(median(samples), 4), round(median(stored), 4), samples)


def _environment(work: Path, count: int) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "LANDFALL", "PYTHON"))}
    return {
        **kept,
        **airflow_settings(work / "airflow"),
        "LANDFALL_DATASETS": str(work / f"datasets-{count}"),
        "LANDFALL_BENCH_DAGS": str(count),
    }


def _process(environment: Mapping[str, str], what: str, file: Path | None = None) -> tuple[float, dict[str, Any]]:
    """Run one process; returns its CPU seconds, user and system, and what it said."""
    command = [sys.executable, "-m", "tests.bench.parse_probe", what, *([str(file)] if file else [])]
    before = _children()
    done = subprocess.run(command, env=dict(environment), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return _children() - before, told


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

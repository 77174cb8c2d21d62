"""Every dataset folder becomes a DAG; a broken one becomes a placeholder, and never takes another with it."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

from include.spec.dataset import CONTRACT, PIPELINE, list_folders, load_dataset
from include.spec.errors import Problem, SpecError
from include.spec.settings import datasets_folder
from landfall.broken import placeholder_dag
from landfall.dag import build_dag


def build_dags(root: Path | None = None) -> dict[str, DAG]:
    """Return DAG id to DAG, sorted by name.

    A task's process says which DAG it is for: only that one is built, and its rules are not checked once more.
    """
    wanted = get_parsing_context().dag_id
    dags = {}
    with _collector_paused():
        for folder in list_folders(root or datasets_folder()):
            if wanted is None or wanted == f"ingest_{_safe(folder.name)}":
                dag = _build(folder, rules=wanted is None)
                dags[dag.dag_id] = dag
    return dags


def find_problems(root: Path | None = None) -> list[Problem]:
    """Return what is wrong in all dataset folders, in their order."""
    problems: list[Problem] = []
    for folder in list_folders(root or datasets_folder()):
        try:
            load_dataset(folder)
        except SpecError as error:
            problems.extend(error.problems)
    return problems


@contextmanager
def _collector_paused() -> Iterator[None]:
    # Next to nothing of what is made here is garbage, yet each full collection walks all of Airflow's 200,000
    # objects: 0.1 s a time, and three times for 200 datasets.
    was_running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_running:
            gc.enable()


def _build(folder: Path, *, rules: bool) -> DAG:
    try:
        dataset = load_dataset(folder, rules=rules)
        documents = {name: (folder / name).read_text(encoding="utf-8-sig") for name in (PIPELINE, CONTRACT)}
        return build_dag(dataset, documents)
    except SpecError as error:
        return placeholder_dag(_safe(folder.name), error)


def _safe(name: str) -> str:
    # A folder's name may be what is wrong with it; Airflow takes these characters only.
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)

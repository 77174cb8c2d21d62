"""Runs DAGs through Airflow itself (`airflow dags test`), and follows them by Airflow's own log.

    python -m cli.dagtest DAG_ID[=CONF]...     # one after the other in this process; CONF is JSON

Airflow takes seconds to get ready and a twentieth of a second per task, so several runs share one process.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

_BEGINS, _FINISHES = "[LANDFALL] begins ", "[LANDFALL] finishes "
_TASK = re.compile(r"\[DAG TEST\] (starting|end task) task_id=(\S+) map_index=(-?\d+)")
_STATE = re.compile(r"Task instance state updated .*\bnew_state=(\w+)")
_GRACE_SECONDS = 10.0
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Phase = Literal["begins", "started", "ended", "finishes"]


@dataclass(frozen=True)
class Step:
    """Something happened in a run.

    Args:
        dag_id: whose run.
        phase: the run begins or finishes; a task started or ended.
        task: empty for the run itself.
        map_index: which of a mapped task's instances; -1 for a task that is not mapped.
        state: how a task or the run ended: success, failed, skipped, up_for_retry, …
    """

    dag_id: str
    phase: Phase
    task: str = ""
    map_index: int = -1
    state: str = ""


def run_dags(
    dag_ids: Sequence[str],
    log: Path,
    on_step: Callable[[Step], None],
    *,
    conf: Mapping[str, object] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> dict[str, bool]:
    """Run DAGs once each, one after the other.

    Args:
        dag_ids: in this order.
        log: file that gets all that Airflow says.
        on_step: told what happens, as it happens.
        conf: values for the DAG's form; the same for each.
        environment: of Airflow.

    Returns:
        For each DAG, whether its run ended well; False for one that never began.
    """
    ended = dict.fromkeys(dag_ids, False)
    log.parent.mkdir(parents=True, exist_ok=True)
    form = f"={json.dumps(conf)}" if conf else ""
    command = [sys.executable, "-u", "-m", "cli.dagtest", *(dag_id + form for dag_id in dag_ids)]
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(  # noqa: S603 - our own module, no shell
            command, env=_environment(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        try:
            for step in read_steps(_kept(process.stdout, kept)):
                on_step(step)
                if step.phase == "finishes":
                    ended[step.dag_id] = step.state == "success"
        finally:
            _end(process)
    return ended


def _end(process: subprocess.Popen[str]) -> None:
    """End Airflow: by now it is done, or the user does not want to wait for it."""
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, os.path.join(root, "plugins"), environment.get("PYTHONPATH", "")]
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "NO_COLOR": "1"}


def _kept(lines: Iterable[str], log: IO[str]) -> Iterator[str]:
    for line in lines:
        log.write(line)
        yield line


def read_steps(lines: Iterable[str]) -> Iterator[Step]:
    """Yield what Airflow's log says of runs and tasks."""
    dag_id, state = "", ""
    for raw in lines:
        line = _COLOUR.sub("", raw)
        if line.startswith(_BEGINS):
            dag_id = line.removeprefix(_BEGINS).strip()
            yield Step(dag_id, "begins")
        elif line.startswith(_FINISHES):
            name, _, how = line.removeprefix(_FINISHES).strip().partition(" ")
            yield Step(name, "finishes", state=how)
        elif found := _STATE.search(line):
            state = found.group(1)
        elif found := _TASK.search(line):
            what, task, index = found.groups()
            started = what == "starting"
            yield Step(dag_id, "started" if started else "ended", task, int(index), "" if started else state)
            state = ""


def reasons(log: Path, most: int = 3) -> list[str]:
    """Return the last lines of a log that name an exception: why a task failed, without its traceback."""
    found: dict[str, None] = {}
    for raw in log.read_text(encoding="utf-8", errors="replace").splitlines():
        line = _COLOUR.sub("", raw).strip("│ ")
        if re.match(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Failed|Failure)\b\S*: ", line):
            found.pop(line, None)
            found[line] = None
    return list(found)[-most:]


def main(runs: Sequence[str]) -> int:
    """Run DAGs in this process; returns 1 if one of the runs failed."""
    from airflow.__main__ import main as airflow
    from airflow.sdk.exceptions import AirflowException
    from sqlalchemy.exc import SQLAlchemyError

    failed = False
    for run in runs:
        dag_id, _, conf = run.partition("=")
        print(_BEGINS + dag_id, flush=True)
        sys.argv = ["airflow", "dags", "test", dag_id, *(("--conf", conf) if conf else ())]
        try:
            airflow()
            state = "success"
        except SystemExit as ended:
            state = "failed" if ended.code else "success"
        except (AirflowException, SQLAlchemyError):
            # A DAG that Airflow does not find or cannot store; the others are run all the same.
            traceback.print_exc()
            state = "failed"
        failed = failed or state == "failed"
        print(f"{_FINISHES}{dag_id} {state}", flush=True)
    return int(failed)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # Airflow's in-process API server takes two seconds to end by itself, with nothing left to do.
    os._exit(code)

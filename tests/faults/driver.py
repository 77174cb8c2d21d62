"""Drives the operators' own `execute` below Airflow, each try in a process of its own that may be killed."""

from __future__ import annotations

import io
import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

PATIENCE_SECONDS = 300
"""No try takes so long, whatever is injected: one that does is stuck."""


@dataclass(frozen=True)
class Ended:
    """How one try of a task ended.

    Args:
        how: success, skipped, terminal, transient, killed or stuck.
        value: what `execute` returned, or the exception as text.
    """

    how: str
    value: Any = None


def in_process(work: Callable[[], Any], log: Path) -> Ended:
    """Do something in a process of its own and say how it ended.

    Args:
        work: returns something that can be pickled.
        log: what it prints is added here.
    """
    return _wait(_start(work, log))


def in_processes(works: list[Callable[[], Any]], log: Path) -> list[Ended]:
    """Do several things at the same time, each in a process of its own."""
    return [_wait(started) for started in [_start(work, log) for work in works]]


def _start(work: Callable[[], Any], log: Path) -> tuple[int, int]:
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    os.close(reading)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    ended = _told(work)
    with os.fdopen(writing, "wb") as pipe:
        pickle.dump((ended.how, ended.value), pipe)
    os._exit(0)


def _told(work: Callable[[], Any]) -> Ended:
    from landfall.compat import AirflowFailException, AirflowSkipException

    try:
        return Ended("success", work())
    except AirflowSkipException as skipped:
        return Ended("skipped", str(skipped))
    except BaseException as error:  # noqa: BLE001 - what Airflow would see
        traceback.print_exc()
        sys.stderr.flush()
        how = "terminal" if isinstance(error, AirflowFailException) else "transient"
        return Ended(how, f"{type(error).__name__}: {error}")


def _wait(started: tuple[int, int]) -> Ended:
    child, reading = started
    until, content = time.monotonic() + PATIENCE_SECONDS, io.BytesIO()
    while True:
        ready, _, _ = select.select([reading], [], [], max(0, until - time.monotonic()))
        if not ready:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reading)
            return Ended("stuck")
        read = os.read(reading, 1 << 16)
        if not read:
            break
        content.write(read)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Ended("killed")
    return Ended(*pickle.loads(content.getvalue()))


@dataclass
class Run:
    """One DAG run of a dataset: its tasks in order, each tried as often as Airflow would.

    Args:
        dataset: the dataset's name.
        run_id: the run's.
        attempts: tries of each task.
        log: what the tasks print.
        params: what a person chose in the form.
    """

    steps: ClassVar = ("wait_for_files", "plan", "transform", "load", "verify", "archive")

    dataset: str
    run_id: str
    attempts: int
    log: Path
    params: dict[str, Any] = field(default_factory=dict)
    xcom: dict[str, Any] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    tried: list[tuple[str, Ended]] = field(default_factory=list)

    @property
    def dag_id(self) -> str:
        """Name of the DAG."""
        return f"ingest_{self.dataset}"

    @property
    def next_step(self) -> str | None:
        """The task that comes next; None at the end."""
        return next((step for step in self.steps if step not in self.states), None)

    @property
    def failed(self) -> bool:
        """Whether a task has failed."""
        return "failed" in self.states.values()

    def finish(self) -> None:
        """Run every task that is left."""
        while self.next_step:
            self.advance()

    def advance(self, steps: int = 1) -> None:
        """Run the next tasks to their ends, as many as there are."""
        for _ in range(steps):
            if self.next_step:
                self._advance(self.next_step)

    def _advance(self, step: str) -> None:
        number = self.steps.index(step)
        before = self.states[self.steps[number - 1]] if number else "success"
        if not (before == "success" or self._runs_all_the_same(step)):
            self.states[step] = "skipped" if before == "skipped" else "upstream_failed"
        elif step == "transform":
            ended = [self._task(step, batch) for batch in self.xcom[self.steps[number - 1]]]
            self.xcom[step] = [value for state, value in ended if state == "success"]
            self.states[step] = "success" if all(state == "success" for state, _ in ended) else "failed"
        else:
            self.states[step], self.xcom[step] = self._task(step)

    def _runs_all_the_same(self, step: str) -> bool:
        """Whether a task runs although the one before it has not succeeded; `load` stands behind `plan`, too."""
        return step == "load" and self.states["plan"] == "success"

    def _task(self, step: str, batch: Any = None) -> tuple[str, Any]:
        for number in range(1, self.attempts + 1):
            ended = in_process(lambda number=number: self._execute(step, self._context(step, number), batch), self.log)
            self.tried.append((step, ended))
            if ended.how in ("success", "skipped"):
                return ended.how, ended.value
            if ended.how == "terminal":
                break
        return "failed", None

    def _execute(self, step: str, context: Any, batch: Any) -> Any:
        from landfall.gcp.archive import ArchiveFiles
        from landfall.gcp.load import LoadBatches
        from landfall.gcp.new_files import WaitForFiles
        from landfall.gcp.plan import PlanRun
        from landfall.gcp.transform import TransformBatch
        from landfall.gcp.verify import VerifyLoad

        name = {"task_id": step, "dataset": self.dataset}
        if step == "wait_for_files":
            return WaitForFiles(**name).poke(context).xcom_value
        if step == "transform":
            return TransformBatch(**name, batch=batch).execute(context)
        if step == "load":
            return LoadBatches(**name, manifests=self.xcom["transform"]).execute(context)
        return {"plan": PlanRun, "verify": VerifyLoad, "archive": ArchiveFiles}[step](**name).execute(context)

    def _context(self, step: str, number: int) -> Any:
        ti = SimpleNamespace(
            dag_id=self.dag_id, run_id=self.run_id, task_id=step, map_index=-1,
            try_number=number, max_tries=self.attempts - 1,
            xcom_pull=lambda task_ids: self.xcom.get(task_ids),
        )  # fmt: skip
        return {
            "run_id": self.run_id, "ti": ti, "task_instance": ti, "params": self.params,
            "outlet_events": defaultdict(SimpleNamespace),
        }  # fmt: skip


@dataclass
class Replay(Run):
    """One run of the DAG `replay`; `params` are its form's."""

    steps: ClassVar = ("select", "transform", "commit", "report")

    @property
    def dag_id(self) -> str:
        """Name of the DAG."""
        return "replay"

    def _runs_all_the_same(self, step: str) -> bool:
        """Whether a task runs although the one before it has not succeeded: where one batch was transformed."""
        return step == "commit" and bool(self.xcom.get("transform"))

    def _execute(self, step: str, context: Any, batch: Any) -> Any:
        from landfall.gcp.replay_tasks import CommitReplay, ReportReplay, SelectRecords
        from landfall.gcp.transform import TransformBatch

        name = {"task_id": step, "dataset": self.dataset}
        if step == "select":
            return SelectRecords(task_id=step).execute(context)
        if step == "transform":
            return TransformBatch(**name, batch=batch).execute(context)
        if step == "commit":
            return CommitReplay(**name, manifests=self.xcom["transform"]).execute(context)
        return ReportReplay(**name).execute(context)


@contextmanager
def armed(folder: Path, place: str) -> Iterator[None]:
    """Have the next process that comes to a crash point killed there."""
    bomb = folder / place
    bomb.touch()
    try:
        yield
    finally:
        bomb.unlink(missing_ok=True)

"""What `make run` shows while it works: a live table on a terminal, a line per stage anywhere else."""

from __future__ import annotations

import time
from collections import defaultdict
from types import TracebackType
from typing import TYPE_CHECKING

from cli.dagtest import Step
from cli.show import console, plain

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

TASKS = ("wait_for_files", "plan", "transform", "load", "verify", "archive")
# What is worth saying of a task that did not simply succeed.
_MARKS = {"success": "[green]ok[/]", "skipped": "[dim]nothing to do[/]", "up_for_retry": "[yellow]again[/]"}


class View:
    """Shows stages and tasks, and keeps how long each of them took.

    Attributes:
        seconds: stage to its seconds; of a dataset's tasks the stage is `<dataset>.<task>`.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._out = console()
        self._began = time.monotonic()
        self._open: dict[str, float] = {}
        self._cells: dict[str, dict[str, str]] = {}
        self._live: Live | None = None

    def __enter__(self) -> View:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def say(self, stage: str, text: str) -> None:
        """Print one progress line of a stage."""
        at = time.monotonic() - self._began
        self._out.print(f"[dim]{at:6.1f} s[/]  [bold]{plain(stage):<10}[/] {plain(text)}", soft_wrap=True)

    def begin(self, stage: str) -> None:
        """Start a stage's clock."""
        self._open[stage] = time.monotonic()

    def end(self, stage: str) -> float:
        """Stop a stage's clock, and return its seconds."""
        took = time.monotonic() - self._open.pop(stage, time.monotonic())
        self.seconds[stage] += took
        return took

    def follow(self, step: Step) -> None:
        """Take in what happened in a run of Airflow."""
        dataset = step.dag_id.removeprefix("ingest_")
        if step.phase == "begins":
            self._cells[dataset] = {}
        elif step.phase == "started":
            self.begin(f"{dataset}.{step.task}")
            self._cells[dataset][step.task] = "[yellow]…[/]"
        elif step.phase == "ended":
            self._ended(dataset, step)
        elif step.phase == "finishes" and step.state != "success":
            self.say(dataset, "the run failed")
        self._redraw()

    def _ended(self, dataset: str, step: Step) -> None:
        took = self.end(f"{dataset}.{step.task}")
        mark = _MARKS.get(step.state, f"[red]{plain(step.state or 'ended')}[/]")
        self._cells[dataset][step.task] = f"{mark} [dim]{took:.1f}[/]"
        if not self._out.is_terminal or step.state not in _MARKS:
            instance = f" {step.map_index}" if step.map_index >= 0 else ""
            said = {"success": "ok", "skipped": "nothing to do", "up_for_retry": "failed, is tried again"}
            self.say(dataset, f"{step.task}{instance}: {said.get(step.state, step.state)} ({took:.1f} s)")

    def close(self) -> None:
        """Leave the live table as it stands."""
        if self._live:
            self._live.stop()
            self._live = None

    def _redraw(self) -> None:
        if not self._out.is_terminal:
            return
        if self._live is None:
            from rich.live import Live

            self._live = Live(self._table(), console=self._out, refresh_per_second=8)
            self._live.start()
        self._live.update(self._table())

    def _table(self) -> Table:
        from cli.show import table

        made = table("", ["dataset", *TASKS], [])
        for dataset, cells in self._cells.items():
            made.add_row(plain(dataset), *(cells.get(task, "") for task in TASKS))
        return made

"""A dataset whose runs go through a whole Airflow: `airflow dags test`, in a process of its own that may be killed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.driver import STEPS, Run, in_process
from tests.faults.world import ATTEMPTS, World

NOT_RUN = "not run"


def warm_up() -> None:
    """Make Airflow's database and import what a run needs, so that each run's process, a fork of this one, has it."""
    from local.start import migrate

    migrate(dict(os.environ))
    import airflow.__main__
    import airflow.api_fastapi.execution_api.app
    import airflow.cli.commands.dag_command
    import airflow.dag_processing.dagbag
    import airflow.sdk.execution_time.supervisor  # noqa: F401 - imported for what they import in their turn


@dataclass
class AirflowRun(Run):
    """One run of a dataset's DAG, with everything that Airflow does about it.

    A crash point kills the whole run, as the end of a machine would, and not one of its tasks alone.
    """

    @property
    def next_step(self) -> str | None:
        """The only step, which is all of them; None at the end."""
        return None if self.tried else "dags test"

    def advance(self) -> None:
        """Run the DAG to its end, or to the crash."""
        ended = in_process(self._through_airflow, self.log)
        self.tried.append((f"ingest_{self.dataset}", ended))
        self.states = dict.fromkeys(STEPS, NOT_RUN) | self._ended()

    def _through_airflow(self) -> str:
        from cli.dagtest import main

        if main([f"ingest_{self.dataset}"]):
            raise RuntimeError("the run failed")
        return "the run ended well"

    def _ended(self) -> dict[str, str]:
        """How each task ended, by Airflow's own log."""
        from cli.dagtest import read_steps

        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return {step.task: step.state for step in read_steps(lines) if step.phase == "ended" and step.state}


@dataclass
class AirflowWorld(World):
    """A dataset whose runs go through Airflow."""

    def __post_init__(self) -> None:
        """Write the dataset's folder; Airflow waits a second between two tries."""
        super().__post_init__()
        path = self.datasets / self.name / "pipeline.yaml"
        path.write_text(path.read_text().replace(f"attempts: {ATTEMPTS}", f"attempts: {ATTEMPTS}, base: 1s, max: 1s"))

    def new_run(self) -> Run:
        """Begin a run."""
        run_id = f"run-{len(self.runs)}"
        run = AirflowRun(self.name, run_id, ATTEMPTS, self._log_of(run_id))
        self.runs.append(run)
        return run

    def _log_of(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.log"

    def story(self) -> str:
        """Return what happened, for a person."""
        from cli.dagtest import reasons

        said: list[str] = []
        for run in self.runs:
            how: Any = [ended.how for _, ended in run.tried]
            tasks = ", ".join(f"{step} {state}" for step, state in run.states.items() if state != NOT_RUN)
            said += [f"{run.run_id}: {how}; {tasks}", *(f"  {line[:300]}" for line in reasons(run.log))]
        return "\n".join(said)

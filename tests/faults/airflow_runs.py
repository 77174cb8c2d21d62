"""A dataset whose runs go through a whole Airflow: `airflow dags test`, in a process of its own that may be killed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from tests.faults.driver import Replay, Run, in_process
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


class _ThroughAirflow(Run):
    """One run of a DAG, with everything that Airflow does about it.

    A crash point kills the whole run, as the end of a machine would, and not one of its tasks alone.
    """

    @property
    def next_step(self) -> str | None:
        """The only step, which is all of them; None at the end."""
        return None if self.tried else "dags test"

    def _advance(self, step: str) -> None:
        ended = in_process(self._in_airflow, self.log)
        self.tried.append((step, ended))
        self.states = dict.fromkeys(self.steps, NOT_RUN) | self._ended()

    def _in_airflow(self) -> str:
        from cli.dagtest import main

        conf = f"={json.dumps(self.params)}" if self.params else ""
        if main([f"{self.dag_id}{conf}"]):
            raise RuntimeError("the run failed")
        return "the run ended well"

    def _ended(self) -> dict[str, str]:
        """How each task ended, by Airflow's own log."""
        from cli.dagtest import read_steps

        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return {step.task: step.state for step in read_steps(lines) if step.phase == "ended" and step.state}


@dataclass
class AirflowRun(_ThroughAirflow):
    """One run of a dataset's DAG."""


@dataclass
class AirflowReplay(_ThroughAirflow, Replay):
    """One run of the DAG `replay`."""


@dataclass
class AirflowWorld(World):
    """A dataset whose runs and replays go through Airflow."""

    def __post_init__(self) -> None:
        """Write the dataset's folder; Airflow waits a second between two tries."""
        super().__post_init__()
        path = self.datasets / self.name / "pipeline.yaml"
        path.write_text(path.read_text().replace(f"attempts: {ATTEMPTS}", f"attempts: {ATTEMPTS}, base: 1s, max: 1s"))

    def new_run(self, **params: Any) -> Run:
        """Begin a run."""
        return self._begin(AirflowRun, f"run-{len(self.runs)}", params)

    def replay(self, *, dry_run: bool = False, **choice: Any) -> AirflowReplay:
        """Begin a replay."""
        params = {"dataset": self.name, "dry_run": dry_run, **choice}
        replay: AirflowReplay = self._begin(AirflowReplay, f"replay-{len(self.runs)}", params)
        return replay

    def _begin(self, kind: Any, run_id: str, params: dict[str, Any]) -> Any:
        run = kind(self.name, run_id, ATTEMPTS, self.folder / f"{run_id}.log", params)
        self.runs.append(run)
        return run

    def story(self) -> str:
        """Return what happened, for a person."""
        from cli.dagtest import reasons

        said: list[str] = []
        for run in self.runs:
            tasks = ", ".join(f"{step} {state}" for step, state in run.states.items() if state != NOT_RUN)
            said += [f"{run.run_id}: {run.tried[-1][1].how}; {tasks}", *(f"  {s[:300]}" for s in reasons(run.log))]
        return "\n".join(said)

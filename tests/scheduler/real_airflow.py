"""A real Airflow for tests and measurements: scheduler, DAG processor and API server, on ports of their own."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from local import paths, processes, ui
from local.settings import airflow_settings
from local.start import migrate

COMPONENTS = ("api-server", "scheduler", "dag-processor")
ENDED = ("success", "failed")
PATIENCE_SECONDS = 180.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

T = TypeVar("T")


class RealAirflow(ui.Airflow):
    """The three processes that parse DAGs and run tasks; nothing here defers, so there is no triggerer.

    Args:
        environment: of all processes, with an AIRFLOW_HOME; wins over the settings of a local Airflow.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(dict(environment), processes.free_port())
        self.environment.update(environment)

    def start(self) -> None:
        """Start the three processes."""
        for name in COMPONENTS:
            argv = [str(paths.python_of("airflow")), "-m", "airflow", name]
            pid = processes.spawn(argv, self.environment, self.log(name), self.home)
            self.started[name] = (pid, processes.identity(pid) or "")

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the REST API; returns its answer.

        Args:
            path: below /api/v2/.
            body: what to post; None asks with GET.

        Raises:
            urllib.error.URLError: it does not answer, or refuses.
        """
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v2/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _OPENER.open(request, timeout=30) as answer:
            content: dict[str, Any] = json.load(answer)
        return content

    def wait_until(self, what: str, asked: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T:
        """Ask until the answer is neither None nor empty; returns it.

        Args:
            what: is waited for; named in the error.
            asked: asks; while Airflow is starting it may raise OSError.

        Raises:
            TimeoutError: it did not come; the message holds the ends of the logs.
            local.ui.UiError: one of the processes has ended.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            answer, trouble = None, ""
            try:
                answer = asked()
            except OSError as error:
                trouble = f" (the API: {error})"
            if answer:
                return answer
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {name}\n{processes.tail(self.log(name))}" for name in COMPONENTS)
                raise TimeoutError(f"{what}: not within {seconds:.0f} s{trouble}\n{logs}")
            time.sleep(0.3)

    def dags(self) -> dict[str, dict[str, Any]]:
        """Return what the API shows of each DAG, those that have gone included."""
        found = self.ask("dags?limit=1000&exclude_stale=false")["dags"]
        return {dag["dag_id"]: dag for dag in found}

    def run(self, dag_id: str) -> dict[str, Any]:
        """Trigger a DAG and wait for its run's end; returns the run, and its tasks' instances by their names."""
        started = self.ask(f"dags/{dag_id}/dagRuns", {"logical_date": None})
        path = f"dags/{dag_id}/dagRuns/{quote(started['dag_run_id'])}"

        def ended() -> dict[str, Any] | None:
            run = self.ask(path)
            return run if run["state"] in ENDED else None

        run = self.wait_until(f"the end of {dag_id}", ended)
        instances = self.ask(f"{path}/taskInstances")["task_instances"]
        return {**run, "tasks": {instance["task_id"]: instance for instance in instances}}


@contextmanager
def real_airflow(home: Path, environment: Mapping[str, str]) -> Iterator[RealAirflow]:
    """Start an Airflow in a home of its own, and stop all its processes at the end, however that comes.

    Args:
        home: its AIRFLOW_HOME; made where it is missing.
        environment: what differs from the settings of every local Airflow.
    """
    settings = {**airflow_settings(home), **environment, "AIRFLOW_HOME": str(home)}
    migrate(settings)
    airflow = RealAirflow(settings)
    try:
        airflow.start()
        yield airflow
    finally:
        airflow.stop()

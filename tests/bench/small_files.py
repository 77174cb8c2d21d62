"""A run over many small files, measured step by step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import psutil

from landfall.gcp.archive import ArchiveFiles
from landfall.gcp.load import LoadBatches
from landfall.gcp.new_files import WaitForFiles
from landfall.gcp.plan import PlanRun
from landfall.gcp.transform import TransformBatch
from landfall.gcp.verify import VerifyLoad
from landfall.gcp.warehouse import Warehouse
from tests.plugins.gcp.steps import CONTRACT

ROWS = 20
_CONTRACT = f"""{CONTRACT.replace("maxLength: 20", "maxLength: 60").rstrip()}
      - {{name: price, logicalType: number, physicalType: "NUMERIC(10, 2)"}}
"""
_PIPELINE = """
source: {{uri: "gs://{{landing}}/{name}/*.csv"}}
format: {{type: csv}}
load: {{table: small.{name}, mode: append}}
"""
_WHOLE = frozenset({"wait_for_files", "plan"})
"""Steps that are planning from one end to the other; of the others what they ask of the warehouse is."""


@dataclass(frozen=True)
class Step:
    """What a step took.

    Args:
        seconds: from its beginning to its end.
        ledger_s: of these, planning and ledger: all of it, or what it waited for queries and transactions. The commit
            is counted whole, with the rows that it brings; the jobs that load Parquet are not.
        waiting_s: of these, waiting for the warehouse.
        jobs: how many BigQuery jobs there were.
    """

    name: str
    seconds: float
    ledger_s: float
    waiting_s: float
    jobs: int


@dataclass(frozen=True)
class Measured:
    """What a run took.

    Args:
        files: how many it loaded.
        steps: in their order.
        cpu_s: CPU seconds of the emulated services, and of the tasks.
    """

    files: int
    steps: tuple[Step, ...]
    cpu_s: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """All steps' seconds."""
        return sum(step.seconds for step in self.steps)

    @property
    def ledger_s(self) -> float:
        """Seconds of planning and ledger."""
        return sum(step.ledger_s for step in self.steps)

    @property
    def waiting_s(self) -> float:
        """Seconds of these in which the warehouse was waited for."""
        return sum(step.waiting_s for step in self.steps)

    @property
    def share(self) -> float:
        """Planning and ledger as a share of the run."""
        return self.ledger_s / self.seconds

    @property
    def own_share(self) -> float:
        """The same without the waiting for the warehouse: what our own computing and listing is of the rest."""
        return (self.ledger_s - self.waiting_s) / (self.seconds - self.waiting_s)

    @property
    def jobs(self) -> int:
        """How many BigQuery jobs there were."""
        return sum(step.jobs for step in self.steps)


class SmallFiles:
    """A dataset of small files on an embedded cloud.

    Args:
        name: the dataset's name.
        root: folder for its folder, which LANDFALL_DATASETS names.
        cloud: the embedded cloud, to which the environment leads.
    """

    def __init__(self, name: str, root: Path, cloud: Any) -> None:
        from google.cloud import storage

        self.name, self._cloud, self._runs = name, cloud, 0
        self._bucket = storage.Client(project="landfall-local").bucket("landfall-landing")
        self._warehouse = Warehouse("google_cloud_default", "landfall-local", "US")
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "contract.yaml").write_text(_CONTRACT)
        (folder / "pipeline.yaml").write_text(_PIPELINE.format(name=name))

    def land(self, prefix: str, count: int) -> None:
        """Land files of a kilobyte."""

        def put(number: int) -> None:
            rows = "".join(f"{number * ROWS + row},2026-01-01,{prefix} item {row},{row}.50\n" for row in range(ROWS))
            bad = "x,2026-01-01,no number,1.00\n" if number % 10 == 0 else ""
            name = f"{self.name}/{prefix}-{number:05}.csv"
            self._bucket.blob(name).upload_from_string(f"id,day,name,price\n{rows}{bad}", content_type="text/csv")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, range(count)))

    def run(self) -> Measured:
        """Run every step and return what they took."""
        self._runs += 1
        done: dict[str, Any] = {}
        ti = SimpleNamespace(
            xcom_pull=lambda task_ids: done[task_ids], try_number=1, task_id="t", max_tries=0, dag_id="d",
            run_id=f"run{self._runs}",
        )  # fmt: skip
        context: Any = {"run_id": ti.run_id, "params": {}, "ti": ti, "outlet_events": {}}
        name = {"dataset": self.name}
        before, steps = self._cpu(), []

        def step(task: str, work: Callable[[], Any]) -> None:
            jobs = self._jobs()
            with _waiting() as waited:
                began = time.perf_counter()
                done[task] = work()
                took = time.perf_counter() - began
            asked = sum(waited)
            ledger = took if task in _WHOLE else asked
            steps.append(Step(task, round(took, 3), round(ledger, 3), round(asked, 3), len(self._jobs() - jobs)))

        step("wait_for_files", lambda: WaitForFiles(task_id="wait_for_files", **name).poke(context))
        step("plan", lambda: PlanRun(task_id="plan", **name).execute(context))
        step("transform", lambda: [
            TransformBatch(task_id="transform", batch=batch, **name).execute(context) for batch in done["plan"]
        ])  # fmt: skip
        step("load", lambda: LoadBatches(task_id="load", manifests=done["transform"], **name).execute(context))
        step("verify", lambda: VerifyLoad(task_id="verify", **name).execute(context))
        step("archive", lambda: ArchiveFiles(task_id="archive", **name).execute(context))
        after = self._cpu()
        taken = {service: round(after[service] - before[service], 2) for service in after}
        return Measured(int(done["archive"]["files"]), tuple(steps), taken)

    def _jobs(self) -> set[str]:
        """Ids of the jobs that there are, without those that a script's statements make."""
        found = self._warehouse.client.list_jobs(all_users=True)
        return {job.job_id for job in found if job.parent_job_id is None}

    def _cpu(self) -> dict[str, float]:
        """CPU seconds of the services and of this process."""
        record = json.loads(self._cloud.record.read_text())["services"]
        taken = {}
        for service, entry in record.items():
            leader = psutil.Process(entry["pid"])
            processes = [leader, *leader.children(recursive=True)]
            taken[service] = sum(sum(process.cpu_times()[:2]) for process in processes)
        return {**taken, "tasks": time.process_time()}


@contextmanager
def _waiting() -> Iterator[list[float]]:
    """Note how long each query and each transaction is waited for."""
    waited: list[float] = []

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                waited.append(time.perf_counter() - began)

        return call

    with (
        mock.patch.object(Warehouse, "query", timed(Warehouse.query)),
        mock.patch.object(Warehouse, "run_once", timed(Warehouse.run_once)),
    ):
        yield waited

"""Eight runs that commit at once, on the BigQuery emulator, through the real tasks."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from include.ledger.landing import Landed
from include.ledger.plan import Plan, make_plan
from include.ledger.states import FileState
from include.ledger.tables import FILE_ID
from landfall.gcp.archive import ArchiveFiles
from landfall.gcp.events import write_events
from landfall.gcp.landing import Site, ask_states, create_ledger
from landfall.gcp.load import LoadBatches
from landfall.gcp.transform import TransformBatch
from landfall.gcp.verify import VerifyLoad
from landfall.gcp.warehouse import Warehouse

COMMITTERS = 8
MODES = ["append", "merge", "replace_partition"]
ONE_MODE = [MODES[0], *(pytest.param(mode, marks=pytest.mark.long) for mode in MODES[1:])]
CONTRACT = """
kind: DataContract
apiVersion: v3.1.0
id: test
version: 1.0.0
status: active
team: {name: tests}
schema:
  - name: items
    properties:
      - {name: id, logicalType: integer, primaryKey: true}
      - {name: day, logicalType: date, required: true, partitioned: true}
      - {name: name, logicalType: string}
"""
PIPELINE = """
source: {{uri: "gs://{{landing}}/{name}/*/*.csv", complete: marker}}
format: {{type: csv}}
load: {{table: races.{name}, mode: {mode}}}
"""
numbers = itertools.count()
# Folder by folder, which files each of the eight runs brings; a folder has a day of its own.
SAME = [["1/a", "1/b", "2/a"]] * COMMITTERS
OVERLAPPING = [[f"{(run + step) % COMMITTERS}/a" for step in range(3)] for run in range(COMMITTERS)]
DISJOINT = [[f"{run}/a", f"{run}/b"] for run in range(COMMITTERS)]


class Context(dict[str, Any]):
    """As much of Airflow's context as the tasks after `plan` need."""

    def __init__(self, run_id: str, plan: str, load: dict[str, Any] | None = None) -> None:
        super().__init__(run_id=run_id, params={}, ti=self)
        self.try_number = 1
        self._returned = {"plan": [{"plan": plan}], "load": load}

    def xcom_pull(self, task_ids: str) -> Any:
        """Return what a task returned."""
        return self._returned[task_ids]


def _at_once(run_once: Callable[..., Any], racers: int) -> Callable[..., Any]:
    """Make each racer's first transaction wait until all racers have come to theirs."""
    barrier, been = threading.Barrier(racers, timeout=300), threading.local()

    def run(self: Warehouse, *arguments: Any) -> Any:
        if not hasattr(been, "there"):
            been.there = True
            barrier.wait()
        return run_once(self, *arguments)

    return run


class Arena:
    """A dataset, its landed files, and runs that bring them."""

    def __init__(self, root: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name = f"race{next(numbers)}"
        folder = root / self.name
        folder.mkdir()
        (folder / "contract.yaml").write_text(CONTRACT)
        (folder / "pipeline.yaml").write_text(PIPELINE.format(name=self.name, mode=mode))
        monkeypatch.setenv("LANDFALL_DATASETS", str(root))
        self.site = Site.of(self.name)
        create_ledger(self.site)
        self.manifests: dict[str, dict[str, Any]] = {}

    def land(self, names: set[str]) -> dict[str, Landed]:
        """Land files of two rows each, of the day of their folder."""
        bucket, _ = self.site.source
        for number, name in enumerate(sorted(names)):
            day = f"2026-01-{int(name.partition('/')[0]) + 1:02}"
            rows = "".join(f"{2 * number + row},{day},{name}\n" for row in range(2))
            self.site.storage.write(f"gs://{bucket}/{self.name}/{name}.csv", f"id,day,name\n{rows}".encode())
        found = self.site.storage.find(bucket, f"{self.name}/*/*.csv")
        return {item.name.removeprefix(f"{self.name}/").removesuffix(".csv"): item for item in found}

    def plan(self, run_id: str, files: list[Landed]) -> tuple[Plan, str]:
        """Write a run's plan, as if it had looked before any other had planned."""
        plan = make_plan(self.site.dataset, sorted(files, key=lambda f: f.name), run_id=run_id, references={},
                         force=False, engine="")  # fmt: skip
        uri = self.site.work_uri("plans", f"{run_id}.json")
        self.site.storage.write(uri, plan.model_dump_json().encode())
        for batch in plan.batches:
            if batch.batch_id not in self.manifests:
                task = TransformBatch(task_id="t", dataset=self.name, batch={"plan": uri, "batch": batch.number})
                self.manifests[batch.batch_id] = task.execute(Context(run_id, uri))  # type: ignore[arg-type]
        return plan, uri

    def load(self, plan: Plan, uri: str) -> dict[str, Any]:
        """Run the load task of a run."""
        manifests = [{**self.manifests[batch.batch_id], "batch": batch.number} for batch in plan.batches]
        task = LoadBatches(task_id="load", dataset=self.name, manifests=manifests)
        return task.execute(Context(plan.run_id, uri))  # type: ignore[arg-type]

    def race(self, runs: list[list[str]], generation: int = 0) -> list[dict[str, Any]]:
        """Let runs load at once what each brings; returns what their load tasks returned."""
        landed = self.land({name for run in runs for name in run})
        self.landed = landed
        plans = [self.plan(f"run{n}-{generation}", [landed[name] for name in run]) for n, run in enumerate(runs)]
        with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(len(runs)) as pool:
            patched.setattr(Warehouse, "run_once", _at_once(Warehouse.run_once, len(runs)))
            return list(pool.map(lambda planned: self.load(*planned), plans))

    def rows(self) -> Counter[str]:
        """Rows in the target, by the id of their file."""
        table = self.site.dataset.pipeline.load.table
        found = self.site.warehouse.query(f"SELECT {FILE_ID} AS f, COUNT(*) AS n FROM `{table}` GROUP BY 1")
        return Counter({row["f"]: row["n"] for row in found})

    def loads(self) -> Counter[str]:
        """How often the ledger says that a file was loaded, by id."""
        sql = (f"SELECT file_id AS f, COUNT(*) AS n FROM {self.site.ledger.table('files')}"
               " WHERE dataset = @dataset AND state = 'loaded' GROUP BY 1")  # fmt: skip
        found = self.site.warehouse.query(sql, {"dataset": self.name})
        return Counter({row["f"]: row["n"] for row in found})


@pytest.fixture
def arena(in_cloud: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Arena]:
    return lambda mode: Arena(tmp_path, mode, monkeypatch)


def settle(it: Arena) -> None:
    """What the next run does: it loads, planned anew, whatever is still open."""
    known = {item.file_id: item.state for item in ask_states(it.site, it.site.source[0], [f.name for f in
             it.landed.values()])}  # fmt: skip
    rest = [item for item in it.landed.values() if known.get(item.file_id) != "loaded"]
    if rest:
        it.load(*it.plan("next", rest))


@pytest.mark.parametrize("mode", ONE_MODE)
@pytest.mark.parametrize(
    "runs",
    [
        pytest.param(SAME, id="the same files", marks=pytest.mark.long),
        pytest.param(OVERLAPPING, id="overlapping files"),
        pytest.param(DISJOINT, id="disjoint files", marks=pytest.mark.long),
    ],
)
def test_eight_runs_that_commit_at_once_load_every_file_once(
    arena: Callable[[str], Arena], mode: str, runs: list[list[str]]
) -> None:
    it = arena(mode)
    results = it.race(runs)
    loaded = sum(result["loaded"] for result in results)
    assert loaded == sum(it.rows().values()), "what the runs say that they loaded is what the table holds"
    if runs == DISJOINT or mode == "replace_partition":
        assert [result["left"] for result in results] == [0] * COMMITTERS, "nobody was in anybody's way"
    settle(it)
    once = Counter({item.file_id: 1 for item in it.landed.values()})
    assert it.loads() == once
    assert it.rows() == Counter(dict.fromkeys(once, 2))
    for number in range(COMMITTERS):
        VerifyLoad(task_id="verify", dataset=it.name).execute({"run_id": f"run{number}-0"})  # type: ignore[arg-type]


def test_a_run_that_was_slower_archives_what_is_loaded_and_says_the_same_when_tried_again(
    arena: Callable[[str], Arena],
) -> None:
    it = arena("replace_partition")
    it.landed = it.land({"1/a", "2/a", "3/a"})
    fast, slow = (it.plan(run, [it.landed[name] for name in names]) for run, names in
                  (("fast", ["1/a", "2/a"]), ("slow", ["2/a", "3/a", "1/a"])))  # fmt: skip
    assert it.load(*fast)["loaded"] == 4
    first, again = it.load(*slow), it.load(*slow)
    assert (first["loaded"], first["left"], first["failed"]) == (2, 0, [])
    assert {**again, "commit": first["commit"]} == first, "its own commit of an earlier try is not another run's"
    bucket = it.site.source[0]
    it.site.storage.write(f"gs://{bucket}/{it.name}/1/a.csv", b"id,day,name\n9,2026-01-02,newer\n")
    report = ArchiveFiles(task_id="archive", dataset=it.name).execute(Context("slow", slow[1], first))  # type: ignore[arg-type]
    assert (report["archived"], report["held"]) == (2, 0), "loaded by either run, in the generation loaded"
    assert [item.name for item in it.site.storage.find(bucket, f"{it.name}/*/*.csv")] == [f"{it.name}/1/a.csv"]


def test_the_rest_of_a_batch_that_another_run_has_settled_in_part_is_let_go(arena: Callable[[str], Arena]) -> None:
    it = arena("append")
    it.landed = it.land({"1/a", "2/a"})
    fast = it.plan("fast", [it.landed["1/a"]])
    slow = it.plan("slow", [it.landed["1/a"], it.landed["2/a"]])
    write_events(it.site, "slow", FileState.PLANNED, [(file, None, None) for file in slow[0].files])
    it.load(*fast)
    result = it.load(*slow)
    assert (result["loaded"], result["left"], result["commit"]) == (0, 1, "")
    known = ask_states(it.site, it.site.source[0], [file.name for file in slow[0].files])
    found = {item.name.removeprefix(f"{it.name}/"): (item.state, item.holder) for item in known}
    assert found == {"1/a.csv": ("loaded", "slow"), "2/a.csv": ("seen", None)}


@pytest.mark.parametrize("mode", ONE_MODE)
def test_without_the_lock_the_same_race_loads_files_twice(
    arena: Callable[[str], Arena], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard alone lets every racer pass: each reads a snapshot from before the others."""
    it = arena(mode)
    monkeypatch.setattr("include.ledger.commit.Commit._lock", lambda _: "SELECT 1;")
    it.race(SAME)
    assert max(it.loads().values()) > 1
    assert max(it.rows().values()) > 2

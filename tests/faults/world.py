"""A dataset of its own on the embedded cloud, the files that land in it, and what must be true of it in the end.

Keys never stand in two objects, so that the answer does not depend on which of two objects is loaded first.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from tests.faults.driver import Run, in_processes

if TYPE_CHECKING:
    from tests.faults.site import Site

Mode = Literal["append", "merge", "replace_partition"]
MODES: tuple[Mode, ...] = get_args(Mode)

ATTEMPTS = 3
_CONTRACT = """
kind: DataContract
apiVersion: v3.1.0
id: {name}
version: 1.0.0
status: active
team: {{name: tests}}
schema:
  - name: items
    properties:
      - {{name: id, logicalType: integer, primaryKey: true}}
      - {{name: day, logicalType: date, required: true, partitioned: true}}
      - {{name: version, logicalType: string, required: true}}
"""
_PIPELINE = """
source: {{uri: "gs://{{landing}}/{name}/{glob}", complete: {complete}}}
format: {{type: csv}}
load: {{table: chaos.{name}, mode: {mode}}}
retry: {{attempts: {attempts}}}
"""
OBJECTS = {"append": ("a.csv", "b.csv", "c.csv"), "merge": ("a.csv", "b.csv", "c.csv"),
           "replace_partition": ("2026-01-01/a.csv", "2026-01-01/b.csv", "2026-01-02/c.csv")}  # fmt: skip
_ROWS = 5


@dataclass(frozen=True)
class Version:
    """One version of one object, as it landed.

    Args:
        tag: stands in every row of it.
        good: key and tag of its good records.
        bad: bytes of its bad records.
    """

    name: str
    generation: int
    tag: str
    good: tuple[tuple[int, str], ...]
    bad: tuple[bytes, ...]
    content: bytes


@dataclass
class World:
    """One dataset and all that ever landed in it.

    Args:
        name: the dataset's name.
        mode: how it loads.
        folder: scratch of this world: the dataset's folder and the tasks' log.
        site: where it is.
        added: what `amend` has added to the lines of a file.
    """

    name: str
    mode: Mode
    folder: Path
    site: Site
    versions: list[Version] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    added: str = ""

    def __post_init__(self) -> None:
        """Write the dataset's folder."""
        own = self.datasets / self.name
        own.mkdir(parents=True)
        sets = self.mode == "replace_partition"
        complete, glob = ("marker", "*/*.csv") if sets else ("none", "*.csv")
        (own / "contract.yaml").write_text(_CONTRACT.format(name=self.name))
        (own / "pipeline.yaml").write_text(
            _PIPELINE.format(name=self.name, mode=self.mode, complete=complete, glob=glob, attempts=ATTEMPTS)
        )

    @property
    def ledger(self) -> str:
        """Name of its own ledger's BigQuery dataset: to make it is a part of the history."""
        return f"ops_{self.name}"

    def amend(self) -> None:
        """Add a column to the contract, so that the table has to be altered."""
        self.added = ",remark"
        contract = self.datasets / self.name / "contract.yaml"
        contract.write_text(f"{contract.read_text().rstrip()}\n      - {{name: remark, logicalType: string}}\n")

    @property
    def datasets(self) -> Path:
        """The folder of the dataset's folder."""
        return self.folder / "datasets"

    @property
    def log(self) -> Path:
        """What the tasks print."""
        return self.folder / "tasks.log"

    def land(self, place: int, *, rows: int = _ROWS, bad: int = 0) -> None:
        """Land a new version of an object; of a set, the whole set anew and its marker last.

        Args:
            place: which of the objects.
            rows: good records.
            bad: bad records.
        """
        names = OBJECTS[self.mode]
        name = names[place % len(names)]
        folder = name.rpartition("/")[0]
        for each in [other for other in names if other.rpartition("/")[0] == folder] if folder else [name]:
            self._land(each, names.index(each), rows, bad)
        if folder:
            self.site.bucket.blob(f"{self.name}/{folder}/_SUCCESS").upload_from_string(b"")

    def _land(self, name: str, place: int, rows: int, bad: int) -> None:
        tag = f"{name.rpartition('/')[2][0]}{len(self.versions)}"
        day = name.rpartition("/")[0] or "2026-01-01"
        good = tuple((place * 1000 + row, tag) for row in range(rows))
        wrong = tuple(f"x{row},{day},{tag}{self.added}".encode() for row in range(bad))
        lines = [f"{key},{day},{tag}{self.added}".encode() for key, tag in good]
        # Bad records among the good ones, so that ordinals matter.
        lines[1:1] = wrong
        content = f"id,day,version{self.added}\n".encode() + b"\n".join(lines) + b"\n"
        blob = self.site.bucket.blob(f"{self.name}/{name}")
        blob.upload_from_string(content, content_type="text/csv")
        self.versions.append(Version(f"{self.name}/{name}", int(blob.generation), tag, good, wrong, content))

    def new_run(self) -> Run:
        """Begin a run; its tasks are started by its own methods."""
        run = Run(self.name, f"run-{len(self.runs)}", ATTEMPTS, self.log)
        self.runs.append(run)
        return run

    def race(self, runs: list[Run]) -> None:
        """Let runs go on to their ends at the same time."""

        def finish(run: Run) -> Any:
            run.finish()
            return run.xcom, run.states, run.tried

        ended = in_processes([lambda run=run: finish(run) for run in runs], self.log)
        for run, end in zip(runs, ended, strict=True):
            assert end.how == "success", f"the rig itself broke: {end}"
            run.xcom, run.states, run.tried = end.value

    def settle(self, most: int = 10) -> None:
        """Run without faults until there is nothing to do.

        Raises:
            AssertionError: there is still something to do after so many runs.
        """
        for run in self.runs:
            run.finish()
        for _ in range(most):
            run = self.new_run()
            run.finish()
            if run.states["wait_for_files"] == "skipped":
                return
            if any(ended.how != "success" for _, ended in run.tried):
                time.sleep(1.1)  # the lease of a killed task, the rest of a breaker
        raise AssertionError(f"stuck: after {most} quiet runs there is still work; {self.runs[-1].tried}")

    def problems(self) -> list[str]:
        """Return what is not as it must be, once everything has settled; empty where all is well."""
        return [*self._lost(), *self._rows(), *self._accounts(), *self._quarantine(), *self._bucket(), *self._tries()]

    def latest(self) -> dict[str, Version]:
        """The last version of each object."""
        return {version.name: version for version in self.versions}

    def _events(self) -> list[dict[str, Any]]:
        sql = f"SELECT * FROM {self.ledger}.files WHERE dataset = @dataset ORDER BY at"
        return list(self.site.warehouse.query(sql, {"dataset": self.name})) if self.versions else []

    def _loaded(self) -> list[Version]:
        """Versions that a commit brought, in the order in which they landed."""
        loaded = {(e["name"], e["generation"]) for e in self._events() if e["state"] == "loaded"}
        return [version for version in self.versions if (version.name, version.generation) in loaded]

    def _lost(self) -> Iterator[str]:
        events = self._events()
        counted = Counter((e["name"], e["generation"]) for e in events if e["state"] == "loaded")
        for version in self.latest().values():
            if not counted[version.name, version.generation]:
                yield f"lost: {version.name} generation {version.generation} was never loaded"
        for (name, generation), times in counted.items():
            if times > 1:
                yield f"duplicated: {name} generation {generation} was committed {times} times"

    def _expected(self) -> Counter[tuple[int, str]]:
        loaded = self._loaded()
        if self.mode == "merge":
            table: dict[int, str] = {}
            for version in loaded:
                table.update(version.good)
            return Counter(table.items())
        last = {version.name: version for version in loaded}
        return Counter(row for version in last.values() for row in version.good)

    def _rows(self) -> Iterator[str]:
        if not self.versions:
            return
        rows = self.site.warehouse.query(f"SELECT id, version FROM chaos.{self.name}")
        found = Counter((row["id"], row["version"]) for row in rows)
        expected = self._expected()
        for row in sorted((expected - found).elements()):
            yield f"lost: the row {row} is not in the table"
        for row in sorted((found - expected).elements()):
            yield f"duplicated or left over: the row {row} is in the table"

    def _accounts(self) -> Iterator[str]:
        events = {(e["name"], e["generation"]): e for e in self._events() if e["state"] == "loaded"}
        for version in self._loaded():
            event = events[version.name, version.generation]
            counted = (event["records"], event["loaded"], event["quarantined"])
            wanted = (len(version.good) + len(version.bad), len(version.good), len(version.bad))
            if counted != wanted:
                yield f"miscounted: {version.name} {version.tag}: {counted}, not {wanted}"

    def _quarantine(self) -> Iterator[str]:
        if not self.versions:
            return
        sql = f"SELECT file_id, raw FROM {self.ledger}.quarantine WHERE dataset = @dataset"
        rows = self.site.warehouse.query(sql, {"dataset": self.name})
        found = Counter(bytes(row["raw"]) for row in rows if row["raw"] is not None)
        expected = Counter(raw for version in self._loaded() for raw in version.bad)
        for raw in sorted((expected - found).elements()):
            yield f"lost: the bad record {raw!r} is not in the quarantine"
        for raw in sorted((found - expected).elements()):
            yield f"duplicated: the bad record {raw!r} is in the quarantine"

    def _bucket(self) -> Iterator[str]:
        landed = {blob.name for blob in self.site.bucket.list_blobs(prefix=f"{self.name}/")}
        for name in sorted(landed):
            yield f"left behind: {name} is still in the landing bucket"
        kept = {blob.name: blob for blob in self.site.archive.list_blobs(prefix=f"{self.name}/")}
        for version in self.latest().values():
            name = f"{self.name}/{version.generation}/{version.name}"
            if name not in kept or kept[name].download_as_bytes() != version.content:
                yield f"lost: {version.name} generation {version.generation} is not in the archive"

    def _tries(self) -> Iterator[str]:
        for run in self.runs:
            for step, ended in run.tried:
                if ended.how == "stuck":
                    yield f"stuck: {step} of {run.run_id} did not end"

    def story(self) -> str:
        """Return what happened, for a person."""
        tried = [
            f"{run.run_id} {step}: {end.how} {str(end.value)[:300]}" for run in self.runs for step, end in run.tried
        ]
        return "\n".join(tried)

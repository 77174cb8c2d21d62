"""A dataset of its own on the embedded cloud, the files that land in it, and what is done with them.

Keys never stand in two objects, so that the answer does not depend on which of two objects is loaded first.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from tests.faults.driver import Replay, Run, in_processes
from tests.faults.faults import Status
from tests.faults.oracle import Oracle
from tests.faults.script import Rule

if TYPE_CHECKING:
    from tests.faults.site import Site

Mode = Literal["append", "merge", "replace_partition"]
MODES: tuple[Mode, ...] = get_args(Mode)
LOADS: tuple[tuple[Mode, str], ...] = (
    ("append", "replace"), ("merge", "version"), ("replace_partition", "replace"),
    ("append", "version"), ("append", "skip"), ("merge", "skip"), ("replace_partition", "skip"),
)  # fmt: skip
"""Every mode with every policy for redelivered files that it allows; those first that count where none is given."""
Wish = Literal["release", "reject", "retry"]

ATTEMPTS = 2
"""Tries of a task, and runs in which a file may fail."""
SHORT, LONG = 20, 60
"""Letters that a text may have under the first contract, and under the mended one."""
_REFUSED = "-and-much-longer-than-allowed"
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
      - {{name: label, logicalType: string}}
      - {{name: version, logicalType: string, required: true, logicalTypeOptions: {{maxLength: {letters}}}}}
"""
_PIPELINE = """
source: {{uri: "gs://{{landing}}/{name}/{glob}", complete: {complete}}}
format: {{type: csv}}
enrich: {{with: reference/days.csv, on: day, take: [label], missing: quarantine}}
load: {{table: chaos.{name}, mode: {mode}, redelivered: {policy}}}
tolerate: {{quarantined: 60%}}
retry: {{attempts: {attempts}}}
"""
_AMENDED = """derive: {remark: "CONCAT(version, '!')"}
"""
_DAYS = "day,label\n2026-01-01,first\n2026-01-02,second\n"
OBJECTS = {"append": ("a.csv", "b.csv", "c.csv"), "merge": ("a.csv", "b.csv", "c.csv"),
           "replace_partition": ("2026-01-01/a.csv", "2026-01-01/b.csv", "2026-01-02/c.csv")}  # fmt: skip
_ROWS = 5


@dataclass(frozen=True)
class Version:
    """One version of one object, as it landed.

    Args:
        tag: stands in every row of it.
        good: key and text of its good records.
        bad: bytes of the records that the first contract refuses: first those that every contract does.
        checksum: as the store has it.
        mendable: key and text of those of the bad records that pass under the mended contract; the last of them.
        poison: the function dies of it.
    """

    name: str
    generation: int
    tag: str
    good: tuple[tuple[int, str], ...]
    bad: tuple[bytes, ...]
    content: bytes
    checksum: str = ""
    mendable: tuple[tuple[int, str], ...] = ()
    poison: bool = False

    @property
    def hopeless(self) -> tuple[bytes, ...]:
        """Bytes of the records that no contract lets pass."""
        return self.bad[: len(self.bad) - len(self.mendable)]

    def place(self, raw: bytes) -> int:
        """Return the number of a record in the file."""
        return self.content.split(b"\n").index(raw) - 1


@dataclass
class World(Oracle):
    """One dataset and all that ever landed in it.

    Args:
        name: the dataset's name.
        mode: how it loads.
        folder: scratch of this world: the dataset's folder and the tasks' log.
        site: where it is.
        amended: whether `amend` was called.
        policy: for redelivered files; empty: the mode's own.
        mended: whether `mend` was called.
    """

    name: str
    mode: Mode
    folder: Path
    site: Site
    versions: list[Version] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    amended: bool = False
    policy: str = ""
    mended: bool = False
    faults: list[Rule] = field(default_factory=list)
    unfinished: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Write the dataset's folder."""
        self.policy = self.policy or dict(reversed(LOADS))[self.mode]
        own = self.datasets / self.name
        (own / "reference").mkdir(parents=True)
        complete, glob = ("marker", "*/*.csv") if self.sets else ("none", "*.csv")
        self._write_contract(SHORT)
        (own / "reference" / "days.csv").write_text(_DAYS)
        (own / "pipeline.yaml").write_text(
            _PIPELINE.format(
                name=self.name, mode=self.mode, policy=self.policy, complete=complete, glob=glob, attempts=ATTEMPTS
            )
        )

    def _write_contract(self, letters: int) -> None:
        more = "      - {name: remark, logicalType: string}\n" if self.amended else ""
        contract = _CONTRACT.format(name=self.name, letters=letters).lstrip()
        (self.datasets / self.name / "contract.yaml").write_text(contract + more)

    @property
    def sets(self) -> bool:
        """Whether folders are sets, for which a marker vouches."""
        return self.mode == "replace_partition"

    @property
    def objects(self) -> Sequence[str]:
        """Names of what lands, without the dataset's folder."""
        return OBJECTS[self.mode]

    @property
    def table(self) -> str:
        """Its table."""
        return f"chaos.{self.name}"

    @property
    def ledger(self) -> str:
        """Name of its own ledger's BigQuery dataset: to make it is a part of the history."""
        return f"ops_{self.name}"

    @property
    def datasets(self) -> Path:
        """The folder of the dataset's folder."""
        return self.folder / "datasets"

    @property
    def log(self) -> Path:
        """What the tasks print."""
        return self.folder / "tasks.log"

    def amend(self) -> None:
        """Add a derived column to the contract, so that the table has to be altered."""
        self.amended = True
        self._write_contract(LONG if self.mended else SHORT)
        pipeline = self.datasets / self.name / "pipeline.yaml"
        pipeline.write_text(pipeline.read_text() + _AMENDED)

    def mend(self) -> None:
        """Mend what is wrong with the contract, so that more records pass, and the function, which dies no more."""
        self.mended = True
        self._write_contract(LONG)
        self._play()

    def land(self, place: int, *, rows: int = _ROWS, bad: int = 0, mendable: int = 0, poison: bool = False) -> None:
        """Land a new version of an object; of a set, the whole set anew and its marker last.

        Args:
            place: which of the objects.
            rows: good records.
            bad: records that no contract lets pass.
            mendable: records that pass under the mended contract only.
            poison: the function dies of it until it is mended.
        """
        for name in self.group(place):
            self._land(name, rows, bad, mendable, poison)
        self._mark(place)
        if poison:
            self._play()

    def group(self, place: int) -> list[str]:
        """Names of the objects that land together, without the dataset's folder."""
        names = self.objects
        name = names[place % len(names)]
        folder = name.rpartition("/")[0]
        return [other for other in names if other.rpartition("/")[0] == folder] if folder else [name]

    def _land(self, name: str, rows: int, bad: int, mendable: int, poison: bool) -> None:
        place = self.objects.index(name)
        tag = f"{name.rpartition('/')[2][0]}{len(self.versions)}"
        day = name.rpartition("/")[0] or "2026-01-01"
        good = tuple((place * 1000 + row, tag) for row in range(rows))
        refused = tuple((place * 1000 + 500 + row, tag + _REFUSED) for row in range(mendable))
        lines = [f"{key},{day},{text}".encode() for key, text in good]
        wrong = tuple(f"{key},{day},{text}".encode() for key, text in (*((f"x{n}", tag) for n in range(bad)), *refused))
        # Bad records among the good ones, so that ordinals matter.
        lines[1:1] = wrong
        content = b"\n".join((b"id,day,version", *lines, b""))
        blob = self.site.bucket.blob(f"{self.name}/{name}")
        blob.upload_from_string(content, content_type="text/csv")
        known = {"checksum": blob.crc32c, "mendable": refused, "poison": poison}
        self.versions.append(Version(blob.name, int(blob.generation), tag, good, wrong, content, **known))

    def _mark(self, place: int) -> None:
        """Write the marker of a set."""
        folder = self.group(place)[0].rpartition("/")[0]
        if folder:
            self.site.bucket.blob(f"{self.name}/{folder}/_SUCCESS").upload_from_string(b"")

    def strike(self, rule: Rule) -> None:
        """Have a fault strike what fits the rule, beside all that do already."""
        self.faults.append(rule)
        self._play()

    def calm(self) -> None:
        """Take away all faults and bombs; what the function dies of stays."""
        self.faults.clear()
        self.site.disarm()
        self._play()

    def _play(self) -> None:
        poison = {version.checksum for version in self.versions if version.poison and not self.mended}
        dying = [
            # As a platform answers in place of a worker that died.
            Rule(fault=Status(502), call="function.transform", body=re.escape(f'"crc32c": "{checksum}"'), times=None)
            for checksum in sorted(poison)
        ]
        self.site.proxies.play(*dying, *self.faults)

    def new_run(self, **params: Any) -> Run:
        """Begin a run; its tasks are started by its own methods.

        Args:
            params: what a person chose in the form.
        """
        run = Run(self.name, f"run-{len(self.runs)}", ATTEMPTS, self.log, params)
        self.runs.append(run)
        return run

    def decide(self, wish: Wish, place: int) -> Run:
        """Begin a run in whose form a person says what is to become of an object, of a set: of all of it.

        Who retries a set gives it a new marker once all of it lies there again.
        """
        names = [f"{self.name}/{name}" for name in self.group(place)]
        run = self.new_run(**{wish: names, "reason": "it is of no use"})
        run.advance()
        if wish == "retry":
            (self.unfinished.add if run.failed else self.unfinished.discard)(place)
            landed = {blob.name for blob in self.site.bucket.list_blobs(prefix=f"{self.name}/")}
            if not run.failed and landed >= set(names):
                self._mark(place)
        return run

    def replay(self, *, dry_run: bool = False, **choice: Any) -> Replay:
        """Begin a replay; its tasks are started by its own methods.

        Args:
            dry_run: change nothing.
            choice: of the form's other fields.
        """
        params = {"dataset": self.name, "dry_run": dry_run, **choice}
        run = Replay(self.name, f"replay-{len(self.runs)}", ATTEMPTS, self.log, params)
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
        self.forget()
        for run in self.runs:
            run.finish()
        for place in sorted(self.unfinished):
            self.decide("retry", place).finish()
        for _ in range(most):
            run = self.new_run()
            run.finish()
            if run.states["wait_for_files"] == "skipped":
                return
            if any(ended.how != "success" for _, ended in run.tried):
                time.sleep(1.1)  # the lease of a killed task, the rest of a breaker
        raise AssertionError(f"stuck: after {most} quiet runs there is still work; {self.runs[-1].tried}")

    def tidy(self) -> None:
        """Mend everything, release, retry and replay all there is, and settle; nothing may be left over then.

        Raises:
            AssertionError: a replay fails although nothing is wrong.
        """
        self.mend()
        letters = [place for place in range(len(self.objects)) if self.has(place, "dead_lettered")]
        self._replay_all()
        for place in letters if self.sets else ():
            self._mark(place)
        self.settle()
        self.forget()
        self._adopt()
        if any(self.has(place, "held") for place in letters):  # for their records, which nothing had come to see
            self._replay_all()
            time.sleep(1.1)  # the lease of the run that held them
            self.settle()

    def _replay_all(self) -> None:
        replay = self.replay(whole_files=True)
        replay.finish()
        assert not replay.failed, f"stuck: the replay of everything failed; {replay.tried}"

    def story(self) -> str:
        """Return what happened, for a person."""
        tried = [
            f"{run.run_id} {step}: {end.how} {str(end.value)[:300]}" for run in self.runs for step, end in run.tried
        ]
        return "\n".join(tried)

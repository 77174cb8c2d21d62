"""What must be true of a dataset once all has settled: of table, ledger, quarantine and buckets.

Of every object the version that landed last is one of these, and the ledger says which:

- loaded: its good rows are in the table, and those of its bad ones that a replay brought in; the others are open.
- held: too much of it is wrong, and no person released it. It lies where it landed, and no row of it is in the table.
- rejected: a person said so of a held one, or another version is loaded and the policy is `skip`. It is archived.
- a dead letter: it failed for good in so many runs. It lies with its envelope at the dead-letter prefix.

Of older versions a merge keeps what nobody overwrote, an append under `version` everything, all others nothing.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.driver import Run
    from tests.faults.site import Site
    from tests.faults.world import Version

TOLERATED = 0.6
_DECIDED = {"release": "released", "reject": "rejected", "retry": "dead_lettered"}
_ARCHIVED = ("loaded", "rejected")

Row = dict[str, Any]
Key = tuple[str, int]


class Oracle:
    """Compares what is there with what a world remembers; see `tests.faults.world.World` for its fields."""

    name: str
    policy: str
    site: Site
    versions: list[Version]
    runs: list[Run]
    mended: bool

    if TYPE_CHECKING:

        @property
        def mode(self) -> str: ...
        @property
        def sets(self) -> bool: ...
        @property
        def table(self) -> str: ...
        @property
        def ledger(self) -> str: ...
        def group(self, place: int) -> list[str]: ...

    def problems(self, *, tidied: bool = False) -> list[str]:
        """Return what is not as it must be, once everything has settled; empty where all is well.

        Args:
            tidied: everything was mended, released, retried and replayed, so that nothing may be left over.
        """
        self.forget()
        self._adopt()
        found = [
            *self._lost(), *self._rows(), *self._accounts(), *self._quarantine(), *self._open(), *self._replays(),
            *self._bucket(), *self._decisions(), *self._tries(),
        ]  # fmt: skip
        return [*found, *self._left_over()] if tidied else found

    def forget(self) -> None:
        """Forget what was asked: it may have changed."""
        self._asked: dict[str, list[Row]] = {}

    def needs_tidying(self) -> bool:
        """Whether there is anything that a person could mend, release, retry or replay."""
        return any(self._left_over())

    def has(self, place: int, state: str) -> bool:
        """Whether what landed last at a place is in a state."""
        names = {f"{self.name}/{name}" for name in self.group(place)}
        return any(self._state(v) == state for v in self.latest().values() if v.name in names)

    def latest(self) -> dict[str, Version]:
        """The last version of each object."""
        return {version.name: version for version in self.versions}

    def over(self, version: Version, *, mended: bool = False) -> bool:
        """Whether so much of a version is wrong that it is held, under the first or the mended contract."""
        wrong = len(version.hopeless if mended else version.bad)
        return wrong > TOLERATED * (len(version.good) + len(version.bad))

    def _adopt(self) -> None:
        """Take in the versions that came about when dead letters were moved back: their bytes are known."""
        known = {(version.name, version.generation) for version in self.versions}
        contents = {(version.name, version.checksum): version for version in self.versions}
        for event in self._events():
            key = (event["name"], event["generation"])
            same = contents.get((event["name"], event["checksum"]))
            if key not in known and same is not None:
                known.add(key)
                self.versions.append(dataclasses.replace(same, generation=event["generation"]))
        self.versions.sort(key=lambda version: version.generation)

    def _ask(self, sql: str) -> list[Row]:
        if not hasattr(self, "_asked"):
            self.forget()
        if sql not in self._asked:
            text = sql.format(self.ledger)
            self._asked[sql] = list(self.site.warehouse.query(text, {"dataset": self.name})) if self.versions else []
        return self._asked[sql]

    def _events(self) -> list[Row]:
        return self._ask("SELECT * FROM {}.files WHERE dataset = @dataset ORDER BY at")

    def _current(self) -> dict[Key, Row]:
        rows = self._ask("SELECT name, generation, state, reason FROM {}.files_current WHERE dataset = @dataset")
        return {(row["name"], row["generation"]): row for row in rows}

    def _state(self, version: Version) -> str:
        return str(self._current().get((version.name, version.generation), {}).get("state", ""))

    def _loads(self) -> dict[Key, Row]:
        """What the commit said that brought a version."""
        return {(e["name"], e["generation"]): e for e in self._events() if e["state"] == "loaded"}

    def _loaded(self) -> list[Version]:
        """Versions that a commit brought, in the order in which they landed."""
        loads = self._loads()
        return [version for version in self.versions if (version.name, version.generation) in loads]

    def _lost(self) -> Iterator[str]:
        counted = Counter((e["name"], e["generation"]) for e in self._events() if e["state"] == "loaded")
        for (name, generation), times in counted.items():
            if times > 1:
                yield f"duplicated: {name} generation {generation} was committed {times} times"
        versions = Counter(name for name, _ in counted)
        for name, times in versions.items() if self.policy == "skip" else ():
            if times > 1:
                yield f"duplicated: {times} versions of {name} are loaded, and redelivered ones are to be skipped"
        for version in self.latest().values():
            yield from self._fate(version)

    def _fate(self, version: Version) -> Iterator[str]:
        """Say what is wrong with where a version has ended that nothing came after."""
        what, state = f"{version.name} generation {version.generation}", self._state(version)
        wished = {wish for run in self.runs for wish in _DECIDED if version.name in run.params.get(wish, ())}
        freed = "release" in wished or any(run.params.get("whole_files") for run in self.runs)
        if state == "loaded":
            if self.over(version, mended=self.mended) and not freed:
                yield f"let in: {what} is loaded, though too much of it is wrong and nobody released it"
        elif state == "held":
            if not self.over(version) or self._was("released", version):
                yield f"lost: {what} is held, and little is wrong with it, or it was released"
        elif state == "rejected":
            if not (self.over(version) and "reject" in wished) and not self._is_skipped(version):
                yield f"lost: {what} is rejected, and nobody said so"
        elif state == "dead_lettered":
            if len(self._failures(version)) < self.runs[0].attempts:
                yield f"lost: {what} is a dead letter after {len(self._failures(version))} failures"
        else:
            yield f"lost: {what} was never loaded; it is {state or 'unknown to the ledger'}"

    def _was(self, state: str, version: Version) -> bool:
        """Whether a version was ever in a state."""
        key = (version.name, version.generation, state)
        return any((e["name"], e["generation"], e["state"]) == key for e in self._events())

    def _is_skipped(self, version: Version) -> bool:
        """Whether another version of an object, or of another of its set, is loaded, and that is enough."""
        folder = version.name.rpartition("/")[0] if self.sets else version.name
        return self.policy == "skip" and any(
            other.name.startswith(folder) and other.generation != version.generation for other in self._loaded()
        )

    def _failures(self, version: Version) -> set[str]:
        """Runs that failed because of a version, as the ledger has it."""
        return {
            e["run_id"]
            for e in self._events()
            if (e["name"], e["generation"], e["state"]) == (version.name, version.generation, "seen")
            and (e["reason"] or "").startswith(("failed:", "failed_together:"))
        }

    def _brought(self, version: Version) -> list[tuple[int, str]]:
        """Rows of a version that its load, or a replay since, has brought."""
        load = self._loads()[version.name, version.generation]
        if load["loaded"] == len(version.good) + len(version.mendable):
            return [*version.good, *version.mendable]
        replayed = {
            row["record"]
            for row in self._decided()
            if row["outcome"] == "loaded" and (row["file_id"], row["of_batch"]) == (load["file_id"], load["batch_id"])
        }
        refused = zip(version.bad[len(version.hopeless) :], version.mendable, strict=True)
        return [*version.good, *(row for raw, row in refused if version.place(raw) in replayed)]

    def _decided(self) -> list[Row]:
        sql = "SELECT file_id, record, outcome, batch_id, of_batch FROM {}.replays WHERE dataset = @dataset"
        return self._ask(sql)

    def _expected(self) -> Counter[tuple[int, str]]:
        loaded = self._loaded()
        if self.mode == "merge":
            table: dict[int, str] = {}
            for version in loaded:
                table.update(self._brought(version))
            return Counter(table.items())
        last = loaded if self.policy == "version" else {version.name: version for version in loaded}.values()
        return Counter(row for version in last for row in self._brought(version))

    def _rows(self) -> Iterator[str]:
        if not self._loads():
            return
        rows = self._ask(f"SELECT id, version, label FROM {self.table}")
        found, expected = Counter((row["id"], row["version"]) for row in rows), self._expected()
        for row in sorted((expected - found).elements()):
            yield f"lost: the row {row} is not in the table"
        for row in sorted((found - expected).elements()):
            yield f"duplicated or left over: the row {row} is in the table"
        yield from (f"lost: the row {row} has no label" for row in rows if not row["label"])

    def _accounts(self) -> Iterator[str]:
        for version in self._loaded():
            event = self._loads()[version.name, version.generation]
            counted = (event["records"], event["loaded"], event["quarantined"])
            records, more = len(version.good) + len(version.bad), len(version.mendable)
            strict = (records, len(version.good), len(version.bad))
            loose = (records, len(version.good) + more, len(version.bad) - more)
            if counted not in ((strict, loose) if self.mended else (strict,)):
                yield f"miscounted: {version.name} {version.tag}: {counted}, not {strict}"

    def _quarantine(self) -> Iterator[str]:
        """What a load quarantined are the bad records of its files; what a replay did, those that it says so of."""
        sql = "SELECT file_id, batch_id, record, raw FROM {}.quarantine WHERE dataset = @dataset AND record >= 0"
        rows = self._ask(sql)
        found: dict[tuple[str, str], Counter[bytes]] = defaultdict(Counter)
        for row in rows:
            found[row["file_id"], row["batch_id"]][bytes(row["raw"])] += 1
        for version in self._loaded():
            load = self._loads()[version.name, version.generation]
            expected = Counter(version.bad if load["quarantined"] == len(version.bad) else version.hopeless)
            yield from _compared("quarantine", found.pop((load["file_id"], load["batch_id"]), Counter()), expected)
        held = {(e["file_id"], e["batch_id"]) for e in self._events() if e["state"] == "held"}
        again = Counter((r["file_id"], r["batch_id"]) for r in self._decided() if r["outcome"] == "quarantined")
        for key, raws in found.items():
            if key not in held and raws.total() != again.pop(key, 0):
                yield f"duplicated: {raws} of {key} are in quarantine, and nobody has put them there"
        yield from (f"lost: {n} records that failed again are not in quarantine: {key}" for key, n in again.items())

    def _open(self) -> Iterator[str]:
        """Open are the bad records of what is loaded now, but for those that a replay brought in."""
        sql = "SELECT name, generation, raw FROM {}.quarantine_open WHERE dataset = @dataset"
        found = Counter(bytes(row["raw"]) for row in self._ask(sql))
        yield from _compared("what is open", found, Counter(raw for v in self._now() for raw in self._unsettled(v)))

    def _now(self) -> list[Version]:
        return [version for version in self._loaded() if self._state(version) == "loaded"]

    def _unsettled(self, version: Version) -> list[bytes]:
        brought = set(self._brought(version))
        refused = zip(version.bad[len(version.hopeless) :], version.mendable, strict=True)
        return [*version.hopeless, *(raw for raw, row in refused if row not in brought)]

    def _replays(self) -> Iterator[str]:
        """A record is settled once, and then it is."""
        settled = Counter(
            (row["file_id"], row["record"], row["of_batch"])
            for row in self._decided()
            if row["outcome"] not in ("quarantined", "not_found")
        )
        yield from (f"duplicated: a record was settled {n} times: {key}" for key, n in settled.items() if n > 1)

    def _bucket(self) -> Iterator[str]:
        landed = {blob.name: blob for blob in self.site.bucket.list_blobs(prefix=f"{self.name}/")}
        archive = {blob.name: blob for blob in self.site.archive.list_blobs(prefix=f"{self.name}/")}
        waiting = set()
        for version in self.latest().values():
            state, kept = self._state(version), f"{version.generation}/{version.name}"
            if state == "held":
                waiting.add(version.name)
                if version.name not in landed or int(landed[version.name].generation) != version.generation:
                    yield f"lost: {version.name} is held, and does not lie there in generation {version.generation}"
            elif state == "dead_lettered":
                uri = f"{self.name}/dead-letter/{kept}"
                yield from self._kept(archive, uri, version.content)
                if f"{uri}.json" not in archive:
                    yield f"lost: the envelope of {uri}"
            elif state in _ARCHIVED:
                yield from self._kept(archive, f"{self.name}/{kept}", version.content)
        # Nobody takes away the marker of a set that was turned away or rejected.
        done = {v.name.rpartition("/")[0] for v in self.latest().values() if self._state(v) == "loaded"}
        for name in sorted(set(landed) - waiting):
            if not name.endswith("_SUCCESS") or name.rpartition("/")[0] in done:
                yield f"left behind: {name} is still in the landing bucket"

    def _kept(self, archive: dict[str, Any], name: str, content: bytes) -> Iterator[str]:
        if name not in archive or archive[name].download_as_bytes() != content:
            yield f"lost: {name} is not in the archive as it landed"

    def _decisions(self) -> Iterator[str]:
        """What a form asked for and its run did not refuse has been done."""
        done = {(event["run_id"], event["name"], event["state"]) for event in self._events()}
        for run in self.runs:
            if run.states.get("wait_for_files") not in ("success", "skipped"):
                continue
            for wish, state in _DECIDED.items():
                for name in run.params.get(wish, ()):
                    if (run.run_id, name, state) not in done:
                        yield f"lost: {run.run_id} was to {wish} {name}, and the ledger does not say so"

    def _tries(self) -> Iterator[str]:
        for run in self.runs:
            for step, ended in run.tried:
                if ended.how == "stuck":
                    yield f"stuck: {step} of {run.run_id} did not end"

    def _left_over(self) -> Iterator[str]:
        for version in self.latest().values():
            if self._state(version) not in _ARCHIVED:
                yield f"left over: {version.name} is {self._state(version)}"
        for version in self._now():
            for raw in self._unsettled(version):
                if raw not in version.hopeless:
                    yield f"left over: {raw!r} could be replayed"


def _compared(where: str, found: Counter[bytes], expected: Counter[bytes]) -> Iterator[str]:
    yield from (f"lost: the bad record {raw!r} is not in {where}" for raw in sorted((expected - found).elements()))
    yield from (f"duplicated: the bad record {raw!r} is in {where}" for raw in sorted((found - expected).elements()))

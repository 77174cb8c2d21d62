"""What the workers of a large file's job do, step by step; which worker does what, and how often, is Beam's affair.

A step may be done twice, or by two workers at once. What it writes lies below a path of its own; what counts is the
small file that is published last, once, under the step's name: whoever comes later goes by that one.
"""

from __future__ import annotations

import functools
import io
import json
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from include.engine.database import Database
from include.engine.errors import AccountingError
from include.engine.files import FileReader, FileState, Input
from include.engine.frame import Ints
from include.engine.keys import key_sets
from include.engine.merge import merge
from include.engine.promised import Promised
from include.engine.run import Limits, transform_shard
from include.engine.shard_keys import Hashes, ShardKeys, losers, repeating, without
from include.engine.shard_result import ShardPart, ShardResult
from include.engine.shards import Range, Scouted, Shard, ranges, resolve, scout, why_whole
from include.functions.failures import FunctionFailure, InputMissing, Internal, explain
from include.functions.job import Store, check_identity, discreet, fetch_references, published_manifest, transform_batch
from include.functions.logs import Log
from include.functions.protocol import ErrorResponse, TransformRequest
from include.spec.dataset import Dataset
from include.spec.durations import parse_size

if TYPE_CHECKING:
    from include.engine.mask import Secrets

FAILURE = "failure.json"

Told = tuple[tuple[int, int], tuple[int, bytes]]
"""A key's number and a range of hashes; a shard's number and its hashes there."""
Repeated = tuple[int, tuple[int, int, bytes]]
"""A shard's number; a key's, a range of hashes, and hashes there."""
Suspects = tuple[int, tuple[int, bytes]]
"""A group of rows none of which shares a key with one of another; a shard's number and its rows, as Arrow has them."""


@dataclass(frozen=True, slots=True)
class Job:
    """A large file's job; what travels to the workers, where anybody who may see the job can read it.

    Args:
        request: the request as JSON; it has one input.
        store: makes the object store.
        keys: fetches the keys, given their names.
        mask_key_secret, raw_key_secret: names of the secrets that hold them; empty: they are in the environment.
        shard_bytes: length of a shard, about.
    """

    request: str
    store: Callable[[], Store]
    keys: Callable[[str, str], Secrets]
    mask_key_secret: str = ""
    raw_key_secret: str = ""
    shard_bytes: int = 64 << 20


class StepFailed(RuntimeError):
    """A step of a job failed, as is told beside the manifest's place."""


@contextmanager
def telling(job: Job) -> Iterator[None]:
    """Leave word of what goes wrong where whoever waits for the job looks for it.

    Raises:
        StepFailed: in place of anything else: many see what Beam and Dataflow show, and it may quote a record.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        failure = explain(error)
        if isinstance(failure, Internal):
            Log({}).write_defect(error)
        with suppress(Exception):  # what goes wrong now is not why the step failed
            _tell(job, failure)
        raise StepFailed(f"{failure.code}: {failure.message}") from None


def _tell(job: Job, failure: FunctionFailure) -> None:
    """Write why a step failed; the last word counts, unless trying again could not help what an earlier one told."""
    store = job.store()
    name = TransformRequest.model_validate_json(job.request).output + FAILURE
    told = store.read(name)
    if told is not None and not ErrorResponse.model_validate_json(told).error.retryable:
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(failure.body.model_dump_json().encode())
        file.flush()
        store.write(name, Path(file.name))


@functools.lru_cache(1)
def worker(job: Job) -> Worker:
    """Return this process's worker on a job."""
    return Worker(job)


class Worker:
    """Does the steps of a job.

    Args:
        job: the job.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.request = TransformRequest.model_validate_json(job.request)
        (self._pinned,) = self.request.inputs
        self.dataset = Dataset.from_wire(self.request.dataset)
        self._store = job.store()
        self._secrets = job.keys(job.mask_key_secret, job.raw_key_secret)
        check_identity(self.request, self._secrets)  # a worker that comes later might be given other keys
        self._folder = tempfile.TemporaryDirectory(prefix="landfall-")
        self._limits = Limits()
        self._reader = FileReader(
            self.dataset, block=self._limits.block, inflated_limit=self._limits.inflated, progress=lambda *_: None
        )
        self._keys = len(key_sets(self.dataset))

    @functools.cached_property
    def _references(self) -> dict[str, Path]:
        return fetch_references(self.request.references, self._store, Path(self._folder.name))

    def _input(self, shard: Shard | None = None) -> Input:
        pinned, size = self._pinned, self._pinned.size
        return Input(
            pinned.file_id, pinned.uri, lambda: self._store.open(pinned),
            size if shard is None else shard.stop - shard.start.offset, pinned.released,
            Promised(**pinned.promised.model_dump()) if pinned.promised else None, shard=shard,
        )  # fmt: skip

    # Before the pipeline is made.

    def begin(self) -> bool:
        """Check what can be checked first; returns whether the batch is done already."""
        if self._store.read(self.request.manifest) is not None:
            return True
        self._store.check(self.request.inputs)
        return False

    def why_whole(self) -> str:
        """Return why the file is read from its beginning to its end by one worker; empty: it is not."""
        promised = self._pinned.promised
        if why := why_whole(self.dataset, self._pinned.uri):
            return why
        if promised and (promised.sha256 or promised.md5):
            return "its set's manifest promises a checksum, for which it is read from its beginning"
        if self._pinned.size > parse_size(self.dataset.pipeline.format.max_size):
            return "it is larger than `format.max_size`"
        if len(self.ranges()) == 1:
            return "it is no longer than one shard"
        if self._header is None:
            return "its beginning is not what the contract says, or it is compressed"
        return ""

    def ranges(self) -> list[Range]:
        """Return the ranges in which the file is looked through."""
        return ranges(self._pinned.size, length=self._job.shard_bytes)

    @functools.cached_property
    def _header(self) -> bytes | None:
        return self._reader.header(FileState(0, self._input()))

    # The steps.

    def whole(self) -> dict[str, int]:
        """Read the file from its beginning to its end, as the function does; returns the counts."""
        published = self._store.read(self.request.manifest)
        if published is None:
            own = f"{self.request.output}{uuid.uuid4().hex}/"
            published = transform_batch(self.request, self.dataset, self._store, self._secrets, own)
        return self._counts(published)

    def scout(self, wanted: Range) -> Scouted:
        """Look for the records of a range."""
        with self._store.open(self._pinned) as file:
            return scout(file, wanted, self._reader.framer)

    def resolve(self, scouted: Iterable[Scouted]) -> list[tuple[int, Shard]]:
        """Cut the file into shards where records begin."""
        found = sorted(scouted, key=lambda one: one.range.start)
        with self._store.open(self._pinned) as file:
            shards = resolve(file, found, self._pinned.size, self._reader.framer, self._header or b"")
            return list(enumerate(shards))

    def read(self, number: int, shard: Shard) -> ShardResult:
        """Run the engine over a shard, and publish what it gave."""
        name = self._name(number, "result.json")
        published = self._store.read(name)
        if published is None:
            with self._scratch() as out, discreet(self.dataset):
                result = transform_shard(
                    self.dataset, self._input(shard), out,
                    references=self._references, secrets=self._secrets, limits=self._limits,
                )  # fmt: skip
                put = self._putter(number, out)
                result = replace(
                    result,
                    parts=tuple(ShardPart(put(part.name), part.rows, put(part.keys)) for part in result.parts),
                    quarantine=tuple(map(put, result.quarantine)),
                )
            published = self._store.publish(name, result.to_json())
        result = ShardResult.from_json(published)
        if (result.records, result.size) != (shard.records, shard.stop - shard.start.offset):
            message = f"shard {number} of {self._pinned.uri}: {result.records} records in {result.size} bytes were read"
            raise AccountingError(f"{message}, {shard.records} were found there. This is a defect; report it.")
        return result

    def hashes(self, number: int, result: ShardResult, into: int) -> Iterator[Told]:
        """Yield the hashes of a shard's keys.

        Args:
            into: in how many ranges they are told.
        """
        for key, place, hashes in self._kept_keys(result).hashes(into):
            yield (key, place), (number, hashes.tobytes())

    def repeating(self, key: int, place: int, told: Iterable[tuple[int, bytes]]) -> Iterator[Repeated]:
        """Yield for each shard the hashes of a key in a range of hashes that stand more than once in all shards."""
        numbers, hashes = zip(*((number, np.frombuffer(data, np.uint32)) for number, data in told), strict=True)
        for number, repeated in zip(numbers, repeating(hashes), strict=True):
            if len(repeated):
                yield number, (key, place, repeated.tobytes())

    def suspects(
        self, number: int, result: ShardResult, told: Iterable[tuple[int, int, bytes]], into: int
    ) -> Iterator[Suspects]:
        """Yield the rows of a shard that may be duplicates of others, or have some.

        Args:
            told: what `repeating` found of the shard, in all ranges.
            into: in how many ranges it was told.
        """
        wanted: list[dict[int, Hashes]] = [{} for _ in range(self._keys)]
        for key, place, data in told:
            wanted[key][place] = np.frombuffer(data, np.uint32)
        keys = self._kept_keys(result)
        rows = keys.suspects(wanted, into)
        yield from ((group, (number, _to_bytes(table))) for group, table in keys.grouped(rows))

    def losers(self, suspects: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        """Yield for each shard which of its rows are duplicates."""
        told = list(suspects)
        found = losers(self.dataset, [_from_bytes(data) for _, data in told])
        for (number, _), rows in zip(told, found, strict=True):
            if len(rows):
                yield number, rows.astype(np.int64).tobytes()

    def thin(self, number: int, result: ShardResult, lost: Iterable[bytes]) -> tuple[ShardPart, ...]:
        """Take rows out of a shard's parts; returns the parts that are left."""
        rows = np.sort(np.frombuffer(b"".join(lost), np.int64))
        if not len(rows):
            return result.parts
        name = self._name(number, "parts.json")
        published = self._store.read(name)
        if published is None:
            with self._scratch() as out:
                parts = tuple(self._thinned(number, result.parts, rows, out))
            published = self._store.publish(name, json.dumps([asdict(part) for part in parts]).encode())
        return tuple(ShardPart(**part) for part in json.loads(published))

    def _thinned(self, number: int, parts: Sequence[ShardPart], lost: Ints, out: Path) -> Iterator[ShardPart]:
        put = self._putter(number, out)
        first = 0
        for part in parts:
            inside = lost[np.searchsorted(lost, first) : np.searchsorted(lost, first + part.rows)] - first
            first += part.rows
            if not len(inside):
                yield part
                continue
            target = out / f"kept-{Path(part.name).name}"
            left = without(self._fetched(part.name), part.rows, inside, target)
            if left:
                yield ShardPart(put(target.name), left, "")

    def finish(self, done: Iterable[tuple[int, ShardResult, tuple[ShardPart, ...]]]) -> dict[str, int]:
        """Decide on the file, and publish the manifest; returns the counts."""
        ordered = sorted(done, key=lambda one: one[0])
        results, parts = [result for _, result, _ in ordered], [part for _, _, kept in ordered for part in kept]
        with self._scratch() as out:
            held = out / "held.parquet"
            manifest = merge(
                self.dataset, self._input(), results, parts,
                batch_id=self.request.batch_id, secrets=self._secrets, held=held,
            )  # fmt: skip
            # A store that does not honour versions would have let the file change under our hands.
            self._store.check(self.request.inputs)
            if held.exists():
                put = self._putter(None, out)
                manifest = replace(manifest, quarantine=(*manifest.quarantine[:-1], put(held.name)))
        return self._counts(self._store.publish(self.request.manifest, published_manifest(manifest)))

    def _counts(self, published: bytes) -> dict[str, int]:
        found = json.loads(published)
        return {name: int(found[name]) for name in ("records", "loaded", "filtered", "duplicates", "quarantined")}

    # Where things lie.

    def _name(self, number: int, name: str) -> str:
        # The length of shards is no part of the batch's identity; those of another job may lie there.
        return f"{self.request.output}shards/{self._job.shard_bytes}-{number:05}/{name}"

    def _putter(self, number: int | None, folder: Path) -> Callable[[str], str]:
        """Return what writes a file below a path of this try's own, and returns its address."""
        own = uuid.uuid4().hex
        prefix = f"{self.request.output}{own}/" if number is None else self._name(number, f"{own}/")

        def put(name: str) -> str:
            if name:
                self._store.write(prefix + name, folder / name)
            return prefix + name if name else ""

        return put

    def _fetched(self, uri: str) -> pa.Buffer:
        content = self._store.read(uri)
        if content is None:
            raise InputMissing("input_missing", "what another step of this job wrote is gone", uri)
        return pa.py_buffer(content)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="shard-", dir=self._folder.name) as folder:
            yield Path(folder)

    def _kept_keys(self, result: ShardResult) -> ShardKeys:
        return ShardKeys(self.dataset, [self._fetched(part.keys) for part in result.parts], self._database)

    @functools.cached_property
    def _database(self) -> Database:
        return Database(threads=1, memory_mb=self._limits.memory_mb)


def _to_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _from_bytes(data: bytes) -> pa.Table:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()

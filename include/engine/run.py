"""The engine: landed files in; good rows, quarantined records and a manifest whose counts add up out."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from include.engine.account import Manifest, assert_balanced, total
from include.engine.admit import account_of, admit
from include.engine.ahead import ahead
from include.engine.beside import Beside
from include.engine.block import BlockRules, Outcome
from include.engine.check import unchecked_formats
from include.engine.database import Database
from include.engine.evolve import Evolution
from include.engine.files import FileReader, FileState, Input
from include.engine.frame import Ints
from include.engine.gathered import Gathered
from include.engine.good import SPOOL, GoodRows
from include.engine.mask import Secrets, check_secrets
from include.engine.quarantine import Quarantine
from include.engine.records import Failure, Failures, Piece
from include.engine.shard_result import ShardPart, ShardResult
from include.engine.version import ENGINE_VERSION
from include.spec.dataset import Dataset

__all__ = ["Input", "Limits", "Progress", "Secrets", "transform", "transform_shard"]

MANIFEST = "manifest.json"
_OURS = ("manifest.json*", "good-*.parquet", "quarantine-*.parquet", SPOOL, ".keys-*.arrow", "keys-*.arrow")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is.

    Args:
        uri: the file that is being read.
        files_done, files: how many are through, of how many.
        bytes_read, bytes_total: stored bytes of this file; the total where it is known.
        records: records found in the batch so far.
    """

    uri: str
    files_done: int
    files: int
    bytes_read: int
    bytes_total: int | None
    records: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds time and memory; none of them changes an answer, but for `inflated`.

    Args:
        block: bytes read and worked on at a time.
        inflated: decompressed bytes after which a file is held as `too_large`.
        part: bytes after which a good Parquet part is followed by another.
        threads: DuckDB's threads; with one, reading, rules and writing wait for one another too.
        memory_mb: DuckDB's memory limit.
    """

    block: int = 4 << 20
    inflated: int = 1 << 40
    part: int = 256 << 20
    threads: int = 2
    memory_mb: int = 1024


def transform(
    dataset: Dataset,
    inputs: Sequence[Input],
    out: Path,
    *,
    batch_id: str = "",
    references: Mapping[str, Path] | None = None,
    secrets: Secrets | None = None,
    progress: Callable[[Progress], None] | None = None,
    limits: Limits | None = None,
) -> Manifest:
    """Turn a batch of landed files into Parquet parts and a manifest, which is written last.

    Args:
        dataset: contract and pipeline.
        inputs: the files, in the order in which their records count as first and last.
        out: a folder; parts of an earlier run in it are removed.
        batch_id: identity of the batch, for the manifest.
        references: reference files, by the name that the pipeline gives them.
        secrets: the keys of masks and of quarantined raw bytes.
        progress: called after every block.
        limits: bounds on time and memory.

    Raises:
        TerminalEngineError: the dataset cannot be run: a rule, a reference, a secret. Bad data never raise.
        AccountingError: the counts do not add up, a defect of the engine; no manifest is written.
        TransientEngineError: there was not enough memory.
        OSError: an input cannot be read, or `out` not written.
    """
    with _read(dataset, inputs, out, references, secrets, progress, limits) as batch:
        manifest = batch.finish(batch_id)
    scratch = out / f"{MANIFEST}.tmp"
    scratch.write_text(manifest.to_json(), encoding="utf-8")
    os.replace(scratch, out / MANIFEST)
    return manifest


def transform_shard(
    dataset: Dataset,
    part: Input,
    out: Path,
    *,
    references: Mapping[str, Path] | None = None,
    secrets: Secrets | None = None,
    progress: Callable[[Progress], None] | None = None,
    limits: Limits | None = None,
) -> ShardResult:
    """Turn a part of a landed file into Parquet parts; `include.engine.merge` makes one answer of all parts' results.

    Args:
        dataset: contract and pipeline; `include.engine.shards.why_whole` has nothing against it.
        part: the file, with its `shard`.
        out, references, secrets, progress, limits: see `transform`.

    Raises:
        What `transform` raises.
    """
    with _read(dataset, [part], out, references, secrets, progress, limits) as batch:
        return batch.finish_shard()


@contextmanager
def _read(
    dataset: Dataset,
    inputs: Sequence[Input],
    out: Path,
    references: Mapping[str, Path] | None,
    secrets: Secrets | None,
    progress: Callable[[Progress], None] | None,
    limits: Limits | None,
) -> Iterator[_Batch]:
    """Read all files of a batch, which is to be finished."""
    limits, secrets = limits or Limits(), secrets or Secrets()
    check_secrets(dataset, secrets)
    _clear(out)
    with Database(threads=limits.threads, memory_mb=limits.memory_mb) as database:
        batch = _Batch(dataset, inputs, out, references or {}, secrets, limits, database, progress)
        gc.freeze()  # what is there already stays: it need not be looked through for each thousand bad records
        try:
            for state in batch.states:
                batch.read(state)
            yield batch
        finally:
            batch.close()
            gc.unfreeze()


def _clear(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for pattern in _OURS:
        for stale in out.glob(pattern):
            stale.unlink()


class _Batch:
    def __init__(
        self,
        dataset: Dataset,
        inputs: Sequence[Input],
        out: Path,
        references: Mapping[str, Path],
        secrets: Secrets,
        limits: Limits,
        database: Database,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._dataset, self._out, self._secrets, self._limits = dataset, out, secrets, limits
        self._report = progress
        self.states = [FileState(number, item) for number, item in enumerate(inputs)]
        self._rules = BlockRules(dataset, references, database)
        self._reader = FileReader(
            dataset, block=limits.block, inflated_limit=limits.inflated, progress=self._tell_progress
        )
        self._quarantine = Quarantine(out / "quarantine-00000.parquet", secrets, secret=bool(dataset.pipeline.mask))
        self._good = GoodRows(
            dataset, out, [item.file_id for item in inputs], secrets, database,
            part_bytes=limits.part, threads=limits.threads, is_shard=any(item.shard for item in inputs),
        )  # fmt: skip
        self._evolution = Evolution()
        self._ended: list[FileState] = []
        self._beside = Beside[Outcome | None]("landfall-rules", threads=limits.threads)
        self._running: tuple[Gathered, Future[Outcome | None]] | None = None
        self._pending: list[Piece] = []
        self._pending_bytes = 0

    def _tell_progress(self, state: FileState, read: int) -> None:
        if self._report:
            records = sum(other.records for other in self.states)
            self._report(Progress(state.input.uri, state.number, len(self.states), read, state.input.size, records))

    def read(self, state: FileState) -> None:
        """Read a file; small ones wait for one another, so that rules run over blocks of some size."""
        state.notes.extend(unchecked_formats(self._dataset.columns))
        pieces = self._reader.pieces(state)
        is_long = state.input.size is None or state.input.size > self._limits.block
        for number, piece in enumerate(ahead(pieces) if is_long and self._limits.threads > 1 else pieces):
            if number:  # a file of one piece waits until it is known whether it is in
                self._flush_if_full(state)
            self._pending.append(piece)
            self._pending_bytes += piece.frame.size
            if number:
                self._flush_if_full(state)
        self._ended.append(state)
        self._flush_if_full()

    def _flush_if_full(self, reading: FileState | None = None) -> None:
        if self._pending_bytes >= self._limits.block:
            self._flush(reading)

    def _flush(self, reading: FileState | None = None) -> None:
        """Start the rules over what is pending; meanwhile take in the block before it."""
        block = Gathered(self._pending, self._ended, None if reading is None else reading.number)
        self._pending, self._pending_bytes, self._ended = [], 0, []
        before, outcome = self._running, self._running and self._running[1].result()
        self._running = block, self._beside.start(lambda: block.run(self._rules, self._dataset))
        if before:
            self._take_in(before[0], outcome)
        if self._limits.threads == 1:
            self._settle()

    def _settle(self) -> None:
        """Take in the block that the rules are run over."""
        running, self._running = self._running, None
        if running:
            self._take_in(running[0], running[1].result())

    def _take_in(self, block: Gathered, outcome: Outcome | None) -> None:
        """Count, put aside and keep a block's rows, and decide on the files that ended with it."""
        if outcome is None:
            return self._decide(block.ended)
        files, ordinals = block.files, block.ordinals
        for number, count in enumerate(np.bincount(files[outcome.filtered], minlength=len(self.states)).tolist()):
            self.states[number].filtered += count
        self._note_filtered(files[outcome.filtered], ordinals[outcome.filtered])
        self._put_aside(block.pieces, outcome.failures)
        self._decide(block.ended)
        self._good.add(outcome.typed, outcome.good, files[outcome.rows], ordinals[outcome.rows], block.reading)

    def _note_filtered(self, files: Ints, ordinals: Ints) -> None:
        """Keep which of the wanted records the filter left out, for whoever asked for them one by one."""
        for number, ordinal in zip(files.tolist(), ordinals.tolist(), strict=True) if self._is_replay else ():
            self.states[number].left_out.append(ordinal)

    @property
    def _is_replay(self) -> bool:
        return any(state.input.chosen is not None for state in self.states)

    def _decide(self, ended: list[FileState]) -> None:
        """Decide which of the files that ended are in."""
        for state in ended:
            self._admit(state)
            self._good.decide(state.number, held=state.reason is not None)

    def _put_aside(self, pieces: list[Piece], found: Failures) -> None:
        """Quarantine every record that failed, in the order of the files."""
        first = 0
        rows = sorted(found)
        at = 0
        for piece in pieces:
            last = first + len(piece.rows)
            failures = dict(piece.failures)
            while at < len(rows) and rows[at] < last:
                failures[int(piece.rows[rows[at] - first])] = found[rows[at]]
                at += 1
            for record in sorted(failures):
                self._put_record(piece, record, failures[record])
            self.states[piece.file].failed += len(failures)
            first = last

    def _put_record(self, piece: Piece, record: int, failures: list[Failure]) -> None:
        frame, state = piece.frame, self.states[piece.file]
        raw, length = frame.raw(record), int(frame.lengths[record])
        whole = not any(failure.column == "" and failure.rule != "unexpected_column" for failure in failures)
        text = self._rules.shower.text(
            frame.text(record), length, whole=whole or _is_rule(failures), layout=state.layout
        )
        place = (piece.ordinal(record), int(frame.lines[record]), int(frame.offsets[record]), length)
        self._quarantine.add((state.input.file_id, state.input.uri), place, failures, raw, text)

    def finish(self, batch_id: str) -> Manifest:
        """Find the duplicates, write the rest, and account for every record."""
        self._flush()
        self._settle()
        self._put_held()
        good = self._good
        good.finish([column.name for column in self._evolution.columns])
        counts = zip(self.states, good.loaded.tolist(), good.duplicates.tolist(), strict=True)
        accounts = tuple(
            account_of(state, self._dataset, self._secrets, loaded=loaded, duplicates=duplicates)
            for state, loaded, duplicates in counts
        )
        manifest = Manifest(
            dataset=self._dataset.name,
            batch_id=batch_id,
            files=accounts,
            good=good.names,
            quarantine=tuple(self._quarantine.close()),
            rules=dict(sorted(self._quarantine.rules.items())),
            engine_version=ENGINE_VERSION,
            evolved=self._evolution.columns,
            **total(accounts),
        )
        assert_balanced(manifest, written=good.written)
        return manifest

    def finish_shard(self) -> ShardResult:
        """Write the rest of a file's part, and return what is in it."""
        self._flush()
        self._settle()
        self._good.finish(())
        (state,) = self.states
        return ShardResult(
            records=state.records,
            failed=state.failed,
            unreadable=state.unreadable,
            filtered=state.filtered,
            duplicates=int(self._good.duplicates.sum()),
            wide=state.wide,
            size=state.bytes,
            parts=tuple(ShardPart(part.path.name, part.rows, part.keys_name) for part in self._good.parts),
            quarantine=tuple(self._quarantine.close()),
            rules=self._quarantine.rules,
            notes=tuple(state.notes),
            unexpected=tuple(sorted(state.unexpected)),
            opening=state.opening,
        )

    def _admit(self, state: FileState) -> None:
        """Hold a file that is wrong as a whole; of a file that is in already, some records may all be bad."""
        if state.input.shard is not None:
            return  # the others have a say in it
        if state.input.chosen is not None:
            return self._evolve(state)
        admit(state, self._dataset)
        self._evolve(state)

    def _put_held(self) -> None:
        """Leave a quarantine row for each held file."""
        for state in self.states:
            if state.reason:
                file = (state.input.file_id, state.input.uri)
                self._quarantine.add_file(file, state.bytes, state.reason)

    def _evolve(self, state: FileState) -> None:
        new = state.new.columns(state.input.file_id) if state.new and state.reason is None else []
        state.hold(self._evolution.admit(new))
        if new and state.reason is None:
            state.notes.append(f"new columns: {', '.join(column.name for column in new)}")

    def close(self) -> None:
        """Leave no scratch file and no thread behind."""
        self._beside.close()
        self._good.close()
        # It refers to this batch: what both hold would stay until Python looks for cycles, many shards later.
        del self._reader


def _is_rule(failures: list[Failure]) -> bool:
    return all(failure.rule == "filter" or failure.column for failure in failures)

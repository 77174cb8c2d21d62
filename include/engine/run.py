"""The engine: landed files in; good rows, quarantined records and a manifest whose counts add up out."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from include.engine.account import FileAccount, Manifest, Reason, assert_balanced, total
from include.engine.ahead import ahead
from include.engine.block import BlockRules
from include.engine.check import unchecked_formats
from include.engine.database import Database
from include.engine.evolve import Evolution, evolves, part, rejoin
from include.engine.files import FileReader, FileState, Input
from include.engine.frame import Ints
from include.engine.good import SPOOL, GoodRows
from include.engine.mask import Secrets, check_secrets
from include.engine.quarantine import WHOLE_FILE, Quarantine
from include.engine.records import Failure, Failures, Piece
from include.engine.version import ENGINE_VERSION
from include.spec.dataset import Dataset

__all__ = ["Input", "Limits", "Progress", "Secrets", "transform"]

MANIFEST = "manifest.json"
_OURS = ("manifest.json*", "good-*.parquet", "quarantine-*.parquet", SPOOL, ".keys-*.arrow")


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
        threads: DuckDB's threads.
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
    limits, secrets = limits or Limits(), secrets or Secrets()
    check_secrets(dataset, secrets)
    _clear(out)
    with Database(threads=limits.threads, memory_mb=limits.memory_mb) as database:
        batch = _Batch(dataset, inputs, out, references or {}, secrets, limits, database, progress)
        gc.freeze()  # what is there already stays: it need not be looked through for each thousand bad records
        try:
            for state in batch.states:
                batch.read(state)
            manifest = batch.finish(batch_id)
        finally:
            batch.close()
            gc.unfreeze()
    scratch = out / f"{MANIFEST}.tmp"
    scratch.write_text(manifest.to_json(), encoding="utf-8")
    os.replace(scratch, out / MANIFEST)
    return manifest


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
        ids = [item.file_id for item in inputs]
        self._good = GoodRows(dataset, out, ids, secrets, database, part_bytes=limits.part, threads=limits.threads)
        self._evolution = Evolution()
        self._ended: list[FileState] = []
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
        """Run the rules over what is pending, and decide on the files that ended; `reading` did not yet."""
        pieces, self._pending, self._pending_bytes = self._pending, [], 0
        if not pieces:
            return self._decide()
        known: Failures = {}
        first = 0
        for piece in pieces:
            if piece.failures:  # few have a row too; looking them up in order is cheaper than asking every row
                records = np.fromiter(piece.failures, np.int64, len(piece.failures))
                rows = np.searchsorted(piece.rows, records)
                for record, row in zip(records.tolist(), rows.tolist(), strict=True):
                    if row < len(piece.rows) and piece.rows[row] == record:
                        known[first + row] = piece.failures[record]
            first += len(piece.rows)
        tables = [piece.table for piece in pieces]
        # Not every file of a dataset that evolves has unknown fields.
        promote = "default" if evolves(self._dataset) else "none"
        texts, extras = part(pa.concat_tables(tables, promote_options=promote).combine_chunks())
        outcome = self._rules.run(texts, known)
        files = np.concatenate([np.full(len(piece.rows), piece.file, np.int64) for piece in pieces])
        ordinals = np.concatenate([piece.ordinals for piece in pieces])
        for number, count in enumerate(np.bincount(files[outcome.filtered], minlength=len(self.states)).tolist()):
            self.states[number].filtered += count
        self._note_filtered(files[outcome.filtered], ordinals[outcome.filtered])
        self._put_aside(pieces, outcome.failures)
        self._decide()
        good = rejoin(outcome.good, extras, outcome.rows) if evolves(self._dataset) else outcome.good
        undecided = None if reading is None else reading.number
        self._good.add(good, files[outcome.rows], ordinals[outcome.rows], undecided)

    def _note_filtered(self, files: Ints, ordinals: Ints) -> None:
        """Keep which of the wanted records the filter left out, for whoever asked for them one by one."""
        for number, ordinal in zip(files.tolist(), ordinals.tolist(), strict=True) if self._is_replay else ():
            self.states[number].left_out.append(ordinal)

    @property
    def _is_replay(self) -> bool:
        return any(state.input.chosen is not None for state in self.states)

    def _decide(self) -> None:
        """Decide which of the files that ended are in."""
        for state in self._ended:
            self._admit(state)
            self._good.decide(state.number, held=state.reason is not None)
        self._ended = []

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
        self._put_held()
        good = self._good
        good.finish([column.name for column in self._evolution.columns])
        counts = zip(self.states, good.loaded.tolist(), good.duplicates.tolist(), strict=True)
        accounts = tuple(self._account(state, loaded, duplicates) for state, loaded, duplicates in counts)
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

    def _admit(self, state: FileState) -> None:
        """Hold a file that is wrong as a whole; of a file that is in already, some records may all be bad."""
        if state.input.chosen is not None:
            return self._evolve(state)
        share = self._dataset.pipeline.tolerate
        if state.unreadable * 2 > state.records:
            name = self._dataset.pipeline.format.encoding.upper()
            message = f"{state.unreadable:,} of {state.records:,} records are not {name}. Send the file as {name}."
            state.hold(Reason("wrong_encoding", message))
        if state.failed > share.share * state.records and not state.input.released:
            part = f"{state.failed:,} of {state.records:,} records failed ({state.failed / state.records:.1%})"
            state.hold(Reason("over_tolerance", f"{part}; `tolerate.quarantined` allows {share.quarantined}"))
        self._evolve(state)

    def _put_held(self) -> None:
        """Leave a quarantine row for each held file."""
        for state in self.states:
            if state.reason:
                failure = Failure(state.reason.code, "", state.reason.message)
                file = (state.input.file_id, state.input.uri)
                self._quarantine.add(file, (WHOLE_FILE, 0, 0, state.bytes), [failure], None, None)

    def _evolve(self, state: FileState) -> None:
        new = state.new.columns(state.input.file_id) if state.new and state.reason is None else []
        state.hold(self._evolution.admit(new))
        if new and state.reason is None:
            state.notes.append(f"new columns: {', '.join(column.name for column in new)}")

    def close(self) -> None:
        """Leave no scratch file and no thread behind."""
        self._good.close()

    def _account(self, state: FileState, loaded: int, duplicates: int) -> FileAccount:
        is_held = state.reason is not None
        if state.failed and self._dataset.pipeline.mask and not self._secrets.raw_key:
            state.notes.append("raw bytes of quarantined records were not kept: LANDFALL_RAW_KEY is not set")
        return FileAccount(
            file_id=state.input.file_id,
            uri=state.input.uri,
            state="held" if is_held else "accepted",
            records=state.records,
            loaded=loaded,
            filtered=0 if is_held else state.filtered,
            duplicates=duplicates,
            quarantined=state.records if is_held else state.failed,
            bytes=state.bytes,
            reason=state.reason,
            failed=state.failed,
            notes=tuple(state.notes),
            left_out=tuple(state.left_out),
            missing=state.input.chosen.missing if state.input.chosen else (),
            lost=tuple(sorted(state.lost.items())),
            opening=state.opening if state.failed and not is_held and state.input.chosen is None else None,
        )


def _is_rule(failures: list[Failure]) -> bool:
    return all(failure.rule == "filter" or failure.column for failure in failures)

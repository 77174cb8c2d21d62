"""Reads one landed file: opens it, tells whether it is what it should be, frames it and splits its records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from include.engine.account import Reason
from include.engine.decompress import Source
from include.engine.evolve import NewColumns
from include.engine.frame import NOT_UTF8, Frame, Framer, LineFramer
from include.engine.frame_csv import CsvFramer
from include.engine.frame_json import ArrayFramer
from include.engine.parse_csv import Layout, parse_csv, positional_layout, read_header
from include.engine.parse_json import JsonParser
from include.engine.records import Failures, Piece, framing_failures
from include.engine.sniff import HEAD, foreign_format, looks_like_json
from include.spec.dataset import Dataset
from include.spec.durations import parse_size


@dataclass(frozen=True, slots=True)
class Input:
    """One landed file, pinned.

    Args:
        file_id: identity of the file version.
        uri: where it lies.
        open: opens it for reading; its errors pass through the engine.
        size: bytes as stored, for progress.
    """

    file_id: str
    uri: str
    open: Callable[[], BinaryIO]
    size: int | None = None


@dataclass(slots=True)
class FileState:
    """What is known of a file while the batch runs.

    Args:
        records: physical records found so far.
        failed: records with reasons of their own.
        unreadable: records that are not UTF-8.
        filtered: records that the filter left out.
        reason: why the file is held; the first one found stays.
        new: columns that the contract does not know, where they are to become columns.
    """

    number: int
    input: Input
    records: int = 0
    failed: int = 0
    unreadable: int = 0
    filtered: int = 0
    bytes: int = 0
    reason: Reason | None = None
    layout: Layout | None = None
    new: NewColumns | None = None
    notes: list[str] = field(default_factory=list)

    def hold(self, reason: Reason | None) -> None:
        """Hold the file, unless it is held already."""
        self.reason = self.reason or reason


class FileReader:
    """Cuts the files of one dataset into pieces.

    Args:
        dataset: says how they are to be read.
        block: bytes read at a time.
        inflated_limit: decompressed bytes after which a file is given up.
        progress: told the stored bytes read so far of a file.
    """

    def __init__(
        self, dataset: Dataset, *, block: int, inflated_limit: int, progress: Callable[[FileState, int], None]
    ) -> None:
        self._dataset = dataset
        self._form = dataset.pipeline.format
        self._block = block
        self._inflated_limit = inflated_limit
        self._limit = parse_size(self._form.max_record)
        self._progress = progress
        self._nothing = pa.table({column.name: pa.array([], pa.string()) for column in dataset.source_columns})

    def pieces(self, state: FileState) -> Iterator[Piece]:
        """Yield a file's pieces; what is wrong with the file as a whole is told in its state.

        Raises:
            OSError: the file cannot be opened or read.
        """
        with state.input.open() as raw:
            source = Source(raw, compression=self._form.compression, limit=self._inflated_limit)
            head = source.head(HEAD)
            if not head and source.damage is None:
                state.hold(Reason("empty_file", "the file holds no bytes; if that is right, send at least its header"))
            foreign = foreign_format(head, self._form.type) if head else None
            state.hold(foreign)
            if head and foreign is None:
                yield from self._split(state, source, head)
            state.bytes = source.bytes
            state.hold(source.damage)

    def _split(self, state: FileState, source: Source, head: bytes) -> Iterator[Piece]:
        parser = JsonParser(self._dataset)
        is_csv = self._form.type == "csv"
        if is_csv and not self._form.header:
            state.layout = positional_layout(self._dataset)
        framer = self._framer(source)
        for frame in framer.frames():
            if is_csv and state.layout is None and state.reason is None:
                frame = self._take_header(state, frame, head)
            yield self._piece(state, frame, parser)
            self._progress(state, source.compressed_bytes)
        if is_csv and state.layout is None:
            state.hold(Reason("empty_file", "the file holds no header, only blank lines"))
        if isinstance(framer, ArrayFramer) and source.damage is None:
            state.hold(framer.damage)
        self._note_unexpected(state, parser)
        state.new = state.layout.new if state.layout else parser.new
        state.hold(state.new.reason if state.new else None)

    def _framer(self, source: Source) -> Framer | ArrayFramer:
        if self._form.type == "json":
            return ArrayFramer(source.read, block=self._block, limit=self._limit)
        if self._form.type == "ndjson":
            return LineFramer(source.read, block=self._block, limit=self._limit)
        return CsvFramer(
            source.read,
            block=self._block,
            limit=self._limit,
            delimiter=self._form.delimiter,
            quote=self._form.quote,
        )

    def _take_header(self, state: FileState, frame: Frame, head: bytes) -> Frame:
        layout = read_header(frame, self._dataset)
        if isinstance(layout, Layout):
            state.layout = layout
            if layout.ignored:
                state.notes.append(f"ignored columns: {', '.join(layout.ignored)}")
        elif looks_like_json(head):
            state.hold(Reason("wrong_format", "the file is JSON; the dataset expects csv"))
        else:
            state.hold(layout)
        return Frame(
            frame.data, frame.starts[1:], frame.lengths[1:], frame.offsets[1:], frame.lines[1:], frame.defects[1:]
        )

    def _piece(self, state: FileState, frame: Frame, parser: JsonParser) -> Piece:
        failures: Failures = framing_failures(frame)
        table, rows = self._nothing, np.zeros(0, np.int64)
        if self._form.type != "csv":
            table, rows, wrong = parser.parse(frame)
            failures |= wrong
        elif state.layout is not None:
            table, rows, wrong = parse_csv(frame, state.layout, self._dataset)
            failures |= wrong
        piece = Piece(state.number, state.records, frame, rows, table, failures)
        state.records += len(frame)
        state.unreadable += int(np.count_nonzero(frame.defects & NOT_UTF8))
        return piece

    def _note_unexpected(self, state: FileState, parser: JsonParser) -> None:
        names = ", ".join(sorted(parser.unexpected)[:20])
        if not names:
            return
        if self._form.unexpected_columns == "fail":
            message = f"the contract does not know the fields {names}. "
            fix = "Add them to it, or set `format.unexpected_columns: ignore`."
            state.hold(Reason("unexpected_column", message + fix))
        elif self._form.unexpected_columns == "ignore":
            state.notes.append(f"ignored fields: {names}")

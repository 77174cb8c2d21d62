"""Reads one landed file: opens it, tells whether it is what it should be, frames it and splits its records."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa

from include.engine.account import Opening, Reason
from include.engine.chosen import Chosen
from include.engine.decompress import Source
from include.engine.encode import Encoding, UnitReader, encoding_of, encoding_of_xml, in_file, looks_like_utf8
from include.engine.evolve import NewColumns
from include.engine.footer import FooterCutter
from include.engine.frame import NOT_UTF8, UTF_8, Frame, Framer, Ints, LineFramer, Start, to_utf8
from include.engine.frame_csv import CsvFramer, Dialect
from include.engine.frame_json import ArrayFramer
from include.engine.kept import Alone, KeptFile
from include.engine.parse_csv import Layout, parse_csv, positional_layout, read_header, too_wide
from include.engine.parse_json import JsonParser
from include.engine.promised import Promised, Witness
from include.engine.readers import has_reader, open_reader
from include.engine.records import Failures, Piece, framing_failures
from include.engine.shards import Shard, reading
from include.engine.sniff import HEAD, foreign_format, looks_like_json
from include.spec.dataset import Dataset
from include.spec.durations import parse_size
from include.spec.pipeline import Format

_LISTED, _SHOWN = 20, 80  # names in a message, and characters of each
_LONGEST_HEADER = 3 * 1024  # bytes; a longer one is not kept in the ledger: it travels in a commit's query


@dataclass(frozen=True, slots=True)
class Input:
    """One landed file, pinned.

    Args:
        file_id: identity of the file version.
        uri: where it lies.
        open: opens it for reading; its errors pass through the engine.
        size: bytes as stored, for progress.
        promised: what the manifest of its set says of it; a file that is not so is held.
        released: a person released it: the tolerance does not hold it.
        chosen: read only these records of it; None: all.
        kept: the file is gone, and these of its records are read in its place.
        shard: read only this part of it, and decide nothing on the file; None: all of it.
    """

    file_id: str
    uri: str
    open: Callable[[], BinaryIO]
    size: int | None = None
    released: bool = False
    promised: Promised | None = None
    chosen: Chosen | None = None
    kept: KeptFile | None = None
    shard: Shard | None = None


@dataclass(slots=True)
class FileState:
    """What is known of a file while the batch runs.

    Args:
        records: physical records found so far; where only some are wanted, of those.
        passed: physical records found so far, wanted or not.
        failed: records with reasons of their own.
        unreadable: records that are not UTF-8.
        filtered: records that the filter left out.
        left_out: ordinals of those, where only some records are wanted.
        reason: why the file is held; the first one found stays.
        new: columns that the contract does not know, where they are to become columns.
        opening: what its records need of it to be read without it.
        alone: the one record that is read, of a file that is gone.
        lost: records of such a file that cannot be read, and why.
        wide: records with more fields than the contract has columns.
        unexpected: names of fields that the contract does not know.
    """

    number: int
    input: Input
    records: int = 0
    failed: int = 0
    unreadable: int = 0
    filtered: int = 0
    passed: int = 0
    left_out: list[int] = field(default_factory=list)
    bytes: int = 0
    reason: Reason | None = None
    layout: Layout | None = None
    new: NewColumns | None = None
    notes: list[str] = field(default_factory=list)
    opening: Opening | None = None
    alone: Alone | None = None
    lost: dict[int, str] = field(default_factory=dict)
    wide: int = 0
    unexpected: set[str] = field(default_factory=set)

    def hold(self, reason: Reason | None) -> None:
        """Hold the file, unless it is held already."""
        self.reason = self.reason or reason

    def take(self, part: FileState) -> None:
        """Count what was read of one record of a file that is gone."""
        self.records += part.records
        self.unreadable += part.unreadable
        self.bytes += part.bytes
        self.layout = part.layout
        self.notes += [note for note in part.notes if note not in self.notes]
        if self.new is None:
            self.new = part.new
        elif part.new is not None:
            self.new.take(part.new)


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
        self._inflated_limit = min(inflated_limit, parse_size(self._form.max_size))
        self._limit = parse_size(self._form.max_record)
        form = self._form
        self._dialect = Dialect(
            form.delimiter, form.quoting, form.escape, form.comment, form.skip_lines, form.footer_lines
        )
        self._progress = progress
        self._nothing = pa.table({column.name: pa.array([], pa.string()) for column in dataset.source_columns})

    def pieces(self, state: FileState) -> Iterator[Piece]:
        """Yield a file's pieces; what is wrong with the file as a whole is told in its state.

        Raises:
            OSError: the file cannot be opened or read.
        """
        if state.input.kept is not None:
            return self._kept(state, state.input.kept)
        if state.input.shard is not None:
            return self._shard(state, state.input.shard)
        return self._whole(state)

    def header(self, state: FileState) -> bytes | None:
        """Return the header of a file that is to be split, empty where it has none; None: it has to be read whole.

        That is so where its beginning is not as it should be: what is to be said of it is said by who reads it whole.

        Raises:
            OSError: the file cannot be opened or read.
        """
        with state.input.open() as file:
            source = Source(file, compression=self._form.compression, limit=self._inflated_limit)
            head = source.head(HEAD)
            if not head or not source.is_plain or self._encoding(state, source, head) is None:
                return None
            if self._form.type != "csv" or not self._form.header:
                return b""
            frame = next(self.framer(source.read).frames(), None)
            if frame is None or not isinstance(read_header(frame, self._dataset), Layout):
                return None
            return frame.raw(0)

    def framer(self, read: Callable[[int], bytes], start: Start | None = None) -> Framer:
        """Return what cuts a file that can be split, or with a start its rest from there on, into frames."""
        return cast(Framer, self._framer(read, self._limit, 1, start))

    def _shard(self, state: FileState, shard: Shard) -> Iterator[Piece]:
        """Read a part of a file; what is wrong with the file as a whole shows when all parts are read."""
        state.opening, parser = Opening(UTF_8), JsonParser(self._dataset)
        state.passed = shard.ordinal
        if self._form.type == "csv" and not self._form.header:
            state.layout = positional_layout(self._dataset)
        elif self._form.type == "csv":
            self._take_header(state, next(self.framer(io.BytesIO(shard.header).read, shard.start).frames()), b"")
        with state.input.open() as file:
            frames = self.framer(reading(file, shard.start.offset, shard.stop), shard.start).frames()
            for number, frame in enumerate(frames):
                if not number and shard.begins_with_header:
                    frame = frame.without_first()
                piece = self._piece(state, frame, parser)
                state.wide += _wide(piece)
                yield piece
                self._progress(state, int(frame.offsets[-1]) - shard.start.offset if len(frame) else 0)
        state.bytes = shard.stop - shard.start.offset
        state.unexpected = parser.unexpected

    def _kept(self, state: FileState, kept: KeptFile) -> Iterator[Piece]:
        """Read each of a file's kept records by itself; one that cannot be read costs itself alone."""
        for record in kept.records:
            chosen = Chosen({record.number: record.offset})
            part = FileState(state.number, replace(state.input, chosen=chosen), alone=Alone(record, kept.around))
            pieces = list(self._whole(part)) if record.raw is not None else []
            assert part.alone is not None
            reason = part.alone.reason or part.reason
            why = record.why or (f"{reason.message} ({reason.code}, read by itself)" if reason else "")
            if why:
                state.lost[record.number] = why
            else:
                state.take(part)
                yield from pieces
            if state.input.chosen is not None and (why or not chosen.missing):
                state.input.chosen.settle(record.number)

    def _whole(self, state: FileState) -> Iterator[Piece]:
        with state.alone.open() if state.alone else state.input.open() as file:
            witness = Witness(file, state.input.promised)
            compression = "none" if state.alone else self._form.compression
            source = Source(cast(BinaryIO, witness), compression=compression, limit=self._inflated_limit)
            head = source.head(HEAD)
            if not head and source.damage is None:
                state.hold(Reason("empty_file", "the file holds no bytes; if that is right, send at least its header"))
            try:
                encoding = self._encoding(state, source, head) if head else None
                state.opening = Opening(encoding.name) if encoding else None
                if encoding and has_reader(self._form):
                    yield from self._read(state, source, encoding)
                elif encoding:
                    yield from self._split(state, source, head, encoding)
            finally:
                source.close()
            state.bytes = source.bytes
            state.hold(source.damage)
            if state.reason is None:
                state.hold(witness.verdict(state.records))

    def _read(self, state: FileState, source: Source, encoding: Encoding) -> Iterator[Piece]:
        """Read a file of a format that says of itself where its records are."""
        reader = open_reader(self._dataset, source, encoding, block=self._block)
        for frame in state.alone.placed(reader.frames()) if state.alone else reader.frames():
            if self._passes_over(state, frame):
                continue
            table, rows, wrong = reader.parse(frame)
            yield self._made(state, frame, table, rows, framing_failures(frame) | wrong)
            self._progress(state, source.compressed_bytes)
        if source.damage is None:
            state.hold(reader.damage)
        note_unexpected(state, reader.unexpected, self._form)
        state.new = reader.new
        state.hold(state.new.reason if state.new else None)

    def _encoding(self, state: FileState, source: Source, head: bytes) -> Encoding | None:
        """Return how a file's text is written; None where it is held: written otherwise, or of another format."""
        if state.alone:
            head = state.alone.around.before  # the record itself is none of what tells a file
        if self._form.type == "xml":
            encoding: Encoding | Reason = encoding_of_xml(head)
        else:
            encoding = encoding_of(head, self._form.encoding, is_plain=self._form.delimiter.isascii())
        if isinstance(encoding, Reason):
            state.hold(encoding)
            return None
        if state.alone:
            return encoding
        if self._form.encoding in ("latin-1", "cp1252") and looks_like_utf8(head):
            state.notes.append(f"the file looks like UTF-8, but was read as {encoding.name}, as the pipeline says")
        text = to_utf8(head[encoding.mark :], encoding.name).replace(self._dialect.delimiter.encode(), b",")
        foreign = foreign_format(text, self._form.type, is_object=self._form.records is not None)
        state.hold(source.damage if foreign and source.damage else foreign)
        return encoding if foreign is None else None

    def _split(self, state: FileState, source: Source, head: bytes, encoding: Encoding) -> Iterator[Piece]:
        head = to_utf8(head[encoding.mark :], encoding.name)
        parser = JsonParser(self._dataset)
        is_csv = self._form.type == "csv"
        if is_csv and not self._form.header:
            state.layout = positional_layout(self._dataset)
        units = self._units(source, encoding)
        read = units.read if units else source.read
        footer = FooterCutter(read, lines=self._dialect.footer_lines, limit=self._limit)
        span = units.span if units else 1
        framer = self._framer(footer.read if self._dialect.footer_lines else read, self._limit // encoding.width, span)
        frames = in_file(framer, units) if units else framer.frames()
        for frame in state.alone.placed(frames) if state.alone else frames:
            if is_csv and state.layout is None and state.reason is None:
                frame = self._take_header(state, frame, head)
            if self._passes_over(state, frame):
                continue
            piece = self._piece(state, frame, parser)
            state.wide += _wide(piece)
            yield piece
            self._progress(state, source.compressed_bytes)
        if is_csv and state.layout is None:
            state.hold(Reason("empty_file", "the file holds no header, only blank lines"))
        state.hold(footer.damage)
        if not state.input.chosen:
            state.hold(too_wide(state.wide, state.records, self._dataset))
        if isinstance(framer, ArrayFramer) and source.damage is None:
            state.hold(framer.damage)
        note_unexpected(state, parser.unexpected, self._form)
        state.new = state.layout.new if state.layout else parser.new
        state.hold(state.new.reason if state.new else None)

    def _units(self, source: Source, encoding: Encoding) -> UnitReader | None:
        """Return what translates the file for its framer; None where the framer reads it as it is."""
        delimiter = "" if self._dialect.delimiter.isascii() else self._dialect.delimiter
        if encoding.name == UTF_8 and not delimiter:
            return None
        return UnitReader(source.read, encoding, self._dialect.special, delimiter, self._dialect.sign)

    def _framer(
        self, read: Callable[[int], bytes], limit: int, span: int, start: Start | None = None
    ) -> Framer | ArrayFramer:
        if self._form.type == "json":
            return ArrayFramer(read, block=self._block, limit=limit)
        if self._form.type == "ndjson":
            return LineFramer(read, block=self._block, limit=limit, start=start)
        return CsvFramer(read, block=self._block, limit=limit, dialect=self._dialect, span=span, start=start)

    def _take_header(self, state: FileState, frame: Frame, head: bytes) -> Frame:
        layout = read_header(frame, self._dataset)
        if isinstance(layout, Layout):
            state.layout = layout
            raw = frame.raw(0) or b""
            if state.opening and len(raw) <= _LONGEST_HEADER:
                state.opening = Opening(state.opening.encoding, b64encode(raw).decode())
            if layout.ignored:
                state.notes.append(f"ignored columns: {_listing(layout.ignored)}")
        elif looks_like_json(head):
            state.hold(Reason("wrong_format", "the file is JSON; the dataset expects csv"))
        else:
            state.hold(layout)
        return frame.without_first()

    def _piece(self, state: FileState, frame: Frame, parser: JsonParser) -> Piece:
        failures: Failures = framing_failures(frame)
        table, rows = self._nothing, np.zeros(0, np.int64)
        if self._form.type != "csv":
            table, rows, wrong = parser.parse(frame)
            failures |= wrong
        elif state.layout is not None:
            table, rows, wrong = parse_csv(frame, state.layout, self._dataset)
            failures |= wrong
        return self._made(state, frame, table, rows, failures)

    def _made(self, state: FileState, frame: Frame, table: pa.Table, rows: Ints, failures: Failures) -> Piece:
        piece = Piece(state.number, state.passed, frame, rows, table, failures)
        count = len(frame)
        if state.input.chosen is not None and count:
            numbers = state.input.chosen.among(frame, state.passed)
            piece, count = state.input.chosen.narrowed(piece, numbers), int(np.count_nonzero(numbers >= 0))
        state.passed += len(frame)
        state.records += count
        state.unreadable += int(np.count_nonzero(frame.defects & NOT_UTF8))
        return piece

    def _passes_over(self, state: FileState, frame: Frame) -> bool:
        """Whether none of a frame's records is wanted; it is not split then."""
        chosen = state.input.chosen
        if chosen is None or not len(frame) or (chosen.among(frame, state.passed) >= 0).any():
            return False
        state.passed += len(frame)
        return True


def note_unexpected(state: FileState, unexpected: Collection[str], form: Format) -> None:
    """Hold a file, or note, for the fields that the contract does not know."""
    names = _listing(sorted(unexpected))
    if not names:
        return
    if form.unexpected_columns not in ("ignore", "quarantine"):
        message = f"the contract does not know the fields {names}. "
        fix = "Add them to it, or set `format.unexpected_columns: ignore`."
        state.hold(Reason("unexpected_column", message + fix))
    elif form.unexpected_columns == "ignore":
        state.notes.append(f"ignored fields: {names}")


def _wide(piece: Piece) -> int:
    """Count the records with more fields than there are columns."""
    return sum(reasons[0].rule == "too_many_fields" for reasons in piece.failures.values())


def _listing(names: Sequence[str]) -> str:
    """List names for a person, however many and long they are."""
    more = f" and {len(names) - _LISTED:,} others" if len(names) > _LISTED else ""
    return ", ".join(name[:_SHOWN] for name in names[:_LISTED]) + more

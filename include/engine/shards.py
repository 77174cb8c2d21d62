"""Splits a long file where records begin, so that its shards, framed apart, hold the records of the whole.

Whether a line break stands inside quotes is only known from what comes before it. So each range of the file is scouted
as if a record began at its first line (as one does, nearly always, or soon after: a malformed record costs its own line
only). Then the ranges are gone through in order: the record at which the range before ended is among those that were
found, and from it on the range is as it would be in the whole. Where it is not among them, the range is framed again
from there. Scouting is the part that can be done by many at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import numpy as np

from include.engine.evolve import evolves
from include.engine.frame import UTF_8, Framer, Ints, Start
from include.spec.dataset import Dataset
from include.spec.pipeline import Format

_BLOCK = 4 << 20
# A load job takes 10,000 files, and a shard makes two as a rule.
_MOST_RANGES = 4_000
# Of a range, the records of its first bytes are kept to be compared. If the one before ends later, it is framed anew.
_WINDOW = 128 << 10
_ENDINGS: Final = {
    ".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bzip2", ".zip": "zip",
}  # fmt: skip

MakeFramer = Callable[[Callable[[int], bytes], Start | None], Framer]
"""Makes a framer of what reads a file's bytes; with a start, from a place inside it on."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a file in which records begin.

    Args:
        start, stop: the first byte, and the one after the last.
    """

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Scouted:
    """What was found in a range, its lines counted from where framing began.

    Args:
        range: where.
        begins: where its first records begin, and, likewise, on which lines.
        lines: see `begins`.
        records: how many begin in it.
        next: the first record behind it; None at the end of the file.
    """

    range: Range
    begins: Ints
    lines: Ints
    records: int
    next: Start | None


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a file that is framed for itself.

    Args:
        start: its first record.
        stop: the byte after its last.
        ordinal: how many records of the file come before it.
        records: how many it has.
        header: bytes of the file's header, which is no record; empty: it has none.
        begins_with_header: whether it stands in this shard.
    """

    start: Start
    stop: int
    ordinal: int
    records: int
    header: bytes = b""
    begins_with_header: bool = False


def compression_of(form: Format, name: str) -> str:
    """Return a file's compression as the format says or, where that is `auto`, as the ending of its name says."""
    if form.compression != "auto":
        return form.compression
    return next((kind for ending, kind in _ENDINGS.items() if name.lower().endswith(ending)), "none")


def why_whole(dataset: Dataset, name: str) -> str:
    """Return why a file cannot be split, as far as that can be told unseen; empty: it can.

    Args:
        dataset: its format decides, and whether columns may come with a file.
        name: the file's; its ending says how it is compressed, where the format does not.
    """
    form = dataset.pipeline.format
    if form.type not in ("csv", "ndjson") or form.paths:
        return (
            f"a {form.type} file{' whose fields are found by paths' if form.paths else ''} is read from its beginning"
        )
    compression = compression_of(form, name)
    if compression != "none":
        return f"a {compression} file can only be read from its beginning"
    if form.encoding != UTF_8 or not form.delimiter.isascii():
        return "only UTF-8 with an ASCII delimiter can be read from any line on"
    if form.footer_lines:
        return "what is the footer (`format.footer_lines`) is known at the end only"
    if evolves(dataset):
        return "which columns a file brings (`unexpected_columns: evolve`) is known at its end only"
    return ""


def ranges(size: int, *, length: int) -> list[Range]:
    """Return a file's ranges, in order.

    Args:
        size: bytes of the file.
        length: bytes of each but the last; more where there would be too many.
    """
    length = max(length, math.ceil(size / _MOST_RANGES))
    return [Range(start, min(start + length, size)) for start in range(0, size, length)]


def scout(file: BinaryIO, wanted: Range, make: MakeFramer) -> Scouted:
    """Frame a range as if a record began at its first line.

    Args:
        file: can be sought in.
        wanted: the range.
        make: makes the framer.
    """
    if wanted.start == 0:
        return _frame(file, wanted, make, None)
    begin = _next_line(file, wanted, make(lambda _: b"", None).breaks)
    if begin >= wanted.stop:  # no line begins in it: not a byte more need be read
        none = np.zeros(0, np.int64)
        return Scouted(wanted, none, none, 0, None)
    return _frame(file, wanted, make, Start(begin, 1))


def resolve(
    file: BinaryIO, scouted: Iterable[Scouted], size: int, make: MakeFramer, header: bytes = b""
) -> Iterator[Shard]:
    """Yield a file's shards, one a range in which records begin.

    Args:
        file: can be sought in; read only where a range has to be framed again.
        scouted: what was found in its ranges, in order.
        size: bytes of the file.
        make: makes the framer.
        header: the file's first record, where it is its header.
    """
    at: Start | None = None
    ordinal, has_header = 0, bool(header)
    for found in scouted:
        if found.range.start and (at is None or at.offset >= found.range.stop):
            continue  # nothing begins in it: a record goes right over it
        if at is not None and (not len(found.begins) or at.offset not in found.begins):
            found = _frame(file, Range(at.offset, found.range.stop), make, at)
        if not len(found.begins):
            at = found.next
            continue
        skipped = int(np.searchsorted(found.begins, at.offset)) if at else 0
        begin = at or Start(int(found.begins[0]), int(found.lines[0]))
        shift = begin.line - int(found.lines[skipped])
        at = found.next and Start(found.next.offset, found.next.line + shift)
        records = found.records - skipped - has_header
        yield Shard(begin, at.offset if at else size, ordinal, records, header, has_header)
        ordinal, has_header = ordinal + records, False


def reading(file: BinaryIO, start: int, stop: int) -> Callable[[int], bytes]:
    """Return what reads a part of a file: as many bytes as are asked for, fewer only at its end.

    Args:
        file: can be sought in.
        start, stop: the part's first byte, and the one after its last.
    """
    file.seek(start)
    left = stop - start

    def read(size: int) -> bytes:
        nonlocal left
        data = file.read(min(size, left))
        left -= len(data)
        return data

    return read


def _next_line(file: BinaryIO, wanted: Range, breaks: tuple[bytes, ...]) -> int:
    """Return where the first line of a range begins; somewhere behind it, where none does."""
    at = wanted.start - 1
    file.seek(at)
    while at < wanted.stop and (data := file.read(_BLOCK)):
        found = [place for mark in breaks if (place := data.find(mark)) >= 0]
        if found:
            end = min(found)
            follower = data[end + 1 : end + 2] or file.read(1)
            is_pair = data[end : end + 1] + follower == b"\r\n"
            return at + end + 1 + is_pair
        at += len(data)
    return wanted.stop


def _frame(file: BinaryIO, wanted: Range, make: MakeFramer, start: Start | None) -> Scouted:
    """Frame from a place on until the range ends."""
    file.seek(start.offset if start else 0)
    seen = _Seen(wanted)
    framer = make(file.read, start)
    framer.checks_text = False
    for frame in framer.frames():
        if seen.take(frame.offsets, frame.lines):
            break
    return seen.scouted()


@dataclass
class _Seen:
    """Counts the records of a range."""

    range: Range
    begins: list[Ints] = field(default_factory=list)
    lines: list[Ints] = field(default_factory=list)
    records: int = 0
    next: Start | None = None

    def take(self, offsets: Ints, lines: Ints) -> bool:
        """Count a frame's records; returns whether the range is at its end."""
        inside = int(np.searchsorted(offsets, self.range.stop))
        near = int(np.searchsorted(offsets, self.range.start + _WINDOW))
        kept = min(inside, near or int(not self.records))
        self.begins.append(offsets[:kept])
        self.lines.append(lines[:kept])
        self.records += inside
        if inside < len(offsets):
            self.next = Start(int(offsets[inside]), int(lines[inside]))
        return self.next is not None

    def scouted(self) -> Scouted:
        """Return what was found."""
        none = np.zeros(0, np.int64)
        begins, lines = np.concatenate((none, *self.begins)), np.concatenate((none, *self.lines))
        return Scouted(self.range, begins, lines, self.records, self.next)

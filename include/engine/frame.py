"""Finds physical records in bytes before any parser sees them: a malformed record costs itself and nothing else.

What a record of NDJSON is: a line ended by LF (a CR before it is left out); lines of blanks only are none.
"""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Octets = npt.NDArray[np.uint8]

# Bits of Frame.defects; a record may have several.
DANGLING_ESCAPE: Final = 1
TEXT_AFTER_QUOTE: Final = 2
UNCLOSED_QUOTE: Final = 4
TOO_LONG: Final = 8
NUL: Final = 16
NOT_UTF8: Final = 32
OUTSIDE: Final = 64
UNFINISHED: Final = 128

LF: Final = 10
CR: Final = 13
UTF_8: Final = "utf-8"


@dataclass(slots=True)
class Frame:
    """The records found in one block.

    Args:
        data: the block.
        starts: where each record begins in the block; -1 where its bytes were skipped.
        lengths: bytes of each record, line ending left out.
        offsets: where each record begins in the decompressed file.
        lines: the 1-based physical line on which each record begins.
        defects: bits that say what is wrong with each record; 0: nothing.
        encoding: of the block's characters.
    """

    data: bytes
    starts: Ints
    lengths: Ints
    offsets: Ints
    lines: Ints
    defects: Octets
    encoding: str = UTF_8

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def size(self) -> int:
        """Bytes that the frame takes in memory."""
        return len(self.data)

    def raw(self, record: int) -> bytes | None:
        """Return a record's bytes; None where they were skipped."""
        start = int(self.starts[record])
        return None if start < 0 else self.data[start : start + int(self.lengths[record])]

    def without_first(self) -> Frame:
        """Return the frame without its first record."""
        starts, lengths, offsets = self.starts[1:], self.lengths[1:], self.offsets[1:]
        return Frame(self.data, starts, lengths, offsets, self.lines[1:], self.defects[1:], self.encoding)

    def text(self, record: int) -> bytes | None:
        """Return a record as UTF-8, if it is text; None where its bytes were skipped."""
        raw = self.raw(record)
        return raw if raw is None else to_utf8(raw, self.encoding)


def to_utf8(data: bytes, encoding: str) -> bytes:
    """Return text as UTF-8; where it is in another encoding, what is no character becomes U+FFFD."""
    return data if encoding == UTF_8 else data.decode(encoding, errors="replace").encode()


@dataclass(frozen=True, slots=True)
class Start:
    """Where a record begins inside a file.

    Args:
        offset: bytes before it.
        line: its first physical line, from 1.
    """

    offset: int
    line: int


@dataclass(slots=True)
class Cut:
    """Which lines of a block begin a record, where its content ends, what is wrong, and how many lines are decided."""

    first: Ints
    ends: Ints
    defects: Octets
    decided: int


class Framer(ABC):
    """Reads a file in blocks and cuts them into frames.

    Args:
        read: returns that many bytes, fewer only at the end of the file.
        block: bytes read at a time.
        limit: bytes of the longest record that is read.
        start: where `read` begins, if that is inside the file: no byte order mark and no preamble stand there.
    """

    breaks: tuple[bytes, ...] = (b"\n",)
    blanks = b" \t\r"  # a line of these alone is no record
    checks_text = True  # who only looks for where records begin need not know whether they are text
    _comments: tuple[bytes, ...] = ()  # a line that begins with one is no record

    def __init__(self, read: Callable[[int], bytes], *, block: int, limit: int, start: Start | None = None) -> None:
        self._read = read
        self._block = block
        self._limit = limit
        self._pending = b""
        self._ended = False
        self._is_inside = start is not None
        self._offset = start.offset if start else 0
        self._line = start.line if start else 1

    @property
    def position(self) -> int:
        """Where what is not framed yet begins in the file."""
        return self._offset

    def frames(self) -> Iterator[Frame]:
        """Yield frames that hold records, until the file ends."""
        self._fill(len(codecs.BOM_UTF8))
        if not self._is_inside:
            if self._pending.startswith(codecs.BOM_UTF8):
                self._pending = self._pending[len(codecs.BOM_UTF8) :]
                self._offset = len(codecs.BOM_UTF8)
            self._begin()
        while True:
            frame = self._frame()
            if len(frame):
                yield frame
            if self._ended and not self._pending:
                return
            if len(self._pending) - 1 > self._limit:
                yield from self._skip_line()
            else:
                self._fill()

    def _begin(self) -> None:  # noqa: B027 - most formats have nothing there
        """Pass over what stands before the first record."""

    def _fill(self, least: int = 1) -> None:
        # What is pending is looked at again with what comes: reads that grow with it keep that linear.
        have = len(self._pending)
        size = max(least, self._block, min(have, self._limit + 2 - have))
        data = self._read(size)
        self._ended = len(data) < size
        self._pending += data

    def _frame(self) -> Frame:
        data = self._pending
        octets = np.frombuffer(data, np.uint8)
        starts, ends = self._lines(octets)
        cut = self._cut(octets, starts, ends)
        used = int(starts[cut.decided]) if cut.decided < len(starts) else len(data)
        begin = starts[cut.first]
        frame = Frame(data, begin, cut.ends - begin, begin + self._offset, cut.first + self._line, cut.defects)
        is_long = frame.lengths > self._limit
        frame.defects[is_long] = TOO_LONG
        if self.checks_text:
            find_bad_text(frame, octets[:used])
        frame.starts[is_long] = -1  # as where it is longer than a block: an answer does not depend on those
        self._pending = data[used:]
        self._offset += used
        self._line += cut.decided
        return frame

    def _skip_line(self) -> Iterator[Frame]:
        """Make a record of a line longer than the limit, whose end is not in sight."""
        offset, length, last = self._offset, 0, b""
        filled, is_comment = False, self._pending[:1] in self._comments
        while True:
            found = [at for mark in self.breaks if (at := self._pending.find(mark)) >= 0]
            step = min(found, default=len(self._pending))
            last = self._pending[step - 1 : step] or last
            filled = filled or bool(self._pending[:step].strip(self.blanks))
            length += step
            self._offset += step
            self._pending = self._pending[step:]
            if found or self._ended:
                break
            self._fill()
        if last == b"\r" and b"\r" not in self.breaks:
            length -= 1
        # The line ending stays pending, as the empty rest of this very line.
        if filled and not is_comment:
            yield skipped(offset, length, self._line)

    @abstractmethod
    def _lines(self, data: Octets) -> tuple[Ints, Ints]:
        """Find where lines begin and where their content ends; the last may only begin in this block."""

    @abstractmethod
    def _cut(self, data: Octets, starts: Ints, ends: Ints) -> Cut:
        """Find the records among the lines."""


class LineFramer(Framer):
    """Frames NDJSON: a record is a line."""

    def _lines(self, data: Octets) -> tuple[Ints, Ints]:
        breaks = np.flatnonzero(data == LF)
        starts, ends = bounded(breaks, breaks + 1, len(data), self._ended)
        carried = (ends > starts[: len(ends)]) & (data[ends - 1] == CR) if len(ends) else np.zeros(0, bool)
        return starts, ends - carried

    def _cut(self, data: Octets, starts: Ints, ends: Ints) -> Cut:
        begin = starts[: len(ends)]
        filled = ends > begin
        doubtful = np.flatnonzero(filled)
        doubtful = doubtful[np.isin(data[begin[doubtful]], (9, 13, 32))]
        for line in doubtful.tolist():
            filled[line] = bool(data[begin[line] : ends[line]].tobytes().strip(b" \t\r"))
        first = np.flatnonzero(filled)
        return Cut(first, ends[first], np.zeros(len(first), np.uint8), len(ends))


def bounded(breaks: Ints, nexts: Ints, size: int, ended: bool) -> tuple[Ints, Ints]:
    """Return where lines begin and end, given where they break and where the next begins."""
    starts, ends = np.concatenate((np.zeros(1, np.int64), nexts)), breaks
    if ended and starts[-1] < size:
        ends = np.append(ends, size)
    elif ended:
        starts = starts[:-1]
    return starts, ends


def skipped(offset: int, length: int, line: int) -> Frame:
    """Make a frame of one record that was too long to be read."""
    one = np.ones(1, np.int64)
    return Frame(b"", -one, one * length, one * offset, one * line, np.full(1, TOO_LONG, np.uint8))


def find_bad_text(frame: Frame, data: Octets) -> None:
    """Mark records that hold a NUL byte or are not UTF-8.

    Args:
        frame: its records are in order.
        data: the part of the block that these records come from.
    """
    if not len(frame):
        return
    size = len(data)
    if frame.data.find(b"\0", 0, size) >= 0:
        frame.defects[_records_at(frame, np.flatnonzero(data == 0))] |= NUL
    position = _bad_utf8(frame.data, 0, size)
    while position < size:
        record = int(np.searchsorted(frame.starts, position, side="right")) - 1
        end = int(frame.starts[record] + frame.lengths[record]) if record >= 0 else 0
        if position < end and not frame.defects[record] & TOO_LONG:
            frame.defects[record] |= NOT_UTF8
        # Where a record ends, an ASCII byte stands: no character goes over it.
        position = _bad_utf8(frame.data, max(end, position + 1), size)


def _records_at(frame: Frame, positions: Ints) -> Ints:
    """The records that hold these positions; those too long to be read left out."""
    records = np.searchsorted(frame.starts, positions, side="right") - 1
    held = (records >= 0) & (positions < (frame.starts + frame.lengths)[records])
    found = records[held]
    found = found[np.append(True, np.diff(found) != 0)] if len(found) else found
    readable: Ints = found[(frame.defects[found] & TOO_LONG) == 0]
    return readable


def _bad_utf8(data: bytes, start: int, end: int) -> int:
    """Return where the first byte is that is not UTF-8; the end, where there is none."""
    try:
        codecs.utf_8_decode(memoryview(data)[start:end], "strict", True)
    except UnicodeDecodeError as error:
        return start + error.start
    return end

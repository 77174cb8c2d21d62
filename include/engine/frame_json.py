"""Finds the elements of one JSON array, block by block, never holding the array.

Every element is a record; stretches of blanks between commas are none. Each byte is looked at once: depth of
brackets, strings and escapes are carried from block to block, and an element over the limit is skipped in bounded
memory. A bracket or quote too many moves every boundary after it, so an array that is not closed, or is closed too
early, damages the file as a whole; `damage` says where.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator

import numpy as np

from include.engine.account import Reason
from include.engine.frame import OUTSIDE, TOO_LONG, UNFINISHED, Frame, Ints, Octets, find_bad_text, skipped

_BLANKS = b" \t\r\n"
_QUOTE, _BACKSLASH, _COMMA, _LF = 34, 92, 44, 10
_STEP = np.zeros(256, np.int64)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1
_MARKS = np.zeros(256, np.bool_)
_MARKS[list(b"[]{},")] = True


class ArrayFramer:
    """Reads a file that is one JSON array, and cuts it into frames.

    Args:
        read: returns that many bytes, fewer only at the end of the file.
        block: bytes read at a time.
        limit: bytes of the longest element that is read.
    """

    def __init__(self, read: Callable[[int], bytes], *, block: int, limit: int) -> None:
        self._read = read
        self._block = block
        self._limit = limit
        self._depth = 0
        self._in_string = False
        self._escaping = False
        self._open = b""  # what is read of the element that has not ended
        self._offset = 0  # of its first byte
        self._line = 1
        self._lost: _Lost | None = None
        self.damage: Reason | None = None

    @property
    def position(self) -> int:
        """Where what is not framed yet begins in the file."""
        return self._offset

    def frames(self) -> Iterator[Frame]:
        """Yield frames that hold records, until the file ends."""
        chunk = self._enter()
        while chunk:
            ends, closed = self._ends(np.frombuffer(chunk, np.uint8))
            data, shift = self._open + chunk, len(self._open)
            yield from self._cut(data, (ends + shift).tolist())
            if closed:
                yield from self._after()
                return
            self._trim()
            chunk = self._read(self._block)
        if self.damage is None:
            message = (
                f"the JSON array, begun before line {self._line}, is not closed when the file ends: a quote or bracket "
            )
            self.damage = Reason("broken_array", message + "is missing, or the file was cut off. Send it again, whole.")
            yield from self._last(UNFINISHED)

    def _enter(self) -> bytes:
        """Skip to what follows the opening bracket."""
        chunk = self._read(max(self._block, len(codecs.BOM_UTF8)))
        if chunk.startswith(codecs.BOM_UTF8):
            chunk = chunk[len(codecs.BOM_UTF8) :]
            self._offset = len(codecs.BOM_UTF8)
        while chunk and not chunk.strip(_BLANKS):
            self._pass(chunk)
            chunk = self._read(self._block)
        body = chunk.lstrip(_BLANKS)
        if not body.startswith(b"["):
            self.damage = Reason("wrong_format", "the file does not begin with a JSON array; the dataset expects json.")
            return b""
        self._pass(chunk[: len(chunk) - len(body) + 1])
        return body[1:] or self._read(self._block)

    def _pass(self, data: bytes) -> None:
        self._offset += len(data)
        self._line += data.count(b"\n")

    def _ends(self, data: Octets) -> tuple[Ints, bool]:
        """Find where elements end in a chunk, and whether the last end is the array's closing bracket."""
        quotes = self._quotes(data)
        marks = np.flatnonzero(_MARKS[data])
        outside = ((np.searchsorted(quotes, marks) + self._in_string) & 1) == 0
        marks = marks[outside]
        kinds = data[marks]
        depth = self._depth + np.cumsum(_STEP[kinds])
        below = np.flatnonzero(depth < 0)
        closed = bool(len(below))
        if closed:
            marks, kinds, depth = marks[: below[0] + 1], kinds[: below[0] + 1], depth[: below[0] + 1]
        self._in_string ^= bool(len(quotes) & 1)
        self._depth = int(depth[-1]) if len(depth) else self._depth
        return marks[((kinds == _COMMA) & (depth == 0)) | (depth < 0)], closed

    def _quotes(self, data: Octets) -> Ints:
        """Find the quotes that begin or end a string: those without an odd number of backslashes before them."""
        quotes = np.flatnonzero(data == _QUOTE)
        slashes = np.flatnonzero(data == _BACKSLASH)
        carried, self._escaping = self._escaping, False
        if not len(slashes):
            return quotes[1:] if carried and len(quotes) and quotes[0] == 0 else quotes
        begins = np.append(True, np.diff(slashes) != 1)
        first = np.maximum.accumulate(np.where(begins, np.arange(len(slashes)), 0))
        run = np.arange(len(slashes)) - first + 1 + (carried & (slashes[first] == 0))
        odd = slashes[(run & 1) == 1]
        self._escaping = bool(len(odd)) and int(odd[-1]) == len(data) - 1
        escaped = np.isin(quotes, odd + 1)
        if carried and len(quotes) and quotes[0] == 0:
            escaped[0] = True
        return quotes[~escaped]

    def _cut(self, data: bytes, stops: list[int]) -> Iterator[Frame]:
        """Yield the elements that end at these places, and keep what follows the last."""
        if stops and self._lost:
            self._lost.take(data[: stops[0]])
            yield self._lost.frame()
            self._lost = None
            self._pass(data[: stops[0] + 1])
            data, stops = data[stops[0] + 1 :], [stop - stops[0] - 1 for stop in stops[1:]]
        done = 0
        if stops:
            frame = self._frame(data, stops)
            if len(frame):
                yield frame
            done = stops[-1] + 1
        self._pass(data[:done])
        self._open = data[done:]

    def _frame(self, data: bytes, stops: list[int], defect: int = 0) -> Frame:
        starts, lengths = [], []
        begin = 0
        for stop in stops:
            body = data[begin:stop].lstrip(_BLANKS)
            if body:
                starts.append(stop - len(body))
                lengths.append(len(body.rstrip(_BLANKS)))
            begin = stop + 1
        octets = np.frombuffer(data, np.uint8)
        at, long = np.array(starts, np.int64), np.array(lengths, np.int64)
        lines = self._line + np.searchsorted(np.flatnonzero(octets == _LF), at).astype(np.int64)
        frame = Frame(data, at, long, at + self._offset, lines, np.full(len(at), defect, np.uint8))
        frame.defects[long > self._limit] = TOO_LONG
        find_bad_text(frame, octets)
        return frame

    def _trim(self) -> None:
        """Drop blanks before an element; let its bytes go once it is over the limit."""
        if self._lost is None:
            body = self._open.lstrip(_BLANKS)
            self._pass(self._open[: len(self._open) - len(body)])
            self._open = body
            if len(body.rstrip(_BLANKS)) <= self._limit and len(body) <= 2 * self._limit + self._block:
                return
            self._lost = _Lost(self._offset, self._line)
        self._lost.take(self._open)
        self._pass(self._open)
        self._open = b""

    def _after(self) -> Iterator[Frame]:
        """Check that only blanks follow the array; more is one record that stands outside of it."""
        while True:
            self._trim()
            chunk = self._read(self._block)
            if not chunk:
                break
            self._open += chunk
        if self._lost or self._open:
            line = self._lost.line if self._lost else self._line
            message = (
                f"text follows the JSON array on line {line}: a bracket is missing, or one too many. Send it again."
            )
            self.damage = Reason("broken_array", message)
            yield from self._last(OUTSIDE)

    def _last(self, defect: int) -> Iterator[Frame]:
        """Make one record of what is left."""
        if self._lost:
            self._lost.take(self._open)
            yield self._lost.frame()
        elif self._open.strip(_BLANKS):
            yield self._frame(self._open, [len(self._open)], defect)


class _Lost:
    """An element whose bytes are not kept: where it began, and how long it is, blanks at its end left out."""

    def __init__(self, offset: int, line: int) -> None:
        self.offset, self.line = offset, line
        self._length = self._blanks = 0

    def take(self, data: bytes) -> None:
        body = data.rstrip(_BLANKS)
        if body:
            self._length += self._blanks + len(body)
            self._blanks = 0
        self._blanks += len(data) - len(body)

    def frame(self) -> Frame:
        return skipped(self.offset, self._length, self.line)

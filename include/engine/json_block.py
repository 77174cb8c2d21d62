"""A block of JSON records as bytes: where their strings begin and end, and what stands at many places at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.engine.frame import Bools, Frame, Ints, Octets

LONGEST = 1 << 30  # bytes of a block; Arrow's offsets have 31 bits
_QUOTE, _BACKSLASH, _SPACE = 34, 92, 32
_SPARE = 16  # places that may be asked for after the last quote: of two keys and their values, at most


@dataclass(frozen=True, slots=True)
class Quotes:
    """Quotes of a block that begin or end a string.

    Args:
        places: where they are, in order, and some more that are none.
        first, last: of each record, which of them are its own.
    """

    places: Ints
    first: Ints
    last: Ints


class JsonBlock:
    """Some records of a frame.

    Args:
        frame: in UTF-8, not longer than LONGEST.
        rows: which of its records, in order; none has a defect.
    """

    def __init__(self, frame: Frame, rows: Ints) -> None:
        self.rows = rows
        self.begin = frame.starts[rows]
        self.end = self.begin + frame.lengths[rows]
        self._data = frame.data
        self._octets: Octets = np.frombuffer(frame.data, np.uint8)
        special = np.flatnonzero((self._octets < _SPACE) | (self._octets == _BACKSLASH))
        is_slash = self._octets[special] == _BACKSLASH
        self.escaped = self._holding(special[is_slash])
        self.marked = self._holding(special[~is_slash])
        self._literal = _after_odd(special[is_slash])
        self._outer: Quotes | None = None
        self.quotes = self._of_records(self._quotes_and(None))

    def __len__(self) -> int:
        return len(self.rows)

    def _holding(self, places: Ints) -> Bools:
        """Which records hold one of these places."""
        held = np.zeros(len(self.rows), np.bool_)
        if len(places):
            records = np.searchsorted(self.begin, places, side="right") - 1
            inside = (records >= 0) & (places < self.end[records])
            held[records[inside]] = True
        return held

    def _quotes_and(self, others: Bools | None) -> Ints:
        """Where quotes are that begin or end a string, and other bytes; and some places more, behind the end."""
        marks = np.ones(len(self._octets) + _SPARE, np.bool_)
        within = marks[:-_SPARE]
        np.equal(self._octets, _QUOTE, out=within)
        marks[self._literal[self._literal < len(within)]] = False  # a backslash makes them a character
        if others is not None:
            within |= others
        return np.flatnonzero(marks)

    def _of_records(self, quotes: Ints) -> Quotes:
        first = np.searchsorted(quotes, self.begin)
        last = np.append(first[1:], 0)
        apart = np.append(np.flatnonzero(np.diff(self.rows) != 1), len(first) - 1)
        last[apart] = np.searchsorted(quotes, self.end[apart])
        return Quotes(quotes, first, last)

    @property
    def outer_quotes(self) -> Quotes:
        """The quotes that stand in no nested object or array."""
        if self._outer is None:
            self._outer = self._of_records(self._find_outer())
        return self._outer

    def _find_outer(self) -> Ints:
        folded = self._octets | 32  # makes [ and ] into { and }
        marks = self._quotes_and((folded == 123) | (folded == 125))
        first, last = np.searchsorted(marks, self.begin), np.searchsorted(marks, self.end)
        counts = last - first
        last = np.cumsum(counts)
        marks = marks[np.arange(counts.sum()) + np.repeat(first - (last - counts), counts)]
        first = last - counts
        kinds = self._octets[marks]
        is_quote = kinds == _QUOTE
        before = np.append(0, np.cumsum(is_quote))
        within = ((before[:-1] - np.repeat(before[first], counts)) & 1) == 1
        steps = np.where(is_quote | within, 0, (kinds & 2).astype(np.int64) - 1)  # that bit is set where one opens
        depth = np.append(0, np.cumsum(steps))
        outer = marks[is_quote & (depth[:-1] - np.repeat(depth[first], counts) == 1)]
        return np.append(outer, [len(self._octets)] * _SPARE)

    def reads(self, places: Ints, text: bytes) -> Bools:
        """Whether a text stands at each of these places. Of one too near to the end, the end is looked at instead."""
        last = len(self._data) - len(text)
        if last < 0:
            return np.zeros(len(places), np.bool_)
        # One window at every byte. NumPy leaves out NULs at the end of both; no record with NUL comes here.
        windows = np.ndarray((last + 1,), f"S{len(text)}", self._data, strides=(1,))
        found: Bools = windows[np.minimum(places, last)] == text
        return found

    def texts(self, first: Ints, last: Ints, chosen: Ints) -> pa.Array:
        """Some of the texts between these places.

        Args:
            chosen: which; those must be in the block, the others may be anything.
        """
        bounds = np.empty(2 * len(first), np.int32)
        bounds[0::2], bounds[1::2] = first, last
        both = pa.StringArray.from_buffers(max(len(bounds) - 1, 0), pa.py_buffer(bounds), pa.py_buffer(self._data))
        return pc.take(both, pa.array(2 * chosen), boundscheck=False)


def _after_odd(slashes: Ints) -> Ints:
    """Where a byte stands that an odd number of backslashes comes before."""
    begins = np.append(True, np.diff(slashes) != 1)[: len(slashes)]
    places = np.arange(len(slashes))
    first = np.maximum.accumulate(np.where(begins, places, 0))
    odd: Ints = slashes[((places - first) & 1) == 0] + 1
    return odd

"""Reads lines whose fields stand at fixed positions.

What a record is: a line, ended by LF, CRLF or CR; one without any character is none. Every line has exactly the
width of the format, counted in characters: one that is shorter or longer is malformed, and costs itself alone. A
field's blanks at its end are no part of it, nor are those at its beginning unless the column is a string. What is
left is null where it is one of `format.null_values`. Characters between fields are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from include.engine.account import Reason
from include.engine.encode import UnitReader, in_file
from include.engine.evolve import NewColumns
from include.engine.frame import Cut, Frame, Ints, Octets
from include.engine.frame_csv import CsvFramer
from include.engine.records import Failure, Failures
from include.spec.dataset import Dataset
from include.spec.durations import parse_size
from include.spec.places import parse_positions


class _FixedFramer(CsvFramer):
    """Frames lines as CSV does, but that no character encloses a field."""

    def _cut(self, data: Octets, starts: Ints, ends: Ints) -> Cut:  # noqa: ARG002 - of every framer
        first = np.flatnonzero(ends > starts[: len(ends)])
        return Cut(first, ends[first], np.zeros(len(first), np.uint8), len(ends))


class FixedReader:
    """Frames and splits one file.

    Args:
        dataset: says where the fields stand.
        read: returns that many bytes, or code units, fewer only at the end of the file.
        block: bytes read at a time.
        units: what makes code units of a file that is not UTF-8.
    """

    def __init__(
        self, dataset: Dataset, read: Callable[[int], bytes], *, block: int, units: UnitReader | None = None
    ) -> None:
        form = dataset.pipeline.format
        limit = parse_size(form.max_record) // (units.encoding.width if units else 1)
        self._framer = _FixedFramer(read, block=block, limit=limit)
        self._units = units
        self._columns = dataset.source_columns
        self._places = {name: parse_positions(text) for name, text in form.positions.items()}
        self._width = form.width or max((end for _, end in self._places.values()), default=0)
        self._nulls = frozenset(form.null_values)
        self.damage: Reason | None = None
        self.unexpected: set[str] = set()
        self.new: NewColumns | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield frames that hold records, until the file ends."""
        return in_file(self._framer, self._units) if self._units else self._framer.frames()

    def parse(self, frame: Frame) -> tuple[pa.Table, Ints, Failures]:
        """Split a frame's good records; see `Fields.take`."""
        failures: Failures = {}
        rows: list[int] = []
        lines: list[str] = []
        for record in np.flatnonzero(frame.defects == 0).tolist():
            line = (frame.text(record) or b"").decode()
            if len(line) == self._width:
                rows.append(record)
                lines.append(line)
            else:
                message = f"the line has {len(line):,} characters, the format says {self._width:,}"
                failures[record] = [Failure("wrong_width", "", message)]
        columns = {column.name: self._texts(column.name, column.kind == "string", lines) for column in self._columns}
        return pa.table(columns), np.asarray(rows, np.int64), failures

    def _texts(self, name: str, is_string: bool, lines: list[str]) -> pa.Array:
        start, end = self._places[name]
        cells = [line[start:end].rstrip(" ") for line in lines]
        if not is_string:
            cells = [cell.lstrip(" ") for cell in cells]
        return pa.array([None if cell in self._nulls else cell for cell in cells], pa.string())

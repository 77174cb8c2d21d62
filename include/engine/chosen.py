"""Some records of a file, read without the others: what a replay asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from include.engine.frame import Frame, Ints
from include.engine.frame_rows import NOWHERE
from include.engine.records import Piece


@dataclass(slots=True)
class Chosen:
    """Which records of one file are wanted.

    A record is found where it begins in the decompressed file, whatever number today's contract gives it; in formats
    without such a place (Parquet, Avro), by its number.

    Args:
        records: number of each record, as it was when the file was loaded, to its byte offset.
    """

    records: Mapping[int, int]
    _places: Ints = field(init=False)
    _numbers: Ints = field(init=False)
    _found: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        places = sorted((number if offset == NOWHERE else offset, number) for number, offset in self.records.items())
        self._places = np.array([place for place, _ in places], np.int64)
        self._numbers = np.array([number for _, number in places], np.int64)

    def among(self, frame: Frame, first: int) -> Ints:
        """Return the numbers of a frame's records, -1 of those that are not wanted.

        Args:
            frame: with one record at least.
            first: records of the file before it.
        """
        has_place = int(frame.offsets[0]) != NOWHERE
        places = frame.offsets if has_place else first + np.arange(len(frame), dtype=np.int64)
        if not len(self._places):
            return np.full(len(frame), -1, np.int64)
        at = np.minimum(np.searchsorted(self._places, places), len(self._places) - 1)
        numbers: Ints = np.where(self._places[at] == places, self._numbers[at], -1)
        return numbers

    def narrowed(self, piece: Piece, numbers: Ints) -> Piece:
        """Return a piece without the rows and failures of records that are not wanted.

        Args:
            numbers: of the records of its frame, as `among` returns them.
        """
        wanted = numbers >= 0
        self._found.update(numbers[wanted].tolist())
        rows = wanted[piece.rows] if len(piece.rows) else np.zeros(0, np.bool_)
        failures = {record: reasons for record, reasons in piece.failures.items() if wanted[record]}
        table = piece.table.filter(pa.array(rows))
        return Piece(piece.file, piece.first, piece.frame, piece.rows[rows], table, failures, numbers)

    def settle(self, number: int) -> None:
        """Note that what became of a record is known."""
        self._found.add(number)

    @property
    def missing(self) -> tuple[int, ...]:
        """The records that were not found, once the file is read."""
        return tuple(sorted(self.records.keys() - self._found))

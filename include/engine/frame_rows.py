"""Records of files that have no bytes of their own for each: a record is a row, shown as JSON where it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from include.engine.frame import Frame

NOWHERE = -1  # the byte offset of what has none


@dataclass(slots=True, kw_only=True)
class RowFrame(Frame):
    """A frame of rows; its lines are row numbers, counted from 1, and its lengths those of the renderings made.

    Args:
        render: returns a row's JSON.
        held: bytes that the rows take in memory.
    """

    render: Callable[[int], str]
    held: int

    def raw(self, record: int) -> bytes | None:
        """Return a row's JSON."""
        text = self.render(record).encode()
        self.lengths[record] = len(text)
        return text

    @property
    def size(self) -> int:
        """Bytes that the frame takes in memory."""
        return self.held


def frame_rows(first: int, count: int, render: Callable[[int], str], held: int) -> RowFrame:
    """Make a frame.

    Args:
        first: rows before it in the file.
        count: its rows.
    """
    nothing = np.zeros(count, np.int64)
    numbers = np.arange(first + 1, first + 1 + count, dtype=np.int64)
    parts = (b"", nothing, nothing.copy(), nothing + NOWHERE, numbers, np.zeros(count, np.uint8))
    return RowFrame(*parts, render=render, held=held)

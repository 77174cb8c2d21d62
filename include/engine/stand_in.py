"""Lets a parser that takes ASCII delimiters only read CSV with any other: a control character stands for the delimiter.

What stands for something may be in the data, too. So a control character of the data becomes a pair of characters
beyond ASCII, and so does the first of such a pair: whatever the data hold, it can be taken back.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from include.engine.frame_csv import Dialect

_BEYOND = "\U0010fffd\U0010fffc\U0010fffb\U0010fffa"


class StandIn:
    """The sign that stands for a dialect's delimiter.

    Args:
        dialect: its delimiter may be any character.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.sign = dialect.sign
        self._swaps: list[tuple[bytes, bytes]] = []
        if self.sign != dialect.delimiter:
            first, one, other = [char for char in _BEYOND if char != dialect.delimiter][:3]
            pairs = ((first, first + one), (self.sign, first + other), (dialect.delimiter, self.sign))
            self._swaps = [(char.encode(), for_it.encode()) for char, for_it in pairs]

    def hide(self, data: pa.Buffer) -> pa.Buffer:
        """Return UTF-8 text with the sign in place of the delimiter."""
        return pa.py_buffer(self._hidden(data.to_pybytes())) if self._swaps else data

    def hide_text(self, text: str) -> str:
        """Return a text as it stands in what `hide` returns."""
        return self._hidden(text.encode()).decode()

    def _hidden(self, data: bytes) -> bytes:
        for char, for_it in self._swaps:
            data = data.replace(char, for_it)
        return data

    def show(self, table: pa.Table) -> pa.Table:
        """Return text columns with the data's own characters."""
        for place, name in enumerate(table.column_names if self._swaps else ()):
            texts = table.column(name)
            for char, for_it in reversed(self._swaps):
                if pc.any(pc.match_substring(texts, for_it)).as_py():
                    texts = pc.replace_substring(texts, for_it, char)
            table = table.set_column(place, name, texts)
        return table

"""Finds the elements of the array that stands somewhere in one JSON object, never holding the array.

What stands before and after the array is kept, up to the longest record, and read as JSON once the file has ended:
the file is well-formed as a whole, or held.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Final

from include.engine.account import Reason
from include.engine.encode import UnitReader
from include.engine.frame import Frame, to_utf8
from include.engine.frame_json import ArrayFramer
from include.engine.json_text import Defect, Reader

_TOKEN: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"|([{}\[\],:])|[^\s{}\[\],:"]+|"', re.DOTALL)


class ObjectFramer(ArrayFramer):
    """Reads a file that is one JSON object, and cuts the array at a path into frames.

    Args:
        read, block, limit: as for the array; the limit is that of the object's other parts, too.
        path: the keys that lead to the array.
        units: what makes code units of a file that is not UTF-8.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        *,
        block: int,
        limit: int,
        path: tuple[str, ...],
        units: UnitReader | None = None,
    ) -> None:
        super().__init__(read, block=block, limit=limit)
        self._units = units
        self._search = _Search(path)
        self._shell = b""

    def _enter(self) -> bytes:
        data = b""
        while True:
            chunk = self._read(self._block)
            data += chunk
            if self._offset == 0 and data.startswith(codecs.BOM_UTF8):
                data, self._offset = data[len(codecs.BOM_UTF8) :], len(codecs.BOM_UTF8)
            at = self._search.find(data, self._text)
            if at is not None:
                break
            if not chunk or len(data) > self._limit:
                where = "in its first bytes" if chunk else "in it"
                message = f"the file is no JSON object with an array at `{'.'.join(self._search.path)}` {where}"
                self.damage = Reason("wrong_format", f"{message}; `format.records` says so.")
                return b""
        self._shell = self._text(data[:at], 0)
        self._pass(data[:at])
        return data[at:] or self._read(self._block)

    def _text(self, data: bytes, skipped: int) -> bytes:
        """Return as UTF-8 what was read, so many bytes after what is framed already."""
        if self._units is None:
            return data
        return to_utf8(self._units.taken(self._offset + skipped, len(data)), self._units.encoding.name)

    def _after(self) -> Iterator[Frame]:
        rest = self._open
        while len(rest) <= self._limit and (chunk := self._read(self._block)):
            rest += chunk
        if len(rest) > self._limit:
            message = f"more than {self._limit:,} bytes follow the array of records; `format.max_record` allows no more"
            self.damage = Reason("broken_object", message)
            return
        value = Reader().read((self._shell + b"]" + self._text(rest, 0)).decode(errors="replace"))
        if isinstance(value, Defect):
            message = f"what stands around the array of records, up to line {self._line}, is wrong: {value.message}. "
            self.damage = Reason("broken_object", message + "Send the file again.")
        yield from ()


class _Search:
    """Looks for the opening bracket of the array at a path, in data that grows."""

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path
        self._keys: list[str | None] = []  # of each open bracket: the key that is read in an object; None in an array
        self._text = ""
        self._done = 0

    def find(self, data: bytes, text: Callable[[bytes, int], bytes]) -> int | None:
        """Return where the array's first byte stands; None if it has not come yet.

        Args:
            data: all that was read, as code units.
            text: given a part of it and where that begins, returns it as UTF-8.
        """
        for token in _TOKEN.finditer(data, self._done):
            if (token.end() == len(data) and token[2] is None) or token[0] == b'"':
                return None  # it may go on, or does not end yet
            self._done = token.end()
            if token[1] is not None:
                self._text = _key(text(token[0], token.start()))
            elif token[2] == b"[" and tuple(self._keys) == self.path:
                return token.end()
            elif token[2] is not None:
                self._step(token[2])
        return None

    def _step(self, mark: bytes) -> None:
        if mark == b"{":
            self._keys.append("")
        elif mark == b"[":
            self._keys.append(None)
        elif mark in b"]}" and self._keys:
            self._keys.pop()
        elif mark == b":" and self._keys:
            self._keys[-1] = self._text


def _key(text: bytes) -> str:
    value = Reader().read(text.decode(errors="replace"))
    return value if isinstance(value, str) else ""

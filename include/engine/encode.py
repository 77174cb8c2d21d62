"""Frames files that are not UTF-8 over one byte per code unit, so that places and raw bytes stay those of the file.

A framer looks for line breaks, delimiters and quotes only. So it is given one byte for each code unit (a byte of
Latin-1 or UTF-8, two bytes of UTF-16): ASCII as it is, everything else as a filler that means nothing to it. A place
it finds is then a place in the file, times the unit's width; nothing is searched for, and nothing held twice.

A delimiter that is no ASCII character is given to the framer as a stand-in, once for each of its code units: the empty
cells that it sees between them move no record's end.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from include.engine.account import Reason
from include.engine.frame import NOT_UTF8, TOO_LONG, UTF_8, Frame

_MARKS: Final = {codecs.BOM_UTF8: UTF_8, codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_WIDE: Final = ("utf-16-le", "utf-16-be")
_DECLARED: Final = re.compile(rb"""<\?xml\s[^>]*?\bencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,40})["']""")
_ONE_BYTE: Final = re.compile(r"iso8859-\d{1,2}|cp\d{3,4}|koi8-[rtu]")


class Framing(Protocol):
    """What the framers of this package have in common."""

    @property
    def position(self) -> int:
        """Where what it still holds begins."""

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the file ends."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the characters of one file are written.

    Args:
        name: as Python names it, byte order said.
        mark: bytes of the byte order mark that the file begins with.
    """

    name: str
    mark: int = 0

    @property
    def width(self) -> int:
        """Bytes of a code unit."""
        return 2 if self.name in _WIDE else 1


def encoding_of(head: bytes, declared: str, *, is_plain: bool = True) -> Encoding | Reason:
    """Return how a file is written, or why it is not what the pipeline says.

    Args:
        head: its first bytes.
        declared: `format.encoding`.
        is_plain: a framer reads UTF-8 itself, and passes over its mark.
    """
    found = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    if declared == UTF_8:
        return Encoding(UTF_8, 0 if is_plain or found != codecs.BOM_UTF8 else len(found))
    if found and (_MARKS[found] == declared or (declared == "utf-16" and _MARKS[found] in _WIDE)):
        return Encoding(_MARKS[found], len(found))
    # Two letters of Latin-1 that look like a mark of UTF-16 are no header, but may be.
    if found and (declared in ("utf-16", *_WIDE) or found == codecs.BOM_UTF8):
        return _wrong(f"the file begins with the byte order mark of {_MARKS[found].upper()}", declared)
    if declared == "utf-16":
        return _wrong("the file has no byte order mark, so that its byte order is not known", declared, _ORDER)
    if declared in _WIDE and head and 0 not in head:
        return _wrong("the file has one byte per character", declared)
    if declared not in _WIDE and _is_wide(head):
        return _wrong("the file looks like UTF-16", declared)
    return Encoding(declared)


def encoding_of_xml(head: bytes) -> Encoding:
    """Return how an XML document is written: by its mark, by its first character, or as its declaration says.

    A declaration that names what is not known here is left to Expat, which reads the file.
    """
    found = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    if found:
        return Encoding(_MARKS[found], len(found))
    for name in _WIDE:
        if head.startswith("<".encode(name)):
            return Encoding(name)
    declared = _DECLARED.match(head)
    try:
        name = codecs.lookup(declared[1].decode()).name if declared else UTF_8
    except LookupError:
        return Encoding(UTF_8)
    return Encoding(name if _ONE_BYTE.fullmatch(name) else UTF_8)


def looks_like_utf8(head: bytes) -> bool:
    """Whether a file's first bytes have characters beyond ASCII, all of them UTF-8: in Latin-1 hardly ever so."""
    try:
        text, _ = codecs.utf_8_decode(head, "strict", False)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return not text.isascii()


_ORDER: Final = "Set `format.encoding` to utf-16-le or utf-16-be."


def _is_wide(head: bytes) -> bool:
    return any(head[start::2].count(0) > len(head) // 4 for start in (0, 1))


def _wrong(what: str, declared: str, fix: str = "Send the file so, or set `format.encoding`.") -> Reason:
    return Reason("wrong_encoding", f"{what}; the dataset expects {declared}. {fix}")


class UnitReader:
    """Reads a file as one byte per code unit, and keeps its bytes until a framer is done with them.

    Args:
        read: returns that many bytes of the file, fewer only at its end.
        encoding: how it is written.
        special: the ASCII characters that mean something to the framer.
        delimiter: one that is no ASCII character, if the file has such a one.
        sign: the ASCII character that stands for each of the delimiter's code units, and for nothing else.
    """

    def __init__(
        self, read: Callable[[int], bytes], encoding: Encoding, special: bytes, delimiter: str = "", sign: str = ""
    ) -> None:
        read(encoding.mark)
        self._source = read
        self.encoding = encoding
        self._kept = bytearray()
        self.seen = 0  # bytes after the mark
        self._from = 0  # the code unit with which they begin
        self._done: Callable[[], int] | None = None
        filler = next(byte for byte in b"\x7fx.-_" if byte not in special)
        self._units = np.arange(256, dtype=np.uint8)
        self._units[128:] = filler
        self._filler = filler
        self._delimiter: list[int] = self._numbers(delimiter.encode(encoding.name)).tolist()
        self._sign = ord(sign) if delimiter else 0
        if delimiter:
            self._units[self._sign] = filler
        self._waiting = b""  # bytes that may begin a delimiter
        self._ready = b""  # code units that were read ahead

    @property
    def span(self) -> int:
        """How often the sign stands for one delimiter."""
        return max(len(self._delimiter), 1)

    def read(self, size: int) -> bytes:
        """Return that many code units, fewer only at the end of the file."""
        if self._done is not None:
            self._release(self._done())
        ended = False
        while len(self._ready) < size and not ended:
            wanted = (size - len(self._ready)) * self.encoding.width
            data = self._source(wanted)
            ended = len(data) < wanted
            self._kept += data
            self.seen += len(data)
            self._ready += self._translated(self._waiting + data, ended=ended)
        units, self._ready = self._ready[:size], self._ready[size:]
        return units

    def _numbers(self, data: bytes) -> npt.NDArray[np.uint16 | np.uint8]:
        """Return whole code units as numbers."""
        if self.encoding.width == 1:
            return np.frombuffer(data, np.uint8)
        return np.frombuffer(data[: len(data) & ~1], "<u2" if self.encoding.name == "utf-16-le" else ">u2")

    def _translated(self, data: bytes, *, ended: bool) -> bytes:
        """Return what the framer is to read of these bytes, but for an end that may be half a delimiter."""
        numbers, span = self._numbers(data), self.span
        units = self._units[np.minimum(numbers, 255)]
        begins = np.zeros(0, np.int64)
        if self._delimiter and len(numbers) >= span:
            same = [numbers[at : len(numbers) - span + at + 1] == unit for at, unit in enumerate(self._delimiter)]
            begins = np.flatnonzero(np.logical_and.reduce(same))
            for at in range(span):
                units[begins + at] = self._sign
        whole = len(numbers)
        if not ended:
            whole = max(whole - span + 1, int(begins[-1]) + span if len(begins) else 0)
        self._waiting = b"" if ended else data[whole * self.encoding.width :]
        half = len(data) % self.encoding.width if ended else 0  # which no file should end with
        return units[:whole].tobytes() + bytes([self._filler]) * half

    def keep_for(self, framer: Framing) -> None:
        """Let go, from now on, of what this framer is done with."""
        self._done = lambda: framer.position

    def _release(self, unit: int) -> None:
        del self._kept[: max(unit - self._from, 0) * self.encoding.width]
        self._from = max(unit, self._from)

    def taken(self, unit: int, count: int) -> bytes:
        """Return the bytes of code units that are still kept."""
        width = self.encoding.width
        begin = (unit - self._from) * width
        return bytes(self._kept[begin : begin + count * width])


def in_file(framer: Framing, units: UnitReader) -> Iterator[Frame]:
    """Yield a framer's frames over code units with the file's own bytes and places, and with what is no text marked."""
    units.keep_for(framer)
    for frame in framer.frames():
        yield _in_file(frame, units)


def _in_file(frame: Frame, units: UnitReader) -> Frame:
    width, mark = units.encoding.width, units.encoding.mark
    data = b""
    read = np.flatnonzero(frame.starts >= 0)
    if len(read):
        first = int(frame.offsets[read[0]] - frame.starts[read[0]])
        data = units.taken(first, len(frame.data))
    starts = np.where(frame.starts < 0, -1, frame.starts * width)
    lengths = np.minimum(frame.lengths * width, units.seen - frame.offsets * width)  # the last unit may be half one
    offsets = frame.offsets * width + mark
    found = Frame(data, starts, lengths, offsets, frame.lines, frame.defects, units.encoding.name)
    _find_bad_text(found)
    return found


def _find_bad_text(frame: Frame) -> None:
    if _is_text(frame.data[: int((frame.starts + frame.lengths).max())], frame.encoding):
        return
    for record in np.flatnonzero((frame.defects & TOO_LONG) == 0).tolist():
        if not _is_text(frame.raw(record) or b"", frame.encoding):
            frame.defects[record] |= NOT_UTF8


def _is_text(data: bytes, encoding: str) -> bool:
    try:
        codecs.decode(data, encoding, "strict")
    except UnicodeDecodeError:
        return False
    return True

"""Finds the elements of an XML file that are its records, and what they hold, while the file streams by.

- Expat reads; it is given no way to fetch anything. A document type declaration ends the file: without one there are
  no entities but the five that XML itself has, so no bomb and nothing from outside.
- A file that is not well-formed is damaged as a whole; `damage` says where, and the records before it are counted.
- A record's bytes are those from its first `<` to its last `>`. One longer than the limit is not read. One element
  inside another of the same name is part of it.
- Names count without their namespace prefix; `xmlns` and `xsi:` attributes are no data, but `xsi:nil="true"`.
- An element becomes: its text, where it has neither attributes nor elements; else an object of its attributes
  (`@name`), its elements by name (an array where a name repeats) and its text (`#text`, left out where it is blank).
  Text is kept to the last blank.
"""

from __future__ import annotations

import pyexpat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import numpy as np

from include.engine.account import Reason
from include.engine.frame import TOO_LONG, UTF_8, Frame
from include.engine.json_text import MAX_DEPTH, Defect

_SEPARATOR: Final = "\n"  # stands in no name and in no address
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_DEEPEST: Final = 1000  # elements open at a time, anywhere in a file
_STEP: Final = 1 << 16  # bytes given to Expat at a time
_LONGEST_TAG: Final = 4_000_000  # bytes; its attributes may take forty times as much memory
_SEEN: Final = 20


class _Refused(Exception):
    """Ends the reading of a file from inside a handler."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code, message)


@dataclass(slots=True, kw_only=True)
class XmlFrame(Frame):
    """A frame that holds the records' values, too; of one that has none, why."""

    values: list[dict[str, Any] | Defect] = field(default_factory=list)


@dataclass(slots=True)
class _Element:
    name: str
    parts: dict[str, Any]
    texts: list[str]
    is_nil: bool = False
    defect: Defect | None = None

    def value(self) -> Any:  # noqa: ANN401 - a text, an object or nothing
        text = "".join(self.texts)
        if self.is_nil:
            return None
        if not self.parts:
            return text
        if text.strip(" \t\r\n"):
            self.parts["#text"] = text
        return self.parts


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    line: int
    value: dict[str, Any] | Defect


class XmlFramer:
    """Reads one XML file.

    Args:
        read: returns that many bytes, fewer only at the end of the file.
        block: bytes read at a time.
        limit: bytes of the longest record that is read.
        path: names of elements, from the outside in; the last is the record's.
        encoding: of its characters, as Expat finds it, too; to find where a tag ends.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        *,
        block: int,
        limit: int,
        path: tuple[str, ...],
        encoding: str = UTF_8,
    ) -> None:
        self._read, self._block, self._limit, self._path = read, block, limit, path
        self._encoding = encoding
        self._data, self._base = b"", 0  # what is kept of the file, and where it begins
        self._fed = 0
        self._names: list[str] = []
        self._open: list[_Element] = []  # the record and the elements inside it
        self._start, self._start_line = -1, 0
        self._found: list[_Found] = []
        self._count = 0
        self._seen: dict[str, None] = {}
        self._parser = pyexpat.ParserCreate(namespace_separator=_SEPARATOR)
        self.damage: Reason | None = None

    def frames(self) -> Iterator[XmlFrame]:
        """Yield frames that hold records, until the file ends or is no XML."""
        self._watch(self._parser)
        while self.damage is None:
            chunk = self._read(self._block)
            self._data += chunk
            at = 0
            while at < len(chunk):
                # Expat looks at an open tag again with all that comes: what comes grows with it, to keep that linear.
                size = max(_STEP, self._fed - self._parser.CurrentByteIndex)
                self._feed(chunk[at : at + size])
                at += size
            if not chunk:
                self._feed(b"", last=True)
            if self._found:
                yield self._frame()
            self._forget()
            if not chunk:
                break
        self._find_nothing()
        self._watch(None)

    def _watch(self, parser: pyexpat.XMLParserType | None) -> None:
        # Handlers hold this object, which holds the parser: a ring, let go at the end of the file.
        self._parser.StartElementHandler = self._begin if parser else None
        self._parser.EndElementHandler = self._end if parser else None
        self._parser.CharacterDataHandler = self._text if parser else None
        self._parser.StartDoctypeDeclHandler = self._refuse if parser else None
        self._parser.EntityDeclHandler = self._refuse if parser else None
        self._parser.ExternalEntityRefHandler = self._refuse if parser else None
        self._parser.buffer_text = True

    def _feed(self, data: bytes, *, last: bool = False) -> None:
        if self.damage is not None:
            return
        self._fed += len(data)
        try:
            self._parser.Parse(data, last)
        except _Refused as refused:
            self.damage = refused.reason
        except pyexpat.ExpatError as error:
            what = pyexpat.ErrorString(error.code)
            where = f"line {error.lineno}, column {error.offset + 1}"
            message = f"the file is no well-formed XML: {what} at {where}, after {self._count:,} records"
            self.damage = Reason("malformed_xml", f"{message}. Send it again.")
        except (ValueError, LookupError) as error:  # an encoding that Python does not know
            self.damage = Reason("wrong_encoding", f"the file's XML declaration names an encoding: {error}")
        if self.damage is None:
            self._bound()

    def _bound(self) -> None:
        """Let go of what is not needed; a single tag or comment that goes on and on is kept by Expat."""
        if self._fed - self._parser.CurrentByteIndex > _LONGEST_TAG:
            line = self._parser.CurrentLineNumber
            message = f"a tag or comment on line {line} is longer than {_LONGEST_TAG:,} bytes, which is not read"
            self.damage = Reason("malformed_xml", message)
        elif self._open and self._parser.CurrentByteIndex - self._start > self._limit:
            self._open[0].defect = self._open[0].defect or Defect("record_too_long", "")
            self._forget()

    def _forget(self) -> None:
        """Drop the bytes before an open record, or of one that is too long to be read."""
        is_lost = bool(self._open) and self._open[0].defect is not None and self._is_long()
        keep = self._start if self._open and not is_lost else self._parser.CurrentByteIndex
        if not self._found and keep > self._base:
            self._data, self._base = self._data[keep - self._base :], keep

    def _is_long(self) -> bool:
        return self._parser.CurrentByteIndex - self._start > self._limit

    def _refuse(self, *_: object) -> NoReturn:
        message = (
            f"the file has a document type declaration or an entity on line {self._parser.CurrentLineNumber}; "
            "files with one are not read. Send it without."
        )
        raise _Refused("forbidden_xml", message)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(_SEPARATOR)[2]
        self._names.append(local)
        if len(self._names) > _DEEPEST:
            line = self._parser.CurrentLineNumber
            raise _Refused("too_deep", f"the XML is nested more than {_DEEPEST:,} levels deep on line {line}")
        if self._open:
            self._nest(_element(local, attributes))
        elif tuple(self._names[-len(self._path) :]) == self._path:
            self._start, self._start_line = self._parser.CurrentByteIndex, self._parser.CurrentLineNumber
            self._open.append(_element(local, attributes))
        elif len(self._seen) < _SEEN and len(self._names) > 1:
            self._seen[local] = None

    def _nest(self, element: _Element) -> None:
        record = self._open[0]
        if len(self._open) >= MAX_DEPTH and record.defect is None:
            record.defect = Defect("too_deep", f"the record is nested more than {MAX_DEPTH} levels deep")
        record.defect = record.defect or element.defect
        self._open.append(element)

    def _text(self, text: str) -> None:
        if self._open and self._open[0].defect is None:
            self._open[-1].texts.append(text)

    def _end(self, _: str) -> None:
        self._names.pop()
        if not self._open:
            return
        element = self._open.pop()
        if not self._open:
            self._close(element)
        elif self._open[0].defect is None:
            _add(self._open[-1].parts, element.name, element.value())

    def _close(self, record: _Element) -> None:
        start, at = self._start - self._base, self._parser.CurrentByteIndex - self._base
        is_empty = not record.parts.keys() - _attributes(record.parts) and not record.texts
        closing = "/>".encode(self._encoding)
        is_closed = is_empty and self._data[max(start, 0) : at].endswith(closing)  # Expat has passed it already
        end = at if is_closed else self._tag_end(at)
        value = record.defect or record.value()
        if isinstance(value, str):
            value = {"#text": value} if value.strip(" \t\r\n") else {}
        self._found.append(_Found(self._start, self._base + end, self._start_line, {} if value is None else value))
        self._count += 1

    def _tag_end(self, at: int) -> int:
        """Return where the tag ends that begins there, or shortly before."""
        mark = ">".encode(self._encoding)
        end = self._data.index(mark, at)
        while (end - at) % len(mark):  # halves of two characters
            end = self._data.index(mark, end + 1)
        return end + len(mark)

    def _frame(self) -> XmlFrame:
        found, self._found = self._found, []
        starts = np.array([item.start for item in found], np.int64)
        lengths = np.array([item.end - item.start for item in found], np.int64)
        lines = np.array([item.line for item in found], np.int64)
        lost = (lengths > self._limit) | (starts < self._base)
        defects = np.where(lost, TOO_LONG, 0).astype(np.uint8)
        begins = np.where(lost, -1, starts - self._base)
        values = [item.value for item in found]
        return XmlFrame(self._data, begins, lengths, starts, lines, defects, self._encoding, values=values)

    def _find_nothing(self) -> None:
        if self.damage is None and not self._count and self._seen:
            names = ", ".join(self._seen)
            message = f"the file has no element `{'.'.join(self._path)}`, which `format.records` names; it has: {names}"
            self.damage = Reason("no_records", message)


def _element(name: str, attributes: dict[str, str]) -> _Element:
    element = _Element(name, {}, [])
    for key, value in attributes.items():
        address, _, local = key.rpartition(_SEPARATOR)
        if address == _XSI:
            element.is_nil = element.is_nil or (local == "nil" and value.strip() in ("true", "1"))
        elif f"@{local}" in element.parts:
            element.defect = Defect("duplicate_key", "two attributes differ in their namespace alone")
        else:
            element.parts[f"@{local}"] = value
    return element


def _attributes(parts: dict[str, Any]) -> set[str]:
    return {name for name in parts if name.startswith("@")}


def _add(parts: dict[str, Any], name: str, value: object) -> None:
    if name not in parts:
        parts[name] = value
    elif isinstance(parts[name], list):
        parts[name].append(value)
    else:
        parts[name] = [parts[name], value]

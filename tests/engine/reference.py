"""A slow, obviously right reader of CSV: one byte after another, no blocks, no numpy; the framer must agree with it."""

from __future__ import annotations

from dataclasses import dataclass

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Record:
    """A record as the module docstring of include/engine/frame.py defines it."""

    offset: int
    length: int
    line: int
    defects: frozenset[str]
    raw: bytes
    cells: tuple[tuple[str, bool], ...] = ()  # text and whether it was quoted


class Malformed(Exception):
    """The record that begins here cannot be read."""


def read_csv(data: bytes, *, delimiter: str = ",", quote: str = '"', limit: int = 1 << 60) -> list[Record]:
    """Return the records of a file, header included."""
    position = len(BOM) if data.startswith(BOM) else 0
    line = 1
    records = []
    while position < len(data):
        line_end, after_line = end_of_line(data, position)
        if line_end == position:  # a blank line
            position, line = after_line, line + 1
            continue
        end, following, defects = frame_one(data, position, delimiter.encode(), quote.encode(), limit)
        raw = data[position:end]
        if "too_long" not in defects:
            defects |= text_defects(raw)
        cells = split(raw.decode(), delimiter, quote) if not defects else ()
        records.append(Record(position, end - position, line, frozenset(defects), raw, tuple(cells)))
        line += lines_in(data, position, following)
        position = following
    return records


def end_of_line(data: bytes, position: int) -> tuple[int, int]:
    """Return where the line's content ends and where the next line begins."""
    while position < len(data):
        if data[position : position + 2] == b"\r\n":
            return position, position + 2
        if data[position : position + 1] in (b"\r", b"\n"):
            return position, position + 1
        position += 1
    return position, position


def lines_in(data: bytes, start: int, end: int) -> int:
    """Count the line endings in a stretch."""
    count = 0
    while start < end:
        _, start = end_of_line(data, start)
        count += 1
    return count


def frame_one(data: bytes, start: int, delimiter: bytes, quote: bytes, limit: int) -> tuple[int, int, set[str]]:
    """Return the end of the record's content, the beginning of the next, and what is wrong."""
    line_end, after_line = end_of_line(data, start)
    if line_end - start > limit:
        return line_end, after_line, {"too_long"}
    try:
        end, following = walk(data, start, delimiter, quote)
    except Malformed as error:
        kind, at = error.args
        return line_end, after_line, {kind if at < line_end else "unclosed_quote"}
    if end - start > limit:
        return line_end, after_line, {"unclosed_quote"}
    return end, following, set()


def walk(data: bytes, position: int, delimiter: bytes, quote: bytes) -> tuple[int, int]:
    """Walk over one record, cell by cell."""
    while True:
        if data[position : position + 1] == quote:
            position = walk_quoted(data, position, quote)
            follower = data[position : position + 1]
            if follower not in (delimiter, b"\n", b"\r", b""):
                raise Malformed("text_after_quote", position - 1)
        else:
            while data[position : position + 1] not in (delimiter, b"\n", b"\r", b""):
                position += 1
        if data[position : position + 1] != delimiter:
            return end_of_line(data, position)
        position += 1


def walk_quoted(data: bytes, position: int, quote: bytes) -> int:
    """Return the position after the closing quote."""
    position += 1
    while position < len(data):
        if data[position : position + 1] == quote:
            if data[position + 1 : position + 2] != quote:
                return position + 1
            position += 1
        position += 1
    raise Malformed("unclosed_quote", len(data))


def text_defects(raw: bytes) -> set[str]:
    """Return what is wrong with the bytes as text."""
    found = {"nul"} if b"\0" in raw else set()
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        found.add("not_utf8")
    return found


def split(text: str, delimiter: str, quote: str) -> list[tuple[str, bool]]:
    """Split a well-formed record into cells."""
    cells, position = [], 0
    while True:
        if text[position : position + 1] == quote:
            end = position + 1
            while text[end] != quote or text[end + 1 : end + 2] == quote:
                end += 2 if text[end] == quote else 1
            cells.append((text[position + 1 : end].replace(quote * 2, quote), True))
            position = end + 1
        else:
            end = text.find(delimiter, position)
            end = len(text) if end < 0 else end
            cells.append((text[position:end], False))
            position = end
        if position >= len(text):
            return cells
        position += 1

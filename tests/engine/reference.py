"""A slow, obviously right reader of CSV: one code unit after another, no blocks, no numpy; the framer must agree."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from include.engine.frame_csv import Dialect

MARKS = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
BREAKS = ("\n", "\r", "")


@dataclass(frozen=True)
class Record:
    """A record as the module docstring of include/engine/frame_csv.py defines it."""

    offset: int
    length: int
    line: int
    defects: frozenset[str]
    raw: bytes
    cells: tuple[tuple[str, bool], ...] = ()  # text and whether it was quoted


class Malformed(Exception):
    """The record that begins here cannot be read."""


def units_of(data: bytes, encoding: str) -> str:
    """Return one character per code unit: a byte, or two bytes of UTF-16 (an odd last byte alone makes one)."""
    if not encoding.startswith("utf-16"):
        return data.decode("latin-1")
    order = "<" if encoding == "utf-16-le" else ">"
    whole = struct.unpack(f"{order}{len(data) // 2}H", data[: len(data) // 2 * 2])
    return "".join(map(chr, whole)) + ("\uffff" if len(data) % 2 else "")


def read_csv(
    data: bytes, *, dialect: Dialect | None = None, encoding: str = "utf-8", limit: int = 1 << 60
) -> list[Record]:
    """Return the records of a file, header included; the limit counts code units."""
    dialect = dialect or Dialect()
    in_units = replace(dialect, delimiter=units_of(dialect.delimiter.encode(encoding), encoding))
    mark = len(MARKS[encoding]) if encoding in MARKS and data.startswith(MARKS[encoding]) else 0
    text = units_of(data[mark:], encoding)
    width = 2 if encoding.startswith("utf-16") else 1
    text = text[: footer_start(text, dialect.footer_lines)]
    position, line = 0, 1
    while line <= dialect.skip_lines and position < len(text):
        position, line = end_of_line(text, position)[1], line + 1
    records = []
    while position < len(text):
        line_end, after_line = end_of_line(text, position)
        if line_end == position or text[position] == dialect.comment:
            position, line = after_line, line + 1
            continue
        end, following, defects = frame_one(text, position, in_units, limit)
        raw = data[mark + position * width : mark + end * width]
        if "too_long" not in defects:
            defects |= text_defects(text[position:end], raw, encoding)
        cells = split(raw.decode(encoding), dialect) if not defects else ()
        records.append(Record(mark + position * width, len(raw), line, frozenset(defects), raw, tuple(cells)))
        line += lines_in(text, position, following)
        position = following
    return records


def footer_start(text: str, lines: int) -> int:
    """Return where the last lines begin, blank ones not counted."""
    starts, position = [], 0
    while position < len(text):
        end, following = end_of_line(text, position)
        if end > position:
            starts.append(position)
        position = following
    return len(text) if lines == 0 else ([0] * lines + starts)[-lines]


def end_of_line(text: str, position: int) -> tuple[int, int]:
    """Return where the line's content ends and where the next line begins."""
    while position < len(text):
        if text[position : position + 2] == "\r\n":
            return position, position + 2
        if text[position] in "\r\n":
            return position, position + 1
        position += 1
    return position, position


def lines_in(text: str, start: int, end: int) -> int:
    """Count the line endings in a stretch."""
    count = 0
    while start < end:
        _, start = end_of_line(text, start)
        count += 1
    return count


def frame_one(text: str, start: int, dialect: Dialect, limit: int) -> tuple[int, int, set[str]]:
    """Return the end of the record's content, the beginning of the next, and what is wrong."""
    line_end, after_line = end_of_line(text, start)
    if line_end - start > limit:
        return line_end, after_line, {"too_long"}
    try:
        end, following, is_dangling = walk(text, start, dialect)
    except Malformed as error:
        kind, at = error.args
        return line_end, after_line, {kind if at < line_end else "unclosed_quote"}
    if end - start > limit:
        return line_end, after_line, {"unclosed_quote"}
    return end, following, {"dangling_escape"} if is_dangling else set()


def walk(text: str, position: int, dialect: Dialect) -> tuple[int, int, bool]:
    """Walk over one record, cell by cell; say also whether it ends in an escape."""
    while True:
        is_dangling = False
        if text[position : position + 1] == dialect.quote:
            position = walk_quoted(text, position, dialect)
            if not ends_cell(text, position, dialect):
                raise Malformed("text_after_quote", position - 1)
        else:
            while not ends_cell(text, position, dialect):
                if text[position] == dialect.escape:
                    position += 1
                    is_dangling = text[position : position + 1] in BREAKS
                if not is_dangling:
                    position += 1
        if not text.startswith(dialect.delimiter, position):
            return *end_of_line(text, position), is_dangling
        position += len(dialect.delimiter)


def ends_cell(text: str, position: int, dialect: Dialect) -> bool:
    """Whether a delimiter, a line break or the end of the file stands here."""
    return text.startswith(dialect.delimiter, position) or text[position : position + 1] in BREAKS


def walk_quoted(text: str, position: int, dialect: Dialect) -> int:
    """Return the position after the closing quote."""
    position += 1
    while position < len(text):
        if text[position] == dialect.escape and text[position + 1 : position + 2] not in BREAKS:
            position += 1
        elif text[position] == dialect.quote:
            if text[position + 1 : position + 2] != dialect.quote:
                return position + 1
            position += 1
        position += 1
    raise Malformed("unclosed_quote", len(text))


def text_defects(units: str, raw: bytes, encoding: str) -> set[str]:
    """Return what is wrong with the bytes as text."""
    found = {"nul"} if "\0" in units else set()
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        found.add("not_utf8")
    return found


def split(text: str, dialect: Dialect) -> list[tuple[str, bool]]:
    """Split a well-formed record into cells."""
    cells = [("", False)]
    position, inside = 0, False
    while position < len(text):
        char, next_char = text[position], text[position + 1 : position + 2]
        cell, quoted = cells[-1]
        if char == dialect.escape:
            cells[-1] = (cell + next_char, quoted)
            position += 1
        elif inside and char == dialect.quote == next_char:
            cells[-1] = (cell + char, quoted)
            position += 1
        elif inside and char == dialect.quote:
            inside = False
        elif not inside and char == dialect.quote and begins_cell(text, position, dialect, cells[-1]):
            cells[-1], inside = ("", True), True
        elif not inside and char == dialect.delimiter:
            cells.append(("", False))
        else:
            cells[-1] = (cell + char, quoted)
        position += 1
    return cells


def begins_cell(text: str, position: int, dialect: Dialect, cell: tuple[str, bool]) -> bool:
    """Whether nothing of the cell stands before this place."""
    return cell == ("", False) and (position == 0 or text[position - 1] != dialect.escape)

"""What is fuzzed: each target takes any bytes, and fails where the engine does not do as a simpler reader."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from include.engine.encode import Encoding, UnitReader, in_file
from include.engine.footer import FooterCutter
from include.engine.frame import NOT_UTF8, NUL, TOO_LONG, Frame, LineFramer
from include.engine.frame_csv import CsvFramer, Dialect
from include.engine.frame_json import ArrayFramer
from include.engine.json_text import Defect, Reader
from include.engine.parse_csv import parse_csv, positional_layout
from include.engine.sniff import foreign_format
from tests.engine.builder import column, dataset
from tests.engine.reference import read_csv

ENCODINGS = ("utf-8", "latin-1", "cp1252", "utf-16-le", "utf-16-be")
_KINDS = ((",", '"', None, None), ("|", "'", "\\", None), ("\t", None, "\\", "#"), (";", '"', "\\", "#"))
_HEAD = 4  # bytes that choose dialect, encoding, block and limit
_CELLS = {
    quote: dataset(column("a"), column("b"), format={"type": "csv", "header": False, "quote": quote})
    for quote in ('"', "none")
}
_READER = Reader()


def frames_csv(data: bytes) -> None:
    """The CSV framer finds what the reference reader finds, in any dialect and encoding, at any block and limit."""
    head, body = data[:_HEAD].ljust(_HEAD, b"\0"), data[_HEAD:]
    marks = _KINDS[head[0] % len(_KINDS)]
    dialect = Dialect(*marks, skip_lines=head[0] >> 6, footer_lines=(head[0] >> 4) & 3)
    encoding = ENCODINGS[head[1] % len(ENCODINGS)]
    block, limit = 1 + head[2] % 64, 1 + head[3] if head[3] % 2 else 1 << 40
    if encoding.startswith("utf-16") and body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return  # a mark is cut off before, by include/engine/encode.py
    found = []
    for frame in _csv_frames(body, dialect, encoding, block, limit):
        for n in range(len(frame)):
            found.append((int(frame.offsets[n]), int(frame.lengths[n]), int(frame.lines[n]), frame.raw(n)))
    records = read_csv(body, dialect=dialect, encoding=encoding, limit=limit)
    wanted = [(record.offset, record.length, record.line) for record in records]
    assert [place[:3] for place in found] == wanted, (dialect, encoding, block, limit)
    assert all(mine[3] in (None, theirs.raw) for mine, theirs in zip(found, records, strict=True))


def _csv_frames(body: bytes, dialect: Dialect, encoding: str, block: int, limit: int) -> list[Frame]:
    file = io.BytesIO(body)
    units = UnitReader(file.read, Encoding(encoding), dialect.special) if encoding != "utf-8" else None
    read = units.read if units else file.read
    footer = FooterCutter(read, lines=dialect.footer_lines, limit=1 << 40)
    framer = CsvFramer(footer.read if dialect.footer_lines else read, block=block, limit=limit, dialect=dialect)
    return list(in_file(framer, units) if units else framer.frames())


def parses_csv(data: bytes) -> None:
    """The parser sees as many records as the framer, and the cells that the reference reader sees."""
    quote = "none" if data[:1] > b"\x7f" else '"'
    spec, dialect = _CELLS[quote], Dialect(quote=None if quote == "none" else quote)
    for frame in CsvFramer(io.BytesIO(data[1:]).read, block=1 << 16, limit=1 << 40, dialect=dialect).frames():
        table, rows, failures = parse_csv(frame, positional_layout(spec), spec)
        good = np.flatnonzero(frame.defects == 0)
        assert len(rows) + len(failures) == len(good)
        cells = {row: tuple(pair.values()) for row, pair in zip(rows.tolist(), table.to_pylist(), strict=True)}
        for row, record in enumerate(read_csv(data[1:], dialect=dialect)):
            if row in cells:
                wanted = tuple(None if text == "" and not quoted else text for text, quoted in record.cells)
                assert cells[row] == wanted
            else:
                assert record.defects or len(record.cells) != 2


def frames_json(data: bytes) -> None:
    """The framers of NDJSON and of arrays give the same at every block, and each record is where they say."""
    block, limit, body = 1 + (data[:1] or b"\0")[0] % 32, 1 << 40, data[1:]
    if len(data) > 1 and data[1] % 4 == 0:
        limit = 1 + data[1]
    for framer in (LineFramer, ArrayFramer):
        small = _places(framer, body, block, limit)
        assert small == _places(framer, body, 1 << 16, limit)
        for offset, length, _, defects, raw in small:
            assert raw == (None if defects & TOO_LONG and raw is None else body[offset : offset + length])
            if raw is not None and not defects & TOO_LONG:
                assert bool(defects & NUL) == (b"\0" in raw)
                assert bool(defects & NOT_UTF8) != _is_utf8(raw)


def _places(framer: Callable[..., Any], body: bytes, block: int, limit: int) -> list[tuple[Any, ...]]:
    return [
        (int(frame.offsets[n]), int(frame.lengths[n]), int(frame.lines[n]), int(frame.defects[n]), _raw(frame, n))
        for frame in framer(io.BytesIO(body).read, block=block, limit=limit).frames()
        for n in range(len(frame))
    ]


def _raw(frame: Frame, record: int) -> bytes | None:
    # Whether the bytes of a record over the limit are at hand depends on the block.
    return None if frame.defects[record] & TOO_LONG else frame.raw(record)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def reads_json(data: bytes) -> None:
    """The JSON reader takes what the standard library takes, but for what it refuses by name."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    found = _READER.read(text)
    try:
        wanted = json.loads(text.strip(" \t\r\n"), parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        assert isinstance(found, Defect)
        return
    if isinstance(found, Defect):
        assert found.rule in ("duplicate_key", "encoding", "nul_byte", "too_deep"), found
    else:
        assert found == wanted


def _refuse(name: str) -> None:
    raise ValueError(name)


def sniffs(data: bytes) -> None:
    """Whatever a file begins with, the sniffer has an answer."""
    for kind in ("csv", "ndjson", "json"):
        reason = foreign_format(data, kind)  # type: ignore[arg-type]
        assert reason is None or (reason.code in ("wrong_format", "wrong_encoding") and reason.message)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (frames_csv, parses_csv, frames_json, reads_json, sniffs)
}

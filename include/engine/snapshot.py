"""A table of the warehouse as a reference travels to the function: every value as the text that is exactly it.

A snapshot is lines of JSON: first what it is and its columns' types, then one array of texts and nulls for each row,
sorted. The same rows give the same bytes, whatever order the warehouse returned them in and whatever wrote them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from include.engine.errors import TerminalReferenceError
from include.engine.json_text import to_text
from include.engine.typed_value import NotText, as_base64, plain
from include.spec.columns import Column

MAX_ROWS: Final = 500_000
MAX_BYTES: Final = 64_000_000
TYPES: Final = frozenset((
    "STRING", "INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC", "BOOL", "DATE", "DATETIME", "TIME", "TIMESTAMP", "JSON",
    "BYTES", "GEOGRAPHY",
))  # fmt: skip
_FORMAT: Final = "landfall table snapshot 1"
_CHUNK: Final = 1 << 20
_SMALLER: Final = "make a view with fewer rows or columns, and name it in enrich.with"


def check_rows(table: str, rows: int) -> None:
    """Refuse a table that is too long to be a reference.

    Raises:
        TerminalReferenceError: it has more than `MAX_ROWS` rows.
    """
    if rows > MAX_ROWS:
        message = f"table {table} has more than {MAX_ROWS:,} rows, which a reference may have: {_SMALLER}"
        raise TerminalReferenceError(message)


def write_snapshot(
    table: str, columns: Sequence[Column], types: Mapping[str, str], rows: Iterable[Sequence[Any]]
) -> bytes:
    """Write a snapshot.

    Args:
        table: dataset.table, for messages.
        columns: the contract's columns that are taken, the key first.
        types: their names to the table's types, as GoogleSQL writes them.
        rows: the table's values, in the order of the columns; not read further than a limit.

    Raises:
        TerminalReferenceError: there are too many rows or bytes, or a value is no text. No value is in the message.
    """
    head = {"format": _FORMAT, "columns": {column.name: types[column.name] for column in columns}}
    lines: list[bytes] = []
    size = 0
    for row in rows:
        check_rows(table, len(lines) + 1)
        texts = [_text(table, column, value) for column, value in zip(columns, row, strict=True)]
        lines.append(_line(texts))
        size += len(lines[-1])
        if size > MAX_BYTES:
            what = f"table {table}, columns {', '.join(types)}"
            raise TerminalReferenceError(
                f"{what}: more than {MAX_BYTES:,} bytes, which a reference may have: {_SMALLER}"
            )
    return b"".join([_line(head), *sorted(lines)])


def _line(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _text(table: str, column: Column, value: Any) -> str | None:  # noqa: ANN401 - a table's types are its own
    if isinstance(value, float):
        return repr(value).removesuffix(".0")  # a whole one fits an integer column, as one of a Parquet file does
    part = plain(value)
    if column.string_format == "byte":
        part = as_base64(part) or part
    if isinstance(part, NotText):
        fix = "declare it with logicalTypeOptions.format: byte, which is base64, or leave it out"
        raise TerminalReferenceError(f"table {table}, column {column.name}: holds bytes that are not UTF-8; {fix}")
    if isinstance(part, (dict, list)) and column.kind not in ("object", "array"):
        what = "an object" if isinstance(part, dict) else "an array"
        message = f"holds {what} where the contract has one {column.kind} value; take its parts in a view"
        raise TerminalReferenceError(f"table {table}, column {column.name}: {message}")
    text = to_text(part)
    if text is not None and "\0" in text:
        message = "holds a NUL character, which no text here may; remove it, or leave it out by a view"
        raise TerminalReferenceError(f"table {table}, column {column.name}: {message}")
    return text


def read_snapshot(path: Path) -> tuple[pa.Table, dict[str, str]] | None:
    """Read a snapshot.

    Returns:
        its texts, and the types that its columns have in the table; None where the file is no snapshot.

    Raises:
        TerminalReferenceError: it is one, and damaged.
    """
    with path.open("rb") as file:
        types = _types(file.readline(_CHUNK))
        if types is None:
            return None
        schema = pa.schema([(name, pa.string()) for name in types])
        parts = [schema.empty_table()]
        try:
            while lines := file.readlines(_CHUNK):
                cells = zip(*map(json.loads, lines), strict=True)
                parts.append(pa.table([pa.array(texts, pa.string()) for texts in cells], schema=schema))
        except (ValueError, TypeError) as error:
            raise TerminalReferenceError("the snapshot of the reference table is damaged; plan the run anew") from error
    return pa.concat_tables(parts), types


def _types(line: bytes) -> dict[str, str] | None:
    try:
        head = json.loads(line)
    except ValueError:
        return None
    return dict(head["columns"]) if isinstance(head, dict) and head.get("format") == _FORMAT else None

"""The function of a hundred blog posts: the csv or json module, checks row by row, Parquet at the end of a batch."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.engine_data import SCHEMA
from tests.bench.peers.common import NAMES, Found, typed

BATCH = 50_000


def csv_rows(source: str) -> Iterator[tuple[int, str | None, dict[str, str] | None]]:
    """Yield line, text and cells; None where there is nothing to read."""
    with open(source, newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.reader(file)
        next(reader)
        line = reader.line_num
        for cells in reader:
            if cells:
                fits = len(cells) == len(NAMES) and not any("�" in cell for cell in cells)
                yield line + 1, ",".join(cells), dict(zip(NAMES, cells, strict=True)) if fits else None
            line = reader.line_num


def json_rows(source: str) -> Iterator[tuple[int, str | None, dict[str, str] | None]]:
    """Yield line, text and fields as text."""
    with open(source, "rb") as file:
        for line, raw in enumerate(file, 1):
            if not raw.strip():
                continue
            text = raw.rstrip(b"\n").decode("latin-1")
            try:
                row = json.loads(raw, parse_float=str, parse_int=str)
                cells = {name: row[name] if isinstance(row[name], str) else _text(row[name]) for name in NAMES}
            except (ValueError, KeyError, TypeError):
                cells = None
            yield line, text, cells


def _text(value: object) -> str:
    return "" if value is None else "true" if value is True else "false" if value is False else str(value)


def main(source: str, out: str) -> None:
    """Read, check and write."""
    found, seen, rows = Found(out), set(), []
    schema = SCHEMA.remove(len(SCHEMA) - 1)
    with pq.ParquetWriter(f"{out}/good-00000.parquet", schema) as writer:
        for line, raw, cells in json_rows(source) if source.endswith(".ndjson") else csv_rows(source):
            try:
                row = typed(cells) if cells else None
            except ValueError:
                row = None
            if row is None or row[0] in seen:
                found.add(line, raw)
                continue
            seen.add(row[0])
            rows.append(row)
            if len(rows) == BATCH:
                _write(writer, schema, rows)
                rows = []
        if rows:
            _write(writer, schema, rows)
    found.close()


def _write(writer: pq.ParquetWriter, schema: pa.Schema, rows: list[tuple[object, ...]]) -> None:
    columns = zip(*rows, strict=True)
    writer.write_table(pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema))


if __name__ == "__main__":
    main(*sys.argv[1:])

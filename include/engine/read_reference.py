"""Reads a reference's cells as texts: a CSV file, or the snapshot of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from include.engine.errors import TerminalReferenceError
from include.engine.frame_csv import CsvFramer
from include.engine.parse_csv import split_records
from include.engine.records import framing_failures
from include.engine.snapshot import read_snapshot
from include.spec.pipeline import Enrich, Format

_FORM = Format(type="csv")
_LIMIT = 1 << 24


@dataclass(frozen=True, slots=True)
class Cells:
    """A reference as it was read.

    Args:
        texts: a column for each name asked for.
        lines: of each row in its file; empty where the rows are a table's.
        types: names of the columns to their types in the warehouse; empty where there is no table.
    """

    texts: pa.Table
    lines: list[int] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)


def read_cells(path: Path, enrich: Enrich, names: list[str]) -> Cells:
    """Read some columns of a reference.

    Args:
        path: the file; for a table its snapshot, or a CSV file that stands for it.
        names: the columns.

    Raises:
        TerminalReferenceError: it is malformed, or lacks a column.
    """
    found = read_snapshot(path) if enrich.table else None
    if found is None:
        return Cells(*_read_csv(path, enrich, names))
    texts, types = found
    _refuse_lacking(enrich, names, list(types))
    return Cells(texts.select(names), types=types)


def _refuse_lacking(enrich: Enrich, names: list[str], there: Sequence[str | None]) -> None:
    lacking = [name for name in names if name not in there]
    if lacking:
        raise TerminalReferenceError(f"{enrich.with_} lacks the columns {', '.join(lacking)}.")


def _read_csv(path: Path, enrich: Enrich, names: list[str]) -> tuple[pa.Table, list[int]]:
    rows: list[list[str | None]] = []
    lines: list[int] = []
    with path.open("rb") as file:
        for frame in CsvFramer(file.read, block=1 << 20, limit=_LIMIT).frames():
            for record, reasons in framing_failures(frame).items():
                where = f"{enrich.with_}, line {frame.lines[record]}"
                raise TerminalReferenceError(f"{where}: {reasons[0].message}. Mend the reference file.")
            for record in range(len(frame)):
                cells = next(split_records(frame.raw(record) or b"", _FORM))
                rows.append([cell or None for cell in cells])
                lines.append(int(frame.lines[record]))
    header = rows[0] if rows else []
    _refuse_lacking(enrich, names, header)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise TerminalReferenceError(
                f"{enrich.with_}, line {line}: {len(row)} cells, the header has {len(header)}."
            )
    columns = {name: pa.array([row[header.index(name)] for row in rows[1:]], pa.string()) for name in names}
    return pa.table(columns), lines[1:]

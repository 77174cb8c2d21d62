"""Splits framed, well-formed CSV records into text columns, by the names in the header."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from include.engine.account import Reason
from include.engine.evolve import EXTRA, NewColumns, evolves, extras_of_cells
from include.engine.frame import Frame, Ints, to_utf8
from include.engine.frame_csv import Dialect
from include.engine.records import Failure, Failures, shown
from include.engine.stand_in import StandIn
from include.spec.dataset import Dataset
from include.spec.pipeline import Format

_LISTED = 50
_SPARE = 100


@dataclass(frozen=True, slots=True)
class Layout:
    """Which cell of a file's records is which column.

    Args:
        width: cells of a record.
        cells: position of the cell of each source column, in the order of the source columns.
        ignored: names in the header that the contract does not know.
        names: the columns' names, per cell; None: no column of the contract.
        spare: fields that a record may have after its last column; they are left out.
        extra: cells that become columns though the contract does not know them, and these columns' names.
        new: these columns.
    """

    width: int
    cells: tuple[int, ...]
    ignored: tuple[str, ...]
    names: tuple[str | None, ...]
    spare: int = 0
    extra: tuple[tuple[int, str], ...] = ()
    new: NewColumns | None = field(default=None, compare=False)


def positional_layout(dataset: Dataset) -> Layout:
    """The layout of a file without a header: the source columns in the contract's order."""
    names = tuple(column.name for column in dataset.source_columns)
    spare = _SPARE if dataset.pipeline.format.unexpected_columns == "ignore" else 0
    return Layout(len(names), tuple(range(len(names))), (), names, spare)


def too_wide(wide: int, records: int, dataset: Dataset) -> Reason | None:
    """Say that a file without a header has more columns than the contract, where most of its records have."""
    form = dataset.pipeline.format
    if form.type != "csv" or form.header or form.unexpected_columns != "fail" or wide * 2 <= records:
        return None
    count = len(dataset.source_columns)
    message = f"{wide:,} of {records:,} records have more fields than the contract's {count} columns. "
    return Reason("unexpected_column", message + "Add them to it, or set `format.unexpected_columns: ignore`.")


def read_header(frame: Frame, dataset: Dataset) -> Layout | Reason:
    """Match the first record's names with the dataset's source columns.

    Returns:
        the layout, or why the file is held.
    """
    raw = frame.text(0)
    if frame.defects[0] or raw is None:
        return Reason("malformed_header", "the header cannot be read: mend its quotes and its encoding")
    theirs = next(split_records(raw, dataset.pipeline.format), [])
    ours = [dataset.pipeline.format.rename.get(name, name) for name in theirs]
    return _match(theirs, ours, dataset)


def _match(theirs: list[str], ours: list[str], dataset: Dataset) -> Layout | Reason:
    wanted = [column.name for column in dataset.source_columns]
    found = _listing(theirs, ours, dataset)
    missing = [name for name in wanted if name not in ours]
    if missing:
        names = ", ".join(_their_name(name, dataset) for name in missing)
        return Reason("missing_column", f"the header lacks {names}. It has: {found}.")
    doubled = [name for name, count in Counter(ours).items() if count > 1 and (name in wanted or name)]
    if doubled:
        return Reason(
            "duplicate_column",
            f"the header names {', '.join(map(shown, doubled[:_LISTED]))} more than once. It has: {found}.",
        )
    unknown = tuple(name for name, our in zip(theirs, ours, strict=True) if our not in wanted)
    if unknown and evolves(dataset):
        return _evolved(theirs, ours, dataset)
    if unknown and dataset.pipeline.format.unexpected_columns != "ignore":
        message = f"the contract does not know the columns {', '.join(map(shown, unknown[:_LISTED]))}. "
        return Reason("unexpected_column", message + "Add them to it, or set `format.unexpected_columns: ignore`.")
    names_ = tuple(our if our in wanted else None for our in ours)
    return Layout(len(ours), tuple(ours.index(name) for name in wanted), unknown, names_)


def _evolved(theirs: list[str], ours: list[str], dataset: Dataset) -> Layout | Reason:
    wanted = [column.name for column in dataset.source_columns]
    new = NewColumns(dataset)
    extra = tuple((cell, new.name(theirs[cell])) for cell, our in enumerate(ours) if our not in wanted)
    if new.reason:
        return new.reason
    names = tuple(our if our in wanted else None for our in ours)
    return Layout(len(ours), tuple(ours.index(name) for name in wanted), (), names, extra=extra, new=new)


def _their_name(name: str, dataset: Dataset) -> str:
    for theirs, ours in dataset.pipeline.format.rename.items():
        if ours == name:
            return f'"{theirs}" (for {name})'
    return f'"{name}"'


def _listing(theirs: list[str], ours: list[str], dataset: Dataset) -> str:
    """List a header's names. Where columns are masked, unknown ones are not shown: a lost header is a row of data."""
    known = {column.name for column in dataset.columns}
    safe = [their for their, our in zip(theirs, ours, strict=True) if not dataset.pipeline.mask or our in known]
    text = ", ".join(shown(name) for name in safe[:_LISTED]) or "none of the contract's columns"
    hidden = len(theirs) - len(safe[:_LISTED])
    return f"{text} and {hidden} others" if hidden else text


def split_records(raw: bytes, form: Format) -> Iterator[list[str]]:
    """Split well-formed records, in UTF-8, into cells, one at a time (for headers and for what people read)."""
    import csv
    import io

    csv.field_size_limit(1 << 30)
    text = io.StringIO(raw.decode(errors="replace"), newline="")
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if form.quoting else csv.QUOTE_NONE
    return csv.reader(
        text, delimiter=form.delimiter, quotechar=form.quoting, quoting=quoting, escapechar=form.escape, strict=True
    )


def parse_csv(frame: Frame, layout: Layout, dataset: Dataset) -> tuple[pa.Table, Ints, Failures]:
    """Split a frame's good records.

    Returns:
        the text columns, which record each row is, and the records that have the wrong number of cells.
    """
    good = np.flatnonzero(frame.defects == 0)
    names = [column.name for column in dataset.source_columns]
    failures: Failures = {}
    if not len(good):
        return pa.table({name: pa.array([], pa.string()) for name in names}), good, failures
    wrong: list[int] = []
    wider: dict[int, list[int]] = {}

    def refuse(row: arrow_csv.InvalidRow) -> str:
        wrong.append(row.number - 1)
        if layout.width < row.actual_columns <= layout.width + layout.spare:
            wider.setdefault(row.actual_columns, []).append(int(good[row.number - 1]))
            return "skip"
        rule = "too_few_fields" if row.actual_columns < row.expected_columns else "too_many_fields"
        who = "header" if dataset.pipeline.format.header else "contract"
        message = f"the record has {row.actual_columns} fields, the {who} has {row.expected_columns}"
        failures[int(good[row.number - 1])] = [Failure(rule, "", message)]
        return "skip"

    table = _read(contiguous(frame, good), layout, dataset.pipeline.format, refuse)
    extra = extras_of_cells(table, layout.extra) if layout.extra else None
    table = table.select([f"c{cell}" for cell in layout.cells]).rename_columns(names)
    table = table if extra is None else table.append_column(EXTRA, extra)
    rows = np.delete(good, wrong)
    if len(rows) != table.num_rows:  # the parser and the framer must see the same records
        raise AssertionError(f"framed {len(rows)} records, parsed {table.num_rows}")
    if wider:
        table, rows = _with_wider(frame, layout, dataset.pipeline.format, wider, table, rows)
    return table, rows, failures


def _with_wider(
    frame: Frame, layout: Layout, form: Format, wider: dict[int, list[int]], table: pa.Table, rows: Ints
) -> tuple[pa.Table, Ints]:
    """Put the records with fields to spare, read width by width, where they stand among the others."""
    tables, places = [table], [rows]
    for width, records in wider.items():
        group = np.array(records, np.int64)
        as_wide = replace(layout, width=width)
        found = _read(contiguous(frame, group), as_wide, form, None)
        tables.append(found.select([f"c{cell}" for cell in layout.cells]).rename_columns(table.column_names))
        places.append(group)
    every = np.concatenate(places)
    order = np.argsort(every)
    return pa.concat_tables(tables).take(pa.array(order)), every[order]


def _read(data: pa.Buffer, layout: Layout, form: Format, refuse: object | None) -> pa.Table:
    stand_in = StandIn(Dialect(form.delimiter, form.quoting, form.escape, form.comment))
    data = stand_in.hide(data)
    names = [f"c{cell}" for cell in range(layout.width)]
    taken = [f"c{cell}" for cell in sorted((*layout.cells, *(cell for cell, _ in layout.extra)))]
    read = arrow_csv.ReadOptions(use_threads=False, column_names=names, block_size=max(data.size + 16, 1 << 16))
    parse = arrow_csv.ParseOptions(
        delimiter=stand_in.sign,
        quote_char=form.quoting or False,
        double_quote=bool(form.quoting),
        escape_char=form.escape or False,
        newlines_in_values=True,
        ignore_empty_lines=True,
        invalid_row_handler=refuse,
    )
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(taken, pa.string()),
        include_columns=taken,
        strings_can_be_null=True,
        null_values=[stand_in.hide_text(value) for value in form.null_values],
        quoted_strings_can_be_null=False,
        check_utf8=False,
    )
    if memoryview(data)[: len(BOM_UTF8)].tobytes() == BOM_UTF8:
        # Arrow takes one away from the beginning; here, where a block begins, it is a record's own.
        data = pa.py_buffer(BOM_UTF8 + data.to_pybytes())
    return stand_in.show(arrow_csv.read_csv(pa.BufferReader(data), read, parse, convert))


def contiguous(frame: Frame, good: Ints) -> pa.Buffer:
    """The bytes of the good records, one after another, without what stands between them."""
    view = memoryview(frame.data)
    ends = frame.starts + frame.lengths
    longest = len("\r\n".encode(frame.encoding))
    # More than a line break between two records is a blank line, which the parser skips, or a comment, which it reads.
    between = frame.starts[good[1:]] - ends[good[:-1]]
    gaps = np.flatnonzero((np.diff(good) != 1) | (between > longest))
    first, last = good[np.append(0, gaps + 1)], good[np.append(gaps, len(good) - 1)]
    runs = zip(frame.starts[first].tolist(), ends[last].tolist(), strict=True)
    line_break = "\n".encode(frame.encoding)
    parts = [part for start, end in runs for part in (view[start:end], line_break)]
    return pa.py_buffer(to_utf8(b"".join(parts), frame.encoding))

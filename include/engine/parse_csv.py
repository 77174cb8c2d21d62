"""Splits framed, well-formed CSV records into text columns, by the names in the header."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from include.engine.account import Reason
from include.engine.frame import Frame, Ints
from include.engine.records import Failure, Failures, shown
from include.spec.dataset import Dataset
from include.spec.pipeline import Format

_LISTED = 50


@dataclass(frozen=True, slots=True)
class Layout:
    """Which cell of a file's records is which column.

    Args:
        width: cells of a record.
        cells: position of the cell of each source column, in the order of the source columns.
        ignored: names in the header that the contract does not know.
        names: the columns' names, per cell; None: no column of the contract.
    """

    width: int
    cells: tuple[int, ...]
    ignored: tuple[str, ...]
    names: tuple[str | None, ...]


def positional_layout(dataset: Dataset) -> Layout:
    """The layout of a file without a header: the source columns in the contract's order."""
    names = tuple(column.name for column in dataset.source_columns)
    return Layout(len(names), tuple(range(len(names))), (), names)


def read_header(frame: Frame, dataset: Dataset) -> Layout | Reason:
    """Match the first record's names with the dataset's source columns.

    Returns:
        the layout, or why the file is held.
    """
    raw = frame.raw(0)
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
            "duplicate_column", f"the header names {', '.join(doubled[:_LISTED])} more than once. It has: {found}."
        )
    unknown = tuple(name for name, our in zip(theirs, ours, strict=True) if our not in wanted)
    if unknown and dataset.pipeline.format.unexpected_columns != "ignore":
        message = f"the contract does not know the columns {', '.join(map(shown, unknown[:_LISTED]))}. "
        return Reason("unexpected_column", message + "Add them to it, or set `format.unexpected_columns: ignore`.")
    names_ = tuple(our if our in wanted else None for our in ours)
    return Layout(len(ours), tuple(ours.index(name) for name in wanted), unknown, names_)


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
    """Split well-formed records into cells, one at a time (for headers and for what people read)."""
    import csv
    import io

    csv.field_size_limit(1 << 30)
    text = io.StringIO(raw.decode(errors="replace"), newline="")
    return csv.reader(text, delimiter=form.delimiter, quotechar=form.quote, doublequote=True, strict=True)


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

    def refuse(row: arrow_csv.InvalidRow) -> str:
        wrong.append(row.number - 1)
        rule = "too_few_fields" if row.actual_columns < row.expected_columns else "too_many_fields"
        message = f"the record has {row.actual_columns} fields, the header has {row.expected_columns}"
        failures[int(good[row.number - 1])] = [Failure(rule, "", message)]
        return "skip"

    table = _read(contiguous(frame, good), layout, dataset.pipeline.format, refuse)
    table = table.select([f"c{cell}" for cell in layout.cells]).rename_columns(names)
    rows = np.delete(good, wrong)
    if len(rows) != table.num_rows:  # the parser and the framer must see the same records
        raise AssertionError(f"framed {len(rows)} records, parsed {table.num_rows}")
    return table, rows, failures


def _read(data: pa.Buffer, layout: Layout, form: Format, refuse: object) -> pa.Table:
    names = [f"c{cell}" for cell in range(layout.width)]
    taken = [f"c{cell}" for cell in sorted(layout.cells)]
    read = arrow_csv.ReadOptions(use_threads=False, column_names=names, block_size=max(data.size + 16, 1 << 16))
    parse = arrow_csv.ParseOptions(
        delimiter=form.delimiter,
        quote_char=form.quote,
        double_quote=True,
        newlines_in_values=True,
        ignore_empty_lines=True,
        invalid_row_handler=refuse,
    )
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(taken, pa.string()),
        include_columns=taken,
        strings_can_be_null=True,
        null_values=list(form.null_values),
        quoted_strings_can_be_null=False,
        check_utf8=False,
    )
    return arrow_csv.read_csv(pa.BufferReader(data), read, parse, convert)


def contiguous(frame: Frame, good: Ints) -> pa.Buffer:
    """The bytes of the good records, one after another, without what stands between them."""
    view = memoryview(frame.data)
    ends = frame.starts + frame.lengths
    gaps = np.flatnonzero(np.diff(good) != 1)
    first, last = good[np.append(0, gaps + 1)], good[np.append(gaps, len(good) - 1)]
    runs = zip(frame.starts[first].tolist(), ends[last].tolist(), strict=True)
    parts = [part for start, end in runs for part in (view[start:end], b"\n")]
    return pa.py_buffer(b"".join(parts))

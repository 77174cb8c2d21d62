"""Columns that a file brings and its contract does not know: their names, their values, and how they reach the parts.

Unknown fields travel beside a block of rows as one map a row, from a column's name to the field's text, and become
columns of the good parts once every file of the batch is read.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.engine.account import EvolvedColumn, Reason
from include.engine.frame import Ints
from include.engine.json_text import to_text
from include.engine.records import shown
from include.spec.dataset import Dataset

EXTRA: Final = "_landfall_evolved"
EXTRA_TYPE: Final = pa.map_(pa.string(), pa.string())
# of a file, and of a batch: what a person can look through, and what a table has room for
MAX_OF_FILE, MAX_OF_BATCH = 50, 500
_LONGEST = 300
_FIX = "Add the column to the contract, map its name with `format.rename`, or set `format.unexpected_columns: ignore`."


def evolves(dataset: Dataset) -> bool:
    """Whether unknown fields of a dataset's files become columns."""
    return dataset.pipeline.format.unexpected_columns == "evolve"


def column_name(theirs: str) -> str:
    """Return the name that a field has in the warehouse; it follows from the field's name alone.

    Lower case, for BigQuery does not tell cases apart; accents go, all that is no letter or digit becomes `_`; a name
    that does not begin with a letter gets an `x` before it. What cannot be written in ASCII, or is too long, ends in
    eight digits of the whole name's SHA-256.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", theirs) if not unicodedata.combining(c)).lower()
    name = re.sub(r"[^a-z0-9_]", "_", plain)
    name = name if name[:1].isalpha() else f"x{name}"
    if plain.isascii() and len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9]}_{hashlib.sha256(theirs.encode(errors='replace')).hexdigest()[:8]}"


class NewColumns:
    """The unknown fields of one file.

    Args:
        dataset: its columns are those that are known, made ones too.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._known = {column.name.lower() for column in dataset.columns}
        self._names: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        self._nested: set[str] = set()
        self.reason: Reason | None = None

    def name(self, theirs: str, *, nested: bool = False) -> str:
        """Return a field's column, which is noted as one of the file's; what is wrong with it is told in `reason`."""
        name = self._names.get(theirs)
        if name is None:
            name = self._names[theirs] = column_name(theirs)
            self._refuse(theirs, name)
            self._sources.setdefault(name, theirs)
        if nested:
            self._nested.add(name)
        return name

    def _refuse(self, theirs: str, name: str) -> None:
        if not theirs.strip():
            self._hold("unexpected_column", "a column has no name, so none can be made of it. Name it in the file")
        elif name in self._known:
            what = f"the field {shown(theirs)} would become the column {name}, which the contract has for another"
            self._hold("column_clash", f"{what}. {_FIX}")
        elif name in self._sources:
            what = f"the fields {shown(self._sources[name])} and {shown(theirs)} would both become the column {name}"
            self._hold("column_clash", f"{what}. {_FIX}")
        elif len(self._sources) >= MAX_OF_FILE:
            what = f"the file has more than {MAX_OF_FILE} columns that the contract does not know"
            self._hold("too_many_columns", f"{what}. {_FIX}")

    def _hold(self, code: str, message: str) -> None:
        self.reason = self.reason or Reason(code, message)

    def take(self, other: NewColumns) -> None:
        """Note another part's unknown fields as this file's, too."""
        for theirs, name in other._names.items():
            self.name(theirs, nested=name in other._nested)

    def columns(self, file_id: str) -> list[EvolvedColumn]:
        """Return the file's new columns, in the order in which they were met."""
        return [
            EvolvedColumn(name, "JSON" if name in self._nested else "STRING", (theirs,), (file_id,))
            for name, theirs in self._sources.items()
        ]


class Evolution:
    """The new columns of a batch: those of its accepted files."""

    def __init__(self) -> None:
        self._columns: dict[str, EvolvedColumn] = {}

    def admit(self, columns: Sequence[EvolvedColumn]) -> Reason | None:
        """Take an accepted file's new columns, all or none of them.

        Returns:
            why the file is to be held: the batch has too many.
        """
        fresh = [column.name for column in columns if column.name not in self._columns]
        if len(self._columns) + len(fresh) > MAX_OF_BATCH:
            what = f"with this file the batch would bring more than {MAX_OF_BATCH} columns the contract does not know"
            return Reason("too_many_columns", f"{what}. {_FIX}")
        for column in columns:
            known = self._columns.get(column.name)
            self._columns[column.name] = known.joined(column) if known else column
        return None

    @property
    def columns(self) -> tuple[EvolvedColumn, ...]:
        """The columns, in the order of their names."""
        return tuple(self._columns[name] for name in sorted(self._columns))


def extras_of_cells(table: pa.Table, cells: Sequence[tuple[int, str]]) -> pa.Array:
    """Return the map of each row of a parsed CSV block.

    Args:
        table: its columns are called `c0`, `c1`…
        cells: which of them are new, and their columns' names.
    """
    return extras_of_columns(
        table.select([f"c{cell}" for cell, _ in cells]).rename_columns([name for _, name in cells])
    )


def extras_of_columns(table: pa.Table) -> pa.Array:
    """Return the map of each row, given the new columns by their names."""
    rows, width = table.num_rows, table.num_columns
    found = [column.combine_chunks() for column in table.columns]
    order = np.arange(rows * width).reshape(width, rows).T.ravel()
    values = pa.concat_arrays([pa.array([], pa.string()), *found]).take(pa.array(order))
    names = pa.array(table.column_names, pa.string()).take(pa.array(np.tile(np.arange(width), rows)))
    offsets = np.arange(0, rows * width + 1, width) if width else np.zeros(rows + 1)
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), names, values)


def extras_of_values(records: Iterable[Mapping[str, Any]], known: Container[str], new: NewColumns) -> pa.Array:
    """Return the map of each record, given its fields as JSON holds them; one that is null makes no column."""
    maps = []
    for record in records:
        fields = {key: part for key, part in record.items() if part is not None and key not in known}
        if new.reason:  # the file is held
            fields = {}
        maps.append(
            {new.name(key, nested=isinstance(part, dict | list)): to_text(part) for key, part in fields.items()}
        )
    return extras_of_fields(maps)


def extras_of_fields(records: Iterable[Mapping[str, str | None]]) -> pa.Array:
    """Return the map of each record, given as a mapping from column to text."""
    return pa.array([list(record.items()) for record in records], EXTRA_TYPE)


def part(table: pa.Table) -> tuple[pa.Table, pa.ChunkedArray | None]:
    """Part a block's known columns from the map of its unknown fields; None where no file had any."""
    if EXTRA not in table.column_names:
        return table, None
    return table.drop_columns([EXTRA]), table.column(EXTRA)


def rejoin(good: pa.Table, extras: pa.ChunkedArray | None, rows: Ints) -> pa.Table:
    """Give good rows back the map of their unknown fields; `rows` says which row of the block each was."""
    kept = pa.nulls(good.num_rows, EXTRA_TYPE) if extras is None else extras.take(pa.array(rows))
    return good.append_column(EXTRA, kept)


def spread(table: pa.Table, names: Sequence[str]) -> list[pa.ChunkedArray]:
    """Return a column for each name, of rows that carry their map."""
    return [pc.map_lookup(table.column(EXTRA), pa.scalar(name), "first") for name in names]

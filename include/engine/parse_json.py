"""Splits framed JSON records into text columns: the exact text of scalars, the JSON text of objects and arrays.

A JSON string counts by its characters, whatever its column's type: `"5"` in an integer column is 5. Numbers and
booleans in a string column are their text. An object or array in a column of another type is refused, unless a
`clean` rule takes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from include.engine.evolve import EXTRA, NewColumns, evolves, extras_of_fields
from include.engine.frame import UTF_8, Frame, Ints
from include.engine.json_block import LONGEST
from include.engine.json_template import Template
from include.engine.json_text import Defect, Reader, to_json, to_text
from include.engine.quick_json import Splitter, Takes
from include.engine.records import Failure, Failures, shown
from include.spec.columns import Column
from include.spec.dataset import Dataset

_LISTED = 20
_WORTH = 16  # records from which on the quick way is quicker


class JsonParser:
    """Parses the frames of one dataset's files.

    Args:
        dataset: its source columns are the fields that are taken.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._columns = dataset.source_columns
        self._names = frozenset(column.name for column in self._columns)
        self._rename = dataset.pipeline.format.rename
        self._on_unexpected = dataset.pipeline.format.unexpected_columns
        self._cleaned = frozenset(dataset.pipeline.clean)
        self._reader = Reader()
        self._fields = {column.name: column for column in self._columns}
        self._splitter = Splitter(self._takes, self._accepts)
        self.unexpected: set[str] = set()
        self.new = NewColumns(dataset) if evolves(dataset) else None

    def parse(self, frame: Frame) -> tuple[pa.Table, Ints, Failures]:
        """Split a frame's good records; see `parse_csv`. Names of unknown fields are added to `unexpected`."""
        good = np.flatnonzero(frame.defects == 0)
        if self.new is not None or frame.encoding != UTF_8 or not _WORTH <= len(good) <= len(frame.data) < LONGEST:
            return self._read(frame, good)
        found = [self._taken(columns, rows) for columns, rows in self._splitter.split(frame, good)]
        is_left = frame.defects == 0
        for _, rows in found:
            is_left[rows] = False
        rest = np.flatnonzero(is_left)
        failures: Failures = {}
        if len(rest) or not found:
            others, more, failures = self._read(frame, rest)
            found += [(others, more)] if len(more) or not found else []
        if len(found) == 1:
            return *found[0], failures
        rows = np.concatenate([rows for _, rows in found])
        order = np.argsort(rows, kind="stable")
        return pa.concat_tables([table for table, _ in found]).take(pa.array(order)), rows[order], failures

    def _takes(self, name: str) -> Takes:
        """Say what a field may hold for the quick way."""
        column = self._fields.get(self._rename.get(name, name))
        if column is None or column.name in self._cleaned:
            return Takes(text=column is None or column.kind not in ("object", "array"))
        is_nested = column.kind in ("object", "array")
        return Takes(text=not is_nested, nested=is_nested)

    def _accepts(self, template: Template) -> bool:
        """Whether records of a template may be taken the quick way."""
        ours = {self._rename.get(name, name) for name in template.names}
        return len(ours) == len(template.names) and (self._on_unexpected != "quarantine" or ours <= self._names)

    def _taken(self, texts: dict[str, pa.Array], rows: Ints) -> tuple[pa.Table, Ints]:
        """Name the columns as the contract does, and note what it does not know."""
        named = {self._rename.get(name, name): values for name, values in texts.items()}
        if len(self.unexpected) < _LISTED:
            self.unexpected.update(sorted(named.keys() - self._names)[:_LISTED])
        absent = pa.nulls(len(rows), pa.string())
        return pa.table({column.name: named.get(column.name, absent) for column in self._columns}), rows

    def _read(self, frame: Frame, records: Ints) -> tuple[pa.Table, Ints, Failures]:
        """Read records one by one, in full."""
        failures: Failures = {}
        rows: list[int] = []
        values: list[dict[str, Any]] = []
        for record in records.tolist():
            found = self._object(frame.text(record) or b"")
            if isinstance(found, Failure):
                failures[record] = [found]
            else:
                rows.append(record)
                values.append(found)
        columns = {column.name: self._texts(column, rows, values, failures) for column in self._columns}
        if self.new:
            columns[EXTRA] = extras_of_fields([self._extras(value, self.new) for value in values])
        else:
            self._find_unexpected(rows, values, failures)
        return pa.table(columns), np.asarray(rows, np.int64), failures

    def _object(self, raw: bytes) -> dict[str, Any] | Failure:
        value = self._reader.read(raw.decode())
        if isinstance(value, Defect):
            return Failure(value.rule, "", value.message)
        if not isinstance(value, dict):
            return Failure("not_an_object", "", "the record is JSON, but not an object with fields")
        if not self._rename:
            return value
        renamed: dict[str, Any] = {str(self._rename.get(key, key)): part for key, part in value.items()}
        if len(renamed) != len(value):
            return Failure("duplicate_key", "", "two fields of the record have one name once they are renamed")
        return renamed

    def _texts(self, column: Column, rows: list[int], values: list[dict[str, Any]], failures: Failures) -> pa.Array:
        name = column.name
        found = [value.get(name) for value in values]
        if column.kind in ("object", "array"):
            return pa.array([None if value is None else to_json(value) for value in found], pa.string())
        nested = [row for row, value in enumerate(found) if isinstance(value, (dict, list))]
        if name not in self._cleaned:
            for row in nested:
                what = "an object" if isinstance(found[row], dict) else "an array"
                message = f"holds {what} where the contract has one {column.kind} value"
                failures.setdefault(rows[row], []).append(Failure("type", name, message))
                found[row] = None
        return pa.array([to_text(value) for value in found], pa.string())

    def _extras(self, value: dict[str, Any], new: NewColumns) -> dict[str, str]:
        unknown = value.keys() - self._names
        # A field that is only ever null makes no column.
        texts = {key: text for key in value if key in unknown and (text := to_text(value[key])) is not None}
        if new.reason:  # the file is held
            return {}
        return {new.name(key, nested=isinstance(value[key], (dict, list))): text for key, text in texts.items()}

    def _find_unexpected(self, rows: list[int], values: list[dict[str, Any]], failures: Failures) -> None:
        names = self._names
        for row, value in zip(rows, values, strict=True):
            if value.keys() <= names:
                continue
            unknown = sorted(value.keys() - names)
            if len(self.unexpected) < _LISTED:
                self.unexpected.update(unknown[:_LISTED])
            if self._on_unexpected == "quarantine":
                listed = ", ".join(map(shown, unknown[:_LISTED]))
                message = f"the contract does not know the fields {listed}"
                failures.setdefault(row, []).append(Failure("unexpected_column", "", message))

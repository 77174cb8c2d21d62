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
from include.engine.json_text import Defect, Reader, to_json, to_text
from include.engine.quick_json import Template, read_template, split_lines
from include.engine.records import Failure, Failures, shown
from include.spec.columns import Column
from include.spec.dataset import Dataset

_LISTED = 20
_TRIED = 8  # lines among which one is looked for that is simple
_WORTH = 16  # lines from which on the quick way is quicker


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
        self._is_lines = dataset.pipeline.format.type == "ndjson"
        self._template: Template | None = None
        self.unexpected: set[str] = set()
        self.new = NewColumns(dataset) if evolves(dataset) else None

    def parse(self, frame: Frame) -> tuple[pa.Table, Ints, Failures]:
        """Split a frame's good records; see `parse_csv`. Names of unknown fields are added to `unexpected`."""
        good = np.flatnonzero(frame.defects == 0)
        is_plain = self._is_lines and self.new is None and frame.encoding == UTF_8
        quick = self._split(frame, good) if is_plain and len(good) >= _WORTH else None
        if quick is None:
            return self._read(frame, good)
        table, rows = quick
        rest = np.setdiff1d(good, rows, assume_unique=True)
        if not len(rest):
            return table, rows, {}
        others, more, failures = self._read(frame, rest)
        rows = np.concatenate((rows, more))
        order = np.argsort(rows, kind="stable")
        return pa.concat_tables([table, others]).take(pa.array(order)), rows[order], failures

    def _split(self, frame: Frame, good: Ints) -> tuple[pa.Table, Ints] | None:
        """Split the lines that are as simple as the first; None where it has to be read."""
        found = (read_template(frame.raw(record) or b"") for record in good[:_TRIED].tolist())
        template = self._template or next(filter(None, found), None)
        self._template = None  # looked for anew, should these lines not be written like it
        if template is None:
            return None
        ours = {name: str(self._rename.get(name, name)) for name in template.names}
        unknown = sorted(set(ours.values()) - self._names)
        nested = any(column.kind in ("object", "array") and column.name in ours.values() for column in self._columns)
        if nested or len(set(ours.values())) < len(ours) or (unknown and self._on_unexpected == "quarantine"):
            return None
        wanted = {name: our for name, our in ours.items() if our in self._names}
        split = split_lines(frame, good, template, wanted)
        if split is None or not len(split[1]):
            return None
        self._template = template if 2 * len(split[1]) > len(good) else None
        if len(self.unexpected) < _LISTED:
            self.unexpected.update(unknown[:_LISTED])
        table, rows = split
        absent = pa.nulls(len(rows), pa.string())
        names = set(table.column_names)
        return pa.table({c.name: table.column(c.name) if c.name in names else absent for c in self._columns}), rows

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

"""Takes the source columns out of records that are nested values: by name, or by the path the pipeline gives.

A path that ends nowhere gives null. One that leads through a text or a number, or through an array though its column
is none, fails its record: what stands there is not what the pipeline says. Through an array of objects, the path of
an array column gives an item per object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.engine.account import Reason
from include.engine.evolve import EXTRA, NewColumns, evolves, extras_of_columns, extras_of_values
from include.engine.frame import Frame, Ints
from include.engine.json_text import Defect, Reader, to_json, to_text
from include.engine.records import Failure, Failures, shown
from include.engine.typed_value import NotText, as_base64
from include.spec.columns import Column
from include.spec.dataset import Dataset
from include.spec.places import parse_path

_LISTED = 20
Value = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Stray:
    """A path that leads through what has no fields."""

    what: str


class Fields:
    """Makes text columns of records.

    Args:
        dataset: its source columns are the fields that are taken.
        columns: those of them to take; all, where nothing is said. Then other fields are looked at, too, and become
            columns where the dataset evolves.
        is_xml: values are elements (frame_xml.py): an array of one cannot be told from its item, nor an element
            without attributes from its text; a column that is no object takes an element's text.
    """

    def __init__(self, dataset: Dataset, columns: Sequence[Column] | None = None, *, is_xml: bool = False) -> None:
        form = dataset.pipeline.format
        self._columns = dataset.source_columns if columns is None else tuple(columns)
        self._watches = columns is None
        self._rename = form.rename
        self._paths = {name: parse_path(path) for name, path in form.paths.items()}
        self._on_unexpected = form.unexpected_columns
        self._cleaned = frozenset(dataset.pipeline.clean)
        self._is_xml = is_xml
        self._nulls = frozenset(form.null_values) if form.type == "xml" else frozenset()
        plain = {column.name for column in self._columns} - self._paths.keys()
        self._known = plain | {path[0] for path in self._paths.values()}
        self.unexpected: set[str] = set()
        self.new = NewColumns(dataset) if self._watches and evolves(dataset) else None

    def take(self, found: Sequence[tuple[int, Value | Defect]]) -> tuple[pa.Table, Ints, Failures]:
        """Split records.

        Args:
            found: of each record its number in the frame, and its fields or why it has none.

        Returns:
            the text columns, which record each row is, and what is wrong with records.
        """
        failures: Failures = {}
        rows: list[int] = []
        values: list[Value] = []
        for record, value in found:
            value = value if isinstance(value, Defect) else self._renamed(value)
            if isinstance(value, Defect):
                failures[record] = [Failure(value.rule, "", value.message)]
            else:
                rows.append(record)
                values.append(value)
        columns = {column.name: self._texts(column, rows, values, failures) for column in self._columns}
        if self.new:
            columns[EXTRA] = extras_of_values(map(self._without_nulls, values), self._known, self.new)
        elif self._watches:
            self._find_unexpected(rows, values, failures)
        return pa.table(columns), np.asarray(rows, np.int64), failures

    def _without_nulls(self, value: Value) -> Value:
        return {key: part for key, part in value.items() if not (isinstance(part, str) and part in self._nulls)}

    def takes(self, name: str) -> bool:
        """Whether a field of that name holds a column, or what a path leads to."""
        return name in self._known

    def _renamed(self, value: Value) -> Value | Defect:
        if not self._rename:
            return value
        renamed = {self._rename.get(key, key): part for key, part in value.items()}
        if len(renamed) == len(value):
            return renamed
        return Defect("duplicate_key", "two fields of the record have one name once they are renamed")

    def _texts(self, column: Column, rows: list[int], values: list[Value], failures: Failures) -> pa.Array:
        path = self._paths.get(column.name, (column.name,))
        texts: list[str | None] = []
        for row, value in zip(rows, values, strict=True):
            part = _at(value, path, column.kind == "array", self._is_xml)
            if self._is_xml and not isinstance(part, _Stray):
                part = of_xml(column, part, self._nulls)
            if column.string_format == "byte":
                part = as_base64(part) or part
            wrong = self._misfit(column, part)
            if wrong:
                rule = "encoding" if isinstance(part, NotText) else "type"
                failures.setdefault(row, []).append(Failure(rule, column.name, wrong))
            texts.append(None if wrong else self._text(column, part))
        return pa.array(texts, pa.string())

    def _misfit(self, column: Column, part: object) -> str:
        if isinstance(part, _Stray):
            return f"its path leads through {part.what}, which has no fields"
        if not isinstance(part, (dict, list)) or column.kind in ("object", "array") or column.name in self._cleaned:
            return ""
        if isinstance(part, NotText):
            return "holds bytes that are not UTF-8"
        what = "an object" if isinstance(part, dict) else "an array"
        return f"holds {what} where the contract has one {column.kind} value"

    def _text(self, column: Column, part: Any) -> str | None:  # noqa: ANN401 - JSON holds anything
        if part is None:
            return None
        return to_json(part) if column.kind in ("object", "array") else to_text(part)

    def _find_unexpected(self, rows: list[int], values: list[Value], failures: Failures) -> None:
        for row, value in zip(rows, values, strict=True):
            if value.keys() <= self._known:
                continue
            unknown = sorted(value.keys() - self._known)
            if len(self.unexpected) < _LISTED:
                self.unexpected.update(unknown[:_LISTED])
            if self._on_unexpected == "quarantine":
                listed = ", ".join(map(shown, unknown[:_LISTED]))
                message = f"the contract does not know the fields {listed}"
                failures.setdefault(row, []).append(Failure("unexpected_column", "", message))


def of_xml(column: Column, part: Any, nulls: Container[str]) -> Any:  # noqa: ANN401
    """Return what a column, or a field inside one, takes of an element; texts that stand for null are null."""
    if part is None or (isinstance(part, str) and part in nulls):
        return None
    if column.kind == "array":
        items = part if isinstance(part, list) else [part]
        return [of_xml(column.items or column, item, nulls) for item in items]
    if column.kind == "object":
        return {"#text": part} if isinstance(part, str) else part
    is_leaf = isinstance(part, dict) and all(key == "#text" or key.startswith("@") for key in part)
    return of_xml(column, part.get("#text"), nulls) if is_leaf else part


def _at(value: Any, path: tuple[str, ...], is_array: bool, is_xml: bool) -> Any:  # noqa: ANN401
    for step, name in enumerate(path):
        if value is None:
            return None
        if isinstance(value, list) and is_array:
            return _of_each(value, path[step:], is_xml)
        if is_xml and isinstance(value, str):
            value = {"#text": value}
        if not isinstance(value, dict):
            return _Stray("an array" if isinstance(value, list) else "a single value")
        value = value.get(name)
    return value


def _of_each(items: list[Any], path: tuple[str, ...], is_xml: bool) -> Any:  # noqa: ANN401
    found: list[Any] = []
    for item in items:
        part = _at(item, path, True, is_xml)
        if isinstance(part, _Stray):
            return part
        found.extend(part) if isinstance(part, list) else found.append(part)
    return found


def match_names(names: Sequence[str], dataset: Dataset) -> tuple[Reason | None, list[str]]:
    """Match the names of a typed file's fields with what the dataset takes of it.

    Returns:
        why the file is held, and the names that the contract does not know.
    """
    form = dataset.pipeline.format
    theirs = {our: their for their, our in form.rename.items()}
    wanted = [
        parse_path(form.paths[column.name])[0] if column.name in form.paths else theirs.get(column.name, column.name)
        for column in dataset.source_columns
    ]
    listed = ", ".join(map(shown, names[:_LISTED])) or "no fields"
    missing = [name for name in dict.fromkeys(wanted) if name not in names]
    if missing:
        return Reason("missing_column", f"the file lacks {', '.join(map(shown, missing))}. It has: {listed}."), []
    doubled = [name for name in dict.fromkeys(wanted) if list(names).count(name) > 1]
    if doubled:
        return Reason("duplicate_column", f"the file has {', '.join(map(shown, doubled))} more than once"), []
    unknown = [name for name in names if name not in wanted]
    if evolves(dataset):
        doubled = [name for name, count in Counter(unknown).items() if count > 1]
        listed = ", ".join(map(shown, doubled[:_LISTED]))
        return (Reason("duplicate_column", f"the file has {listed} more than once") if doubled else None), unknown
    if unknown and form.unexpected_columns != "ignore":
        message = f"the contract does not know the fields {', '.join(map(shown, unknown[:_LISTED]))}. "
        return Reason("unexpected_column", message + "Add them, or set `format.unexpected_columns: ignore`."), []
    return None, unknown


class UnknownColumns:
    """The columns of a typed file that the contract does not know, and that are to become columns.

    Args:
        dataset: a dataset that evolves.
        names: these columns, by their names in the file, and whether they are nested.
    """

    def __init__(self, dataset: Dataset, names: Mapping[str, bool]) -> None:
        self.new = NewColumns(dataset)
        self._ours = {name: self.new.name(name, nested=nested) for name, nested in names.items()}
        self.names = tuple(self._ours)

    def extras(self, columns: Mapping[str, pa.Array | Sequence[Any]], rows: Ints, failures: Failures) -> pa.Array:
        """Return the map of each row; a record with a NUL character in a text fails.

        Args:
            columns: by their names in the file: their texts, or their values as JSON holds them.
            rows: which record each row is.
            failures: what is wrong with records.
        """
        texts = {self._ours[name]: self._texts(name, values) for name, values in columns.items()}
        refuse_nul(pa.table(texts), rows, failures)
        return extras_of_columns(pa.table(texts))

    def _texts(self, name: str, values: pa.Array | Sequence[Any]) -> pa.Array:
        if isinstance(values, pa.Array):
            return values
        self.new.name(name, nested=any(isinstance(value, dict | list) for value in values))
        return pa.array([to_text(value) for value in values], pa.string())


def refuse_nul(table: pa.Table, rows: Ints, failures: Failures) -> None:
    """Fail the records that hold a NUL character, which no text may."""
    for name in table.column_names:
        held = pc.fill_null(pc.match_substring(table.column(name), "\0"), False)
        if pc.any(held).as_py():
            for row in np.flatnonzero(held.to_numpy()).tolist():
                failures.setdefault(int(rows[row]), []).append(Failure("nul_byte", name, "holds a NUL character"))


class JsonFields:
    """Reads framed JSON records and takes fields by path."""

    def __init__(self, dataset: Dataset) -> None:
        self._reader = Reader()
        self.fields = Fields(dataset)

    def parse(self, frame: Frame) -> tuple[pa.Table, Ints, Failures]:
        """Split a frame's good records; see `Fields.take`."""
        good = np.flatnonzero(frame.defects == 0).tolist()
        return self.fields.take([(record, self._object(frame.text(record) or b"")) for record in good])

    def _object(self, raw: bytes) -> Value | Defect:
        value = self._reader.read(raw.decode())
        if isinstance(value, (Defect, dict)):
            return value
        return Defect("not_an_object", "the record is JSON, but not an object with fields")

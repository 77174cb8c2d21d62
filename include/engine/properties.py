"""Checks the fields inside objects as the contract's nested properties say, by the casts and checks of columns.

A property is checked as a column called by its path would be: `address.zip`, and `lines.sku` of every item of an array
of objects. Fields of an object that is missing are not asked for. What is stored is the object as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from include.engine.database import Database
from include.engine.json_text import Reader, to_json, to_text
from include.engine.nested import read_nested
from include.engine.records import Failure, Failures
from include.engine.show import Shower
from include.engine.verify import Verifier
from include.spec.columns import Column

Normal = Callable[[Column, Any], Any]


@dataclass(slots=True)
class _Place:
    """One property: the column that it is checked as, and what was found of it in a block."""

    column: Column
    verifier: Verifier
    inside: list[tuple[str, _Place]]
    rows: list[int] = field(default_factory=list)
    texts: list[str | None] = field(default_factory=list)


class Properties:
    """The nested properties of some columns.

    Args:
        columns: the columns; those without nested properties are left alone.
        normal: returns a field's value as JSON would hold it, given its property.
        shower: quotes values in messages.
        database: runs the checks.

    Raises:
        TerminalRuleError: a pattern, bound or format of the contract cannot be run.
    """

    def __init__(self, columns: Sequence[Column], *, normal: Normal, shower: Shower, database: Database) -> None:
        self._normal, self._shower, self._database = normal, shower, database
        self._reader = Reader()
        self._columns = {column.name: places for column in columns if (places := self._inside(column, column.name))}

    def _inside(self, column: Column, path: str) -> list[tuple[str, _Place]]:
        return [(item.name, self._place(item, f"{path}.{item.name}")) for item in column.fields]

    def _place(self, item: Column, path: str) -> _Place:
        column = item.model_copy(update={"name": path})
        verifier = Verifier([column], typed=False, shower=self._shower, database=self._database)
        verifier.probe()
        return _Place(column, verifier, self._inside(item, path))

    def check(self, block: pa.Table) -> Failures:
        """Return what is wrong inside the objects of a block, by row.

        Args:
            block: objects as JSON text; arrays as JSON text, or as lists of their items' texts.
        """
        failures: Failures = {}
        for name, places in self._columns.items():
            for row, cell in enumerate(block.column(name).to_pylist()):
                for value in self._objects(cell):
                    self._look(value, places, row, failures)
            for place in places:
                self._judge(place[1], failures)
        return failures

    def _objects(self, cell: str | list[str | None] | None) -> Iterator[dict[str, Any]]:
        """Yield the objects of a cell; what is none is a matter of the column's own type."""
        texts = cell if isinstance(cell, list) else [cell]
        for value in (self._reader.read(text) for text in texts if text is not None):
            yield from _objects_in(value)

    def _look(self, value: dict[str, Any], places: list[tuple[str, _Place]], row: int, failures: Failures) -> None:
        for name, place in places:
            column = place.column
            part = self._normal(column, value.get(name))
            is_nested = column.kind in ("object", "array")
            if isinstance(part, dict | list) and not is_nested:
                what = "an object" if isinstance(part, dict) else "an array"
                _add(failures, row, "type", column, f"holds {what} where the contract has one {column.kind} value")
                continue
            place.rows.append(row)
            place.texts.append(to_json(part) if is_nested and part is not None else to_text(part))
            for inner in _objects_in(part) if place.inside else ():
                self._look(inner, place.inside, row, failures)

    def _judge(self, place: _Place, failures: Failures) -> None:
        """Check what was found of a property, and of those inside it; and forget it."""
        rows, texts = place.rows, pa.table({place.column.name: pa.array(place.texts, pa.string())})
        place.rows, place.texts = [], []
        if rows:
            block = read_nested(texts, [place.column])
            _, failing = place.verifier.run(block)
            found = np.flatnonzero(failing)
            taken = pa.array(found)
            explained = place.verifier.explain(block.take(taken), texts.take(taken), found)
            for index, reasons in zip(found.tolist(), explained, strict=True):
                for reason in reasons:
                    _add(failures, rows[index], reason.rule, place.column, reason.message)
        for _, inner in place.inside:
            self._judge(inner, failures)


def _objects_in(value: object) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield item


def _add(failures: Failures, row: int, rule: str, column: Column, message: str) -> None:
    """Note a failure; of many items of one record that fail alike, the first is enough."""
    reasons = failures.setdefault(row, [])
    if not any(reason.rule == rule and reason.column == column.name for reason in reasons):
        reasons.append(Failure(rule, column.name, message))

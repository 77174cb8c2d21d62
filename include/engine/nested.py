"""Reads the JSON text of object and array columns, strictly; what is left to SQL is whether an item has its type."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from include.engine.json_text import Reader, to_text
from include.spec.columns import Column


def ok_name(column: str) -> str:
    """The name of the helper column that says whether a text was the JSON it should be."""
    return f"_ok_{column}"


def read_nested(table: pa.Table, columns: Sequence[Column], trusted: frozenset[str] = frozenset()) -> pa.Table:
    """Replace arrays' texts by lists of their items' texts, and add a flag column per object and array column.

    Args:
        table: text columns; JSON null is null already.
        columns: the columns of the table; others than objects and arrays are left alone.
        trusted: columns whose texts the engine wrote itself from JSON that it had read.
    """
    reader = Reader()
    for column in columns:
        if column.kind not in ("object", "array"):
            continue
        if column.kind == "object" and column.name in trusted:
            begins = pc.fill_null(pc.starts_with(table.column(column.name), "{"), True)
            table = table.append_column(ok_name(column.name), begins)
            continue
        texts = table.column(column.name).to_pylist()
        values = [None if text is None else reader.read(text) for text in texts]
        wanted = dict if column.kind == "object" else list
        fits = [
            text is None or (isinstance(value, wanted) and _fits_items(value, column.items))
            for text, value in zip(texts, values, strict=True)
        ]
        table = table.append_column(ok_name(column.name), pa.array(fits, pa.bool_()))
        if column.kind == "array":
            items = [list(map(to_text, value)) if isinstance(value, list) else None for value in values]
            place = table.column_names.index(column.name)
            table = table.set_column(place, column.name, pa.array(items, pa.list_(pa.string())))
    return table


def _fits_items(value: object, items: Column | None) -> bool:
    """Whether each item of an array of objects is one."""
    if items is None or items.kind != "object" or not isinstance(value, list):
        return True
    return all(isinstance(item, dict) for item in value)

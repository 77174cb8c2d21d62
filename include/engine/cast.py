r"""From text to the contract's types: a strict shape first, then the cast, so that nothing is rounded, cut or guessed.

- integer: `-?(0|[1-9][0-9]*)` within 64 bits. No plus, no leading zeros (what needs them is a string), no `5.0`, no
  `1e3`.
- number with precision and scale: digits as above, `.` and digits; exact, never through a double. More digits after
  the point than the scale has are taken only where they are zeros. No exponent.
- number without: as above, an exponent allowed; finite. `NaN`, `Infinity` and `1e400` are refused.
- boolean: `true` and `false`, in any case; nothing else.
- date, time, timestamp: see temporal.py.
- object: a JSON object; array: a JSON array without nulls, each item strictly of the items' type.
"""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa

from include.engine.database import literal
from include.engine.json_text import Defect, Reader
from include.engine.temporal import explain_temporal, temporal_sql
from include.spec.columns import Column

WIDEST: Final = 38  # digits of DuckDB's decimals; wider ones stay text until they are written
_WHOLE = "-?(?:0|[1-9][0-9]*)"
_FLOAT = rf"{_WHOLE}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_TEMPORAL = ("date", "timestamp", "datetime", "time")
_ARROW: Final = {
    "string": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "datetime": pa.timestamp("us"),
    "time": pa.time64("us"),
    "object": pa.string(),
}


def is_wide(column: Column) -> bool:
    """Whether a decimal has more digits than DuckDB's decimals hold."""
    return column.kind == "decimal" and column.precision > WIDEST


def arrow_type(column: Column, *, written: bool = True) -> pa.DataType:
    """The Arrow type of a column: as it is written, or as rules see it."""
    if column.kind == "array":
        return pa.list_(arrow_type(column.items or column, written=written))
    if column.kind != "decimal":
        return _ARROW[column.kind]
    if is_wide(column):
        return pa.decimal256(column.precision, column.scale) if written else pa.string()
    return pa.decimal128(column.precision, column.scale)


def sql_type(column: Column) -> str:
    """The DuckDB type of a column, as rules see it."""
    if column.kind == "array":
        return sql_type(column.items or column) + "[]"
    if column.kind == "decimal":
        return "VARCHAR" if is_wide(column) else f"DECIMAL({column.precision}, {column.scale})"
    names = {"string": "VARCHAR", "object": "VARCHAR", "integer": "BIGINT", "float": "DOUBLE", "boolean": "BOOLEAN",
             "date": "DATE", "timestamp": "TIMESTAMPTZ", "datetime": "TIMESTAMP", "time": "TIME"}  # fmt: skip
    return names[column.kind]


def value_sql(column: Column, text: str) -> str:
    """Return SQL for the typed value of a text; NULL where the text is none.

    Args:
        column: its kind; objects are taken as they are (their JSON was read before), arrays item by item.
        text: SQL for the text; for an array, for a list of texts.

    Raises:
        TerminalRuleError: a format of the column is not known.
    """
    kind = column.kind
    if kind in ("string", "object"):
        return text
    if kind == "integer":
        return _shaped(text, _WHOLE, f"TRY_CAST({text} AS BIGINT)")
    if kind == "decimal":
        value = text if is_wide(column) else f"TRY_CAST({text} AS {sql_type(column)})"
        return _shaped(text, decimal_shape(column), value)
    if kind == "float":
        double = f"TRY_CAST({text} AS DOUBLE)"
        return f"CASE WHEN regexp_full_match({text}, {literal(_FLOAT)}) AND isfinite({double}) THEN {double} END"
    if kind == "boolean":
        return f"CASE lower({text}) WHEN 'true' THEN true WHEN 'false' THEN false END"
    if kind in _TEMPORAL:
        return temporal_sql(column, text)
    return f"list_transform({text}, lambda item: {value_sql(column.items or column, 'item')})"


def _shaped(text: str, shape: str, value: str) -> str:
    return f"CASE WHEN regexp_full_match({text}, {literal(shape)}) THEN {value} END"


def decimal_shape(column: Column) -> str:
    """The shape of a decimal's text: no more digits than fit, on either side of the point."""
    whole = column.precision - column.scale
    left = f"(?:0|[1-9][0-9]{{0,{whole - 1}}})" if whole else "0"
    right = rf"(?:\.[0-9]{{1,{column.scale}}}0*)?" if column.scale else r"(?:\.0+)?"
    return f"-?{left}{right}"


def explain_type(column: Column, text: str) -> str:
    """Say in words why a text is no value of the column's type."""
    kind = column.kind
    if kind in ("array", "object"):
        defect = Reader().read(text)
        if isinstance(defect, Defect) and defect.rule == "too_deep":
            return f"is not read: {defect.message}"
        return f"is no JSON array of {column.items.kind}" if column.items else f"is no JSON {kind}"
    if kind in _TEMPORAL:
        return explain_temporal(column, text)
    if kind == "boolean":
        return "is neither true nor false"
    if re.fullmatch(r"(?i)[+-]?(?:nan|inf(?:inity)?)", text):
        return "is no finite number"
    if re.fullmatch(r"\+.*|-?0[0-9].*", text):
        return "has a plus or leading zeros; a code is a string, a number has none"
    if kind == "integer":
        return "does not fit 64 bits" if re.fullmatch(_WHOLE, text) else "is no integer"
    if kind == "float":
        return "is too large for a double" if re.fullmatch(_FLOAT, text) else "is no number"
    return _explain_decimal(column, text)


def _explain_decimal(column: Column, text: str) -> str:
    name = f"NUMERIC({column.precision}, {column.scale})"
    if re.fullmatch(rf"{_WHOLE}(?:\.[0-9]+)?", text) is None:
        return "has an exponent; write its digits out" if re.fullmatch(_FLOAT, text) else "is no decimal number"
    _, _, fraction = text.lstrip("-").partition(".")
    if len(fraction.rstrip("0")) > column.scale:
        return f"has more digits after the point than {name} holds; none is cut off silently"
    return f"has more digits before the point than {name} holds"

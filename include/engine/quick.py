"""The quick way to type and check text columns: Arrow's kernels prove most rows right; DuckDB judges all others.

It never says that a value is wrong: only that a row is sure to be right, with the very values that the full way would
give it, or that it is doubtful. What it is sure of is narrower than what is allowed (no exponent, no number of 19
digits), so that no cast can fail; the shapes are RE2's in both, or read octet by octet where all texts have one width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.engine.cast import WIDEST, arrow_type
from include.engine.check import FORMATS
from include.engine.fixed import octets_of
from include.engine.frame import Bools, Ints
from include.engine.numerals import digits_of
from include.engine.quick_moments import Quick, dates, local_times, of_shape, timestamps
from include.engine.shapes import of_fixed_shape
from include.spec.columns import Column

Step = Callable[[pa.Array], Bools | None]  # texts, or values, to which are sure or null; None: all

_DIGITS: Final = 18
_TRUTHS: Final = pa.array(["true", "false", "True", "False", "TRUE", "FALSE"])
_BOUNDS: Final = {
    "minimum": pc.greater_equal,
    "maximum": pc.less_equal,
    "exclusive_minimum": pc.greater,
    "exclusive_maximum": pc.less,
}
# A demand that is not here leaves its column to the full way, so that no new check is forgotten.
_KNOWN: Final = frozenset(
    [
        "name",
        "kind",
        "description",
        "precision",
        "scale",
        "required",
        "unique",
        "key_position",
        "partition",
        "min_length",
        "max_length",
        "pattern",
        "string_format",
        "formats",
        "default_timezone",
        "minimum",
        "maximum",
        "exclusive_minimum",
        "exclusive_maximum",
        "valid_values",
        "classification",
    ]
)


def quick_columns(columns: Sequence[Column]) -> dict[str, Quick]:
    """Return what types and checks a text column, for the columns for which there is a quick way."""
    made = {column.name: _quick(column) for column in columns}
    return {name: quick for name, quick in made.items() if quick}


def _quick(column: Column) -> Quick | None:
    """Make the quick way of a column.

    Its result, of a column of texts: the values, null where there is doubt, and which rows are sure; None: all are.
    """
    typing, checks = _typing(column), _checks(column)
    if typing is None or checks is None:
        return None

    def run(texts: pa.Array) -> tuple[pa.Array, Bools | None]:
        values, sure = typing(texts)
        for check in checks:
            sure = _both(sure, check(values))
        if values.null_count and column.required:
            sure = _both(sure, values.is_valid().to_numpy(zero_copy_only=False))
        return values, sure

    return run


def _truth(found: pa.Array) -> Bools | None:
    """Read an Arrow array of truths; nulls count as true, and None stands for nothing but truths."""
    if found.null_count:
        found = found.fill_null(True)
    if found.true_count == len(found):
        return None
    truth: Bools = found.to_numpy(zero_copy_only=False)
    return truth


def _both(one: Bools | None, other: Bools | None) -> Bools | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _typing(column: Column) -> Quick | None:
    """Return what gives the values of a column and which rows are sure to have the right one."""
    kind, target = column.kind, arrow_type(column, written=False)
    if kind == "string":
        return lambda texts: (texts, None)
    if kind == "boolean":
        return _boolean
    if digits := _digits(column):
        return _number(*digits, target)
    if column.kind == "decimal" and column.precision == column.scale <= WIDEST:
        return of_shape(rf"-?0(?:\.[0-9]{{1,{column.scale}}})?", target)
    if column.formats or (column.kind == "timestamp" and column.default_timezone != "UTC"):
        return None
    moment = {"date": dates, "datetime": local_times, "timestamp": timestamps}.get(column.kind)
    return moment(target) if moment else None


def _digits(column: Column) -> tuple[int, int] | None:
    """How many digits a number may have on either side of its point; none before it is no number here."""
    if column.kind == "decimal" and column.scale < column.precision <= WIDEST:
        return column.precision - column.scale, column.scale
    return None if column.formats else {"integer": (_DIGITS, 0), "float": (_DIGITS, _DIGITS)}.get(column.kind)


def _number(most_whole: int, most_fraction: int, target: pa.DataType) -> Quick:
    def run(texts: pa.Array) -> tuple[pa.Array, Bools | None]:
        whole, fraction = digits_of(texts)
        fits = (whole > 0) & (whole <= most_whole) & (fraction <= most_fraction)
        if fits.all():
            return texts.cast(target), None
        found = pa.array(fits)
        null = texts.is_null().to_numpy(zero_copy_only=False)
        return pc.if_else(found, texts, None).cast(target), fits | null

    return run


def _boolean(texts: pa.Array) -> tuple[pa.Array, Bools | None]:
    places = pc.index_in(texts, value_set=_TRUTHS)
    doubt = places.null_count - texts.null_count
    sure = pc.or_(places.is_valid(), texts.is_null()).to_numpy(zero_copy_only=False) if doubt else None
    return pc.equal(pc.bit_wise_and(places, 1), 0), sure


def _checks(column: Column) -> list[Step] | None:
    """Return what a column's values must satisfy, over its values; None where there is no quick way."""
    if _demands(column) - _KNOWN:
        return None
    steps = _text_checks(column) if column.kind == "string" else None if _asks_text(column) else []
    bounded = {rule: bound for rule in _BOUNDS if (bound := getattr(column, rule)) is not None}
    if steps is None or (bounded and column.kind not in ("integer", "decimal")):
        return None
    for rule, text in bounded.items():
        bound = _bound(column, text)
        if bound is None:
            return None
        steps.append(_compare(rule, bound))
    return steps


def _demands(column: Column) -> set[str]:
    """Name what the contract says of a column beyond the defaults."""
    return {name for name, field in Column.model_fields.items() if getattr(column, name) != field.default}


def _asks_text(column: Column) -> bool:
    """Whether a column that is no string has checks of its text, or a list of values."""
    asked = (column.min_length, column.max_length, column.pattern, column.string_format)
    return any(ask is not None for ask in asked) or bool(column.valid_values)


def _compare(rule: str, bound: pa.Scalar) -> Step:
    return lambda values: _truth(_BOUNDS[rule](values, bound))


def _bound(column: Column, text: str) -> pa.Scalar | None:
    """Return a bound that is itself a value of the column."""
    bound = Decimal(text)
    if column.kind == "integer" and bound != bound.to_integral_value():
        return None
    try:
        return pa.scalar(int(bound) if column.kind == "integer" else bound, arrow_type(column))
    except (pa.ArrowInvalid, OverflowError):
        return None


def _text_checks(column: Column) -> list[Step] | None:
    steps: list[Step] = []
    patterns = [] if column.pattern is None else [column.pattern]
    if column.string_format in FORMATS:
        patterns.append(rf"\A(?:{FORMATS[column.string_format]})\z")
    for pattern in patterns:
        try:
            pc.match_substring_regex(pa.array([""]), pattern)
        except pa.ArrowInvalid:
            return None
        steps.append(_matches(pattern))
    if column.min_length is not None or column.max_length is not None:
        steps.append(_length(column.min_length or 0, column.max_length))
    if column.valid_values:
        steps.append(_one_of(pa.array(column.valid_values, pa.string())))
    return steps


def _matches(pattern: str) -> Step:
    fixed = of_fixed_shape(pattern)
    if fixed is None:
        return lambda texts: _truth(pc.match_substring_regex(texts, pattern))
    return lambda texts: None if (found := fixed(texts)).all() else found


def _one_of(allowed: pa.Array) -> Step:
    return lambda texts: _truth(pc.or_(pc.is_in(texts, value_set=allowed), texts.is_null()))


def _length(least: int, most: int | None) -> Step:
    def run(texts: pa.Array) -> Bools | None:
        _, bounds = octets_of(texts)
        if not least and most is not None and np.diff(bounds).max(initial=0) <= most:  # no more characters than octets
            return None
        count = pc.utf8_length(texts)
        enough = pc.greater_equal(count, least)
        return _truth(enough if most is None else pc.and_(enough, pc.less_equal(count, most)))

    return run


def patch(values: pa.Array, rows: Ints, found: pa.Array) -> pa.Array:
    """Put values into some rows, in ascending order."""
    mask = np.zeros(len(values), np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(values, pa.array(mask), found.cast(values.type))

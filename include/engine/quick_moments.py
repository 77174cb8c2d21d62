"""The quick way of dates and moments: by their digits where all are written alike, by their shape where not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.engine.fixed import spread, table_of
from include.engine.frame import Bools, Ints, Octets
from include.engine.moments import DATE, days, moments

Quick = Callable[[pa.Array], tuple[pa.Array, Bools | None]]

# The 29th of February is left out: no cast may fail.
_DAY = "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
# Years whose beginning and end no zone moves out of the calendar.
_DATE = f"(?:1[0-9]|2[0-9])[0-9]{{2}}-{_DAY}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_ZONE = "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_MOMENT: Final = re.compile(r"[0-9-]{10}[T ][0-9:]{8}(?:\.[0-9]{1,6})?(Z?)")
_ODD: Final = 16  # one text in so many may be written otherwise than the first


def dates(target: pa.DataType) -> Quick:
    """Return the quick way of dates."""
    otherwise = of_shape(_DATE, target)

    def run(texts: pa.Array) -> tuple[pa.Array, Bools | None]:
        return _alike(texts, DATE, days, pa.int32(), target) or otherwise(texts)

    return run


def local_times(target: pa.DataType) -> Quick:
    """Return the quick way of dates with a time, without a zone."""
    otherwise = of_shape(f"{_DATE}[T ]{_TIME}", target)

    def run(texts: pa.Array) -> tuple[pa.Array, Bools | None]:
        found = _MOMENT.fullmatch(_first(texts))
        made = None if found is None or found[1] else _moments(texts, found, target)
        return made or otherwise(texts)

    return run


def timestamps(target: pa.DataType) -> Quick:
    """Return the quick way of moments; the first says whether they carry a zone, as Arrow casts one kind at a time."""
    with_zone, without = of_shape(f"{_DATE}[T ]{_TIME}{_ZONE}", target), local_times(pa.timestamp("us"))

    def run(texts: pa.Array) -> tuple[pa.Array, Bools | None]:
        first = _first(texts)
        found = _MOMENT.fullmatch(first)
        if found and (made := _moments(texts, found, target)):
            return made
        if not first or re.search(f"{_ZONE}$", first):
            return with_zone(texts)
        values, sure = without(texts)
        return values.cast(target), sure

    return run


def of_shape(shape: str, target: pa.DataType) -> Quick:
    """Return the quick way of texts that Arrow casts without fail where they have a shape."""
    pattern = rf"\A(?:{shape})\z"

    def run(texts: pa.Array) -> tuple[pa.Array, Bools | None]:
        found = pc.match_substring_regex(texts, pattern).fill_null(True)
        if found.true_count == len(found):
            return texts.cast(target), None
        return pc.if_else(found, texts, None).cast(target), found.to_numpy(zero_copy_only=False)

    return run


def _first(texts: pa.Array) -> str:
    """Return the first text that is none of the nulls."""
    first = texts.slice(0, 1).drop_null() or texts.drop_null().slice(0, 1)
    return first[0].as_py() if len(first) else ""


def _moments(texts: pa.Array, first: re.Match[str], target: pa.DataType) -> tuple[pa.Array, Bools | None] | None:
    def read(table: Octets) -> tuple[Ints, Bools]:
        return moments(table, zoned=bool(first[1]))

    return _alike(texts, len(first[0]), read, pa.int64(), target)


def _alike(
    texts: pa.Array,
    width: int,
    read: Callable[[Octets], tuple[Ints, Bools]],
    stored: pa.DataType,
    target: pa.DataType,
) -> tuple[pa.Array, Bools | None] | None:
    """Read the texts of one width; None where there are none, or too many of another.

    Args:
        read: returns their values, and which are sure to be right.
        stored: numbers as wide as the target's.
        target: the values' type.
    """
    table, wide = table_of(texts, width)
    if not len(table) or _ODD * (len(texts) - texts.null_count - len(table)) > len(texts):
        return None
    found, right = read(table)
    if wide is None and right.all():
        return pa.array(found, stored).view(target), None
    values = found
    if wide is not None:
        values = np.zeros(len(texts), np.int64)
        values[wide] = found
    valid = spread(right, wide)
    sure = valid | texts.is_null().to_numpy(zero_copy_only=False) if texts.null_count else valid
    return pa.array(values, stored, mask=~valid).view(target), None if sure.all() else sure

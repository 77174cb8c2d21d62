"""The types of rule expressions: GoogleSQL's, with the digits that a decimal can need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from include.spec.columns import Column

_NAMES = {
    "string": "STRING",
    "integer": "INT64",
    "float": "FLOAT64",
    "boolean": "BOOL",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "datetime": "DATETIME",
    "time": "TIME",
    "object": "JSON",
}
_LADDER = ("INT64", "NUMERIC", "FLOAT64")
_TEMPORAL = ("DATE", "DATETIME", "TIMESTAMP")
_WIDTH = 38


@dataclass(frozen=True, slots=True)
class Type:
    """A GoogleSQL type.

    Args:
        name: as GoogleSQL writes it; ``ANY``: not known while checking; ``NULL``: of the bare literal.
        digits: of a NUMERIC, or of an INT64 that becomes one: digits before the point that it can need.
        scale: of a NUMERIC: digits after the point.
        big: a BIGNUMERIC: its results keep up to 38 digits after the point instead of 9.
        literal: of a constant: what its coercion depends on.
    """

    name: str
    digits: int = 0
    scale: int = 0
    big: bool = False
    literal: bool = False

    @property
    def precision(self) -> int:
        """Digits in all, of a NUMERIC."""
        return max(self.digits + self.scale, 1)

    def __str__(self) -> str:
        return "BIGNUMERIC" if self.big else self.name


ANY, NULL = Type("ANY"), Type("NULL")
STRING, BOOL, FLOAT64, BYTES = Type("STRING"), Type("BOOL"), Type("FLOAT64"), Type("BYTES")
INT64 = Type("INT64", digits=19)


def numeric(digits: int, scale: int, *, big: bool = False) -> Type:
    """Return the NUMERIC type of these digits, cut to what BigQuery keeps and 38 digits can hold."""
    scale = min(scale, _WIDTH if big else 9)
    return Type("NUMERIC", min(digits, _WIDTH - scale, _WIDTH if big else 29), scale, big)


def column_type(column: Column | None) -> Type | None:
    """Return a column's type in a rule; None for raw text gives STRING.

    Returns:
        None where a rule cannot use the column: a decimal of more than 38 digits, an array of other than strings.
    """
    if column is None:
        return STRING
    if column.kind == "decimal":
        if column.precision > _WIDTH:
            return None
        digits = column.precision - column.scale
        return numeric(digits, column.scale, big=digits > 29 or column.scale > 9)
    if column.kind == "array":
        return Type("ARRAY<STRING>") if column.items and column.items.kind == "string" else None
    return INT64 if column.kind == "integer" else Type(_NAMES[column.kind])


def as_numeric(kind: Type) -> Type:
    """Return the NUMERIC that holds every value of an INT64 or NUMERIC type."""
    return replace(kind, literal=False) if kind.name == "NUMERIC" else numeric(kind.digits, 0)


def coerces(given: Type, wanted: str) -> bool:
    """Say whether GoogleSQL turns a value of one type into another without being asked."""
    if given.name in ("ANY", "NULL", wanted):
        return True
    if given.name in _LADDER and wanted in _LADDER:
        return _LADDER.index(given.name) < _LADDER.index(wanted)
    return given.name == "STRING" and given.literal and wanted in _TEMPORAL


def supertype(kinds: Sequence[Type]) -> Type | None:
    """Return the type to which all of these are coerced together, or None if there is none."""
    known = [kind for kind in kinds if kind.name not in ("ANY", "NULL")]
    common = next((k for k in known if all(coerces(other, k.name) for other in known)), None)
    if known and common is None:
        return None
    if any(kind.name == "ANY" for kind in kinds):
        return ANY
    return NULL if common is None else _widest(common, known)


def _widest(kind: Type, kinds: Sequence[Type]) -> Type:
    if kind.name == "INT64":
        return INT64
    if kind.name != "NUMERIC":
        return replace(kind, literal=False)
    decimals = [as_numeric(k) for k in kinds]
    return numeric(max(d.digits for d in decimals), max(d.scale for d in decimals), big=any(d.big for d in decimals))


def sum_type(left: Type, right: Type) -> Type:
    """Return the type of a NUMERIC sum or difference."""
    return numeric(max(left.digits, right.digits) + 1, max(left.scale, right.scale), big=left.big or right.big)


def product_type(left: Type, right: Type) -> Type:
    """Return the type of a NUMERIC product; digits beyond BigQuery's scale are rounded away, as there."""
    return numeric(left.digits + right.digits, left.scale + right.scale, big=left.big or right.big)


def rounded_type(kind: Type, places: int) -> Type:
    """Return the type of a NUMERIC rounded to a number of places, which may be negative."""
    return numeric(kind.digits + 1, min(max(places, 0), kind.scale), big=kind.big)

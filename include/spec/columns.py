"""A contract's property, resolved to what the engine checks and the warehouse stores."""

from __future__ import annotations

import re
from typing import Any, Literal

from include.spec.contract import ItemProperty, Property, QualityCheck
from include.spec.model import Model

Kind = Literal[
    "string",
    "integer",
    "float",
    "decimal",
    "boolean",
    "date",
    "timestamp",
    "datetime",
    "time",
    "object",
    "array",
]

_DECIMAL = re.compile(r"(?i)^\s*(BIG)?(?:NUMERIC|DECIMAL)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$")
# ODCS names the integers that Rust knows; those beyond 64 bits hold whatever INT64 holds.
_INTEGERS: dict[str, tuple[int | None, int | None]] = {
    **{f"i{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"u{bits}": (0, 2**bits - 1) for bits in (8, 16, 32)},
    "u64": (0, None),
    "u128": (0, None),
    "i128": (None, None),
}
_BIGQUERY = {
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


class ColumnError(ValueError):
    """A property that makes no column: what is wrong, under which of its keys, and what to do."""

    def __init__(self, message: str, *key: str | int, fix: str) -> None:
        super().__init__(message)
        self.key, self.fix = key, fix


class Column(Model):
    """One column: its type, and what its values must satisfy.

    Args:
        precision: total digits of a decimal, at most 76; at most 38 fit NUMERIC's width.
        scale: digits after the point of a decimal.
        formats: JDK DateTimeFormatter patterns accepted for a date, timestamp or time; empty: ISO 8601 only.
        default_timezone: zone of timestamps that carry none.
        minimum, maximum, exclusive_minimum, exclusive_maximum: bounds, as the contract's text.
        valid_values: the only values allowed, as text; empty: any.
        missing_values: texts that stand for no value, so that none of them is allowed.
        unique_items: no item of an array stands in it twice.
        min_properties, max_properties, required_properties: how many keys an object has, and which at least.
        properties: of an object, what its fields must satisfy; others may be there.
        partition: the target table is partitioned by this column.
        key_position: position in the primary key, from 1; 0: not part of it.
    """

    name: str
    kind: Kind
    description: str = ""
    precision: int = 38
    scale: int = 9
    items: Column | None = None
    required: bool = False
    unique: bool = False
    key_position: int = 0
    partition: bool = False
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    string_format: str | None = None
    formats: tuple[str, ...] = ()
    default_timezone: str = "UTC"
    minimum: str | None = None
    maximum: str | None = None
    exclusive_minimum: str | None = None
    exclusive_maximum: str | None = None
    multiple_of: str | None = None
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False
    min_properties: int | None = None
    max_properties: int | None = None
    required_properties: tuple[str, ...] = ()
    properties: tuple[Column, ...] = ()
    valid_values: tuple[str, ...] = ()
    missing_values: tuple[str, ...] = ()
    classification: str | None = None

    @property
    def fields(self) -> tuple[Column, ...]:
        """What the contract says of the fields of an object, or of each object in an array."""
        return self.items.properties if self.kind == "array" and self.items else self.properties

    @property
    def bigquery_type(self) -> str:
        """The type of the column in the target table, as GoogleSQL writes it."""
        if self.kind == "array":
            return f"ARRAY<{self.items.bigquery_type if self.items else 'JSON'}>"
        if self.kind == "decimal":
            name = "NUMERIC" if self.scale <= 9 and self.precision - self.scale <= 29 else "BIGNUMERIC"
            return f"{name}({self.precision}, {self.scale})"
        return _BIGQUERY[self.kind]


def resolve(prop: Property | ItemProperty) -> Column:
    """Make a column of a contract's property.

    Raises:
        ColumnError: the types contradict one another, or one is missing.
    """
    kind, precision, scale = _kind(prop)
    options = prop.logicalTypeOptions
    temporal = kind in ("date", "timestamp", "datetime", "time")
    formats = (options.format,) if temporal and options.format else ()
    extra = _custom(prop, "formats")
    low, high = _width(options.format) if kind == "integer" and options.format else (None, None)
    return Column(
        name=prop.physicalName or prop.name or "item",
        kind=kind,
        description=(prop.description or "").strip(),
        precision=precision,
        scale=scale,
        items=_items(prop) if kind == "array" else None,
        required=prop.required or (prop.primaryKey and isinstance(prop, Property)) or _forbids_null(prop),
        unique=prop.unique or _strict(prop, "duplicateValues"),
        key_position=max(prop.primaryKeyPosition, 1) if prop.primaryKey else 0,
        partition=prop.partitioned,
        min_length=options.minLength,
        max_length=options.maxLength,
        pattern=options.pattern or _invalid_pattern(prop.quality),
        string_format=options.format if kind == "string" else None,
        formats=formats + tuple(str(item) for item in extra or ()),
        default_timezone=options.defaultTimezone or "UTC",
        minimum=_text(low if options.minimum is None else options.minimum),
        maximum=_text(high if options.maximum is None else options.maximum),
        exclusive_minimum=_text(options.exclusiveMinimum),
        exclusive_maximum=_text(options.exclusiveMaximum),
        multiple_of=_text(options.multipleOf),
        min_items=options.minItems,
        max_items=options.maxItems,
        unique_items=bool(options.uniqueItems),
        min_properties=options.minProperties,
        max_properties=options.maxProperties,
        required_properties=options.required or (),
        properties=_properties(prop),
        valid_values=_valid_values(prop.quality),
        missing_values=tuple(_as_written(value) for value in _missing_values(prop) if value is not None),
        classification=prop.classification,
    )


def _kind(prop: Property | ItemProperty) -> tuple[Kind, int, int]:
    logical, physical = prop.logicalType, prop.physicalType or ""
    if logical is None:
        raise ColumnError("has no logicalType", fix="Add `logicalType:`, for example string.")
    decimal = _DECIMAL.match(physical)
    if logical == "number":
        return _number(decimal)
    if logical == "timestamp" and (physical.upper() == "DATETIME" or prop.logicalTypeOptions.timezone is False):
        return "datetime", 38, 9
    return logical, 38, 9


def _number(decimal: re.Match[str] | None) -> tuple[Kind, int, int]:
    if decimal is None:
        return "float", 38, 9
    big, digits, after = decimal.groups()
    if digits is None:
        # What the two types hold when nothing is said: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types
        return ("decimal", 76, 38) if big else ("decimal", 38, 9)
    precision, scale = int(digits), int(after or 0)
    if precision < 1 or scale > min(precision, 38) or precision - scale > 38:
        message = "is no decimal of BigQuery: at most 38 digits before the point, and 38 after it"
        raise ColumnError(message, "physicalType", fix="Write NUMERIC(digits in all, digits after the point).")
    return "decimal", precision, scale


def _width(name: str) -> tuple[int | None, int | None]:
    if name not in _INTEGERS:
        fix = f"An integer's format is one of {', '.join(_INTEGERS)}."
        raise ColumnError("is no width of an integer", "logicalTypeOptions", "format", fix=fix)
    return _INTEGERS[name]


def _properties(prop: Property | ItemProperty) -> tuple[Column, ...]:
    if prop.properties and prop.logicalType != "object":
        where = "under its `items`" if prop.logicalType == "array" else "under an object"
        raise ColumnError(f"has properties, and is no object but {prop.logicalType}", fix=f"Put them {where}.")
    found = []
    for number, item in enumerate(prop.properties):
        try:
            found.append(resolve(item))
        except ColumnError as error:
            raise ColumnError(str(error), "properties", number, *error.key, fix=error.fix) from error
    return tuple(found)


def _items(prop: Property | ItemProperty) -> Column:
    if prop.items is None:
        raise ColumnError("is an array of nothing", fix="Add `items: {logicalType: string}`, or another type.")
    try:
        item = resolve(prop.items)
    except ColumnError as error:
        raise ColumnError(str(error), "items", *error.key, fix=error.fix) from error
    if item.kind == "array":
        fix = "BigQuery holds no array of arrays: use logicalType object, which is stored as JSON."
        raise ColumnError("is an array inside an array", "items", fix=fix)
    return item


def _text(value: Any) -> str | None:  # noqa: ANN401 - a bound may be a number or a date
    return None if value is None else str(value)


def _custom(prop: Property | ItemProperty, name: str) -> list[Any] | None:
    for custom in prop.customProperties or ():
        if custom.property == name and isinstance(custom.value, list):
            return custom.value
    return None


def _forbids_null(prop: Property | ItemProperty) -> bool:
    """Whether a quality check demands a value of every record."""
    return _strict(prop, "nullValues") or None in _missing_values(prop)


def _missing_values(prop: Property | ItemProperty) -> list[Any]:
    """Return what a check counts as missing, of which it allows none: null, unless it lists values."""
    for number, check in enumerate(prop.quality):
        if check.metric == "missingValues" and is_row_rule(check):
            values = (check.arguments or {}).get("missingValues", [None])
            if not isinstance(values, list) or any(isinstance(value, dict | list) for value in values):
                where = ("quality", number, "arguments", "missingValues")
                raise ColumnError("is no list of values", *where, fix="Write them in brackets: [null, '', N/A].")
            return values
    return []


def _strict(prop: Property | ItemProperty, metric: str) -> bool:
    """Whether a quality check allows not one record to fail, so that it is a rule on the record."""
    return any(check.metric == metric and is_row_rule(check) for check in prop.quality)


def is_row_rule(check: QualityCheck) -> bool:
    """Whether a check is decided record by record (none may fail), rather than over the loaded table."""
    return check.type == "library" and check.mustBe == 0 and check.metric != "rowCount"


def _valid_values(checks: tuple[QualityCheck, ...]) -> tuple[str, ...]:
    for number, check in enumerate(checks):
        if check.metric == "invalidValues" and is_row_rule(check) and check.arguments:
            values = check.arguments.get("validValues", [])
            if not isinstance(values, list) or any(isinstance(value, dict | list) for value in values):
                where = ("quality", number, "arguments", "validValues")
                raise ColumnError("is no list of values", *where, fix="Write them in brackets: [one, two].")
            return tuple(_as_written(value) for value in values if value is not None)
    return ()


def _as_written(value: Any) -> str:  # noqa: ANN401 - a text, a number or a boolean
    return str(value).lower() if isinstance(value, bool) else str(value)


def _invalid_pattern(checks: tuple[QualityCheck, ...]) -> str | None:
    """Return the pattern that a check demands of every record: ODCS allows one beside validValues."""
    for number, check in enumerate(checks):
        if check.metric == "invalidValues" and is_row_rule(check) and check.arguments:
            pattern = check.arguments.get("pattern")
            if pattern is not None and not isinstance(pattern, str):
                where = ("quality", number, "arguments", "pattern")
                raise ColumnError("is no text", *where, fix="Put the pattern in quotes.")
            return pattern
    return None

"""What the contract asks of a column's values, as SQL that is true or null where a value satisfies it."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from include.engine.cast import is_wide, sql_type, value_sql
from include.engine.database import Database, literal
from include.engine.errors import TerminalRuleError
from include.engine.temporal import iso_sql
from include.spec.columns import Column

_CONTEXT = decimal.Context(prec=200)
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"(?:{_OCTET}\.){{3}}{_OCTET}"
_H16 = "[0-9A-Fa-f]{1,4}"
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
FORMATS: Final = {
    "email": rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*",
    "uuid": "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    "uri": r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+",
    "hostname": rf"{_LABEL}(?:\.{_LABEL})*\.?",
    "ipv4": _IPV4,
    "ipv6": (
        rf"(?:{_H16}:){{7}}{_H16}|(?:{_H16}:){{1,7}}:|(?:{_H16}:){{1,6}}:{_H16}|(?:{_H16}:){{1,5}}(?::{_H16}){{1,2}}"
        rf"|(?:{_H16}:){{1,4}}(?::{_H16}){{1,3}}|(?:{_H16}:){{1,3}}(?::{_H16}){{1,4}}|(?:{_H16}:){{1,2}}(?::{_H16}){{1,5}}"
        rf"|{_H16}:(?::{_H16}){{1,6}}|:(?:(?::{_H16}){{1,7}}|:)|(?:{_H16}:){{6}}{_IPV4}"
        rf"|::(?:{_H16}:){{0,5}}{_IPV4}|(?:{_H16}:){{1,5}}(?::{_H16}){{0,4}}:{_IPV4}"
    ),
    "byte": "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
}
_UNCHECKED: Final = ("binary", "password")


@dataclass(frozen=True, slots=True)
class Check:
    """One demand on one column.

    Args:
        rule: its name.
        column: the column.
        sql: given SQL for the typed value, SQL that is true or null where it is satisfied.
        says: what a value that fails it does, to follow the quoted value.
    """

    rule: str
    column: Column
    sql: Callable[[str], str]
    says: str


def checks_of(column: Column, database: Database) -> Iterator[Check]:
    """Yield the checks of a column, apart from its type and from being required.

    Raises:
        TerminalRuleError: a bound or a valid value is no value of the column's type.
    """
    if column.kind == "array":
        yield from _array_checks(column, database)
        return
    if column.kind == "object":
        yield from _object_checks(column)
    yield from _text_checks(column)
    yield from _bounds(column, database)
    yield from _missing(column, database)
    if column.valid_values:
        values = ", ".join(_constant(column, value, database) for value in column.valid_values)
        listed = ", ".join(column.valid_values[:20])
        yield Check("valid_values", column, lambda v: f"{v} IN ({values})", f"is none of {listed}")


def _missing(column: Column, database: Database) -> Iterator[Check]:
    found = []
    for value in column.missing_values:
        with suppress(TerminalRuleError):  # what is no value of the column's type is refused by the type
            found.append(_constant(column, value, database))
    if found:
        yield Check("missing_values", column, lambda v: f"{v} NOT IN ({', '.join(found)})", "stands for no value")


def _object_checks(column: Column) -> Iterator[Check]:
    def keys(value: str) -> str:
        return f"CASE WHEN json_valid({value}) THEN json_keys({value}) END"

    least, most, names = column.min_properties, column.max_properties, column.required_properties
    if least is not None:
        yield Check("min_properties", column, lambda v: f"len({keys(v)}) >= {least}", f"has fewer than {least} keys")
    if most is not None:
        yield Check("max_properties", column, lambda v: f"len({keys(v)}) <= {most}", f"has more than {most} keys")
    for name in names:
        holds = f"lacks the key {name}"
        yield Check("required_property", column, lambda v, n=name: f"list_contains({keys(v)}, {literal(n)})", holds)  # type: ignore[misc]


def unchecked_formats(columns: tuple[Column, ...]) -> list[str]:
    """Name the string formats of a contract that the engine does not know."""
    found = []
    for column in columns:
        if column.string_format and column.string_format not in (*FORMATS, *_UNCHECKED):
            found.append(f"the format {column.string_format!r} of column {column.name} is not checked")
        inside = tuple(item.model_copy(update={"name": f"{column.name}.{item.name}"}) for item in column.fields)
        found.extend(unchecked_formats(inside))
    return found


def _text_checks(column: Column) -> Iterator[Check]:
    def text(value: str) -> str:
        return value if column.kind in ("string", "object") else f"CAST({value} AS VARCHAR)"

    least, most, pattern = column.min_length, column.max_length, column.pattern
    if least is not None:
        yield Check(
            "min_length", column, lambda v: f"length({text(v)}) >= {least}", f"is shorter than {least} characters"
        )
    if most is not None:
        yield Check("max_length", column, lambda v: f"length({text(v)}) <= {most}", f"is longer than {most} characters")
    if pattern is not None:
        shape = literal(pattern)
        yield Check("pattern", column, lambda v: f"regexp_matches({text(v)}, {shape})", f"does not match {pattern}")
    if column.string_format in FORMATS:
        form = literal(FORMATS[column.string_format])
        says = f"is no {column.string_format}"
        yield Check("format", column, lambda v: f"regexp_full_match({text(v)}, {form})", says)


def _bounds(column: Column, database: Database) -> Iterator[Check]:
    for rule, operator, bound, says in (
        ("minimum", ">=", column.minimum, "is below the minimum"),
        ("maximum", "<=", column.maximum, "is above the maximum"),
        ("exclusive_minimum", ">", column.exclusive_minimum, "is not above the exclusive minimum"),
        ("exclusive_maximum", "<", column.exclusive_maximum, "is not below the exclusive maximum"),
    ):
        if bound is not None:
            sql = _comparison(column, operator, bound, database)
            yield Check(rule, column, sql, f"{says}, {bound}")
    if column.multiple_of is not None:
        yield Check("multiple_of", column, _multiple(column), f"is no multiple of {column.multiple_of}")


def _comparison(column: Column, operator: str, bound: str, database: Database) -> Callable[[str], str]:
    if column.kind not in ("integer", "decimal"):
        constant = _constant(column, bound, database)
        return lambda v: f"{v} {operator} {constant}"
    # A bound with more digits than the column has is moved to the nearest value that decides the same.
    up = operator in (">=", "<")
    scale = column.scale if column.kind == "decimal" else 0
    rounding = decimal.ROUND_CEILING if up else decimal.ROUND_FLOOR
    nearest = Decimal(bound).quantize(Decimal(1).scaleb(-scale), rounding=rounding, context=_CONTEXT)
    if is_wide(column):
        units = nearest.scaleb(scale, context=_CONTEXT)
        return lambda v: f"{_units(column, v)} {operator} CAST('{units:f}' AS BIGNUM)"
    limit = Decimal(2**63 - 1) if column.kind == "integer" else Decimal(10) ** (column.precision - scale)
    if abs(nearest) >= limit:
        return lambda v: "true" if (nearest < 0) == (operator in (">=", ">")) else f"{v} IS NULL"
    constant = f"CAST('{nearest:f}' AS {sql_type(column)})"
    return lambda v: f"{v} {operator} {constant}"


def _units(column: Column, value: str) -> str:
    """SQL for a wide decimal's text as a whole number of its last digit."""
    fraction = f"left(rpad(split_part({value}, '.', 2), {column.scale}, '0'), {column.scale})"
    return f"CAST(split_part({value}, '.', 1) || {fraction} AS BIGNUM)"


def _multiple(column: Column) -> Callable[[str], str]:
    factor = Decimal(column.multiple_of or "1")
    if column.kind == "float":
        step = f"CAST('{factor:f}' AS DOUBLE)"
        return lambda v: f"abs({v} / {step} - round({v} / {step})) < 1e-9 * greatest(1, abs({v} / {step}))"
    if is_wide(column) or not factor:
        raise TerminalRuleError(f"column {column.name}: multipleOf {factor} cannot be checked here; leave it out")
    scale = max(-int(factor.as_tuple().exponent), 0)
    step = f"CAST('{factor:f}' AS DECIMAL(38, {min(scale, 38)}))"
    return lambda v: f"{v} % {step} = 0"


def _array_checks(column: Column, database: Database) -> Iterator[Check]:
    least, most, item = column.min_items, column.max_items, column.items
    if least is not None:
        yield Check("min_items", column, lambda v: f"len({v}) >= {least}", f"has fewer than {least} items")
    if most is not None:
        yield Check("max_items", column, lambda v: f"len({v}) <= {most}", f"has more than {most} items")
    if column.unique_items:
        yield Check("unique_items", column, lambda v: f"list_unique({v}) = len({v})", "holds an item twice")
    for check in checks_of(item, database) if item else ():

        def every(value: str, check: Check = check) -> str:
            return f"len(list_filter({value}, lambda item: NOT coalesce({check.sql('item')}, true))) = 0"

        yield Check(check.rule, column, every, f"has an item that {check.says}")


def _constant(column: Column, text: str, database: Database) -> str:
    """SQL for a bound or a valid value, in the column's own form or in ISO 8601."""
    if column.kind in ("string", "object"):
        return literal(text)
    if is_wide(column):
        return literal(text)
    forms = [value_sql(column, literal(text))]
    if column.kind in ("date", "time", "timestamp", "datetime"):
        forms.append(iso_sql(column, literal(text)))
        if column.kind != "time":
            forms.append(iso_sql(column, literal(f"{text}T00:00:00")) if column.kind != "date" else "NULL")
    sql = f"SELECT CAST(coalesce({', '.join(forms)}) AS VARCHAR) AS v"
    value = database.query(sql).column("v")[0].as_py()
    if value is None:
        raise TerminalRuleError(f"column {column.name}: {text!r} in the contract is no value of its type {column.kind}")
    return f"CAST({literal(value)} AS {sql_type(column)})"

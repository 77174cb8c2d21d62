"""Rules compiled to DuckDB: the same answer as BigQuery's for every operation of the allow-list.

What BigQuery refuses on a value (division by zero, a bad cast, an overflow) raises in DuckDB too, so that the caller
finds the record; DuckDB's ``error`` cannot stand under TRY, so failures are casts of a text that names the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from include.engine.rule_functions import FUNCTIONS
from include.engine.rule_sql import CANNOT_FAIL, Call, Scope, duckdb_type, quoted
from include.spec.columns import Column
from include.spec.rule_types import Type
from include.spec.rules import Node, parse_rule

if TYPE_CHECKING:
    import duckdb

_REASON = re.compile(r"'rule: ([^']*)' to ")
_COMPARED = ("=", "!=", "<", "<=", ">", ">=")


def compile_rule(expression: str, columns: Mapping[str, Column | None], *, safe: bool = False) -> str:
    """Return the DuckDB expression of a rule.

    Args:
        expression: GoogleSQL.
        columns: the columns that it may use, by name; None: raw text.
        safe: give a STRUCT(value) instead, which is NULL where the rule fails on a record and else holds the value,
            be it NULL or not. Without it the query raises; `failure_reason` says why, with no data in it.

    Raises:
        RuleRefused: it is no rule over these columns.
    """
    sql = Compiler().compile(parse_rule(expression, columns))
    return f"TRY({{'value': {sql}}})" if safe else sql


def rule_type(expression: str, columns: Mapping[str, Column | None]) -> str:
    """Return the DuckDB type of a rule's result, such as DECIMAL(12,2).

    Raises:
        RuleRefused: it is no rule over these columns.
    """
    return duckdb_type(parse_rule(expression, columns).kind)


def failure_reason(error: duckdb.Error) -> str:
    """Say why a rule failed on a record, without any value of the record.

    Args:
        error: what DuckDB raised while it computed the rule.
    """
    text, kind = str(error), type(error).__name__
    found = _REASON.search(text)
    if found:
        return found.group(1)
    if "ivision by zero" in text:
        return "division by zero"
    is_out_of_range = kind == "OutOfRangeException" or "out of range" in text or "Overflow" in text
    if is_out_of_range and kind != "ConversionException":
        return "a number or a date is out of range"
    return "a value cannot be converted to the type that the rule needs"


class Compiler:
    """Turns checked operations into DuckDB's SQL."""

    def __init__(self) -> None:
        self._scope = Scope()

    def compile(self, node: Node) -> str:
        """Return the SQL of one operation and all below it, safe to stand inside any other."""
        if node.name == "column":
            return '"' + str(node.value).replace('"', '""') + '"'
        if node.name == "constant":
            return constant(node)
        if node.name == "coerce":
            return coerced(self.compile(node.arguments[0]), node.arguments[0].kind, node.kind)
        if node.name == "PART":
            return quoted(str(node.value))
        if node.name == "INTERVAL":
            return self.compile(node.arguments[0])
        if node.name in ("AND", "OR"):
            return self._logic(node)
        if node.name in _COMPARED or node.name in ("IN", "BETWEEN", "NULLIF"):
            return self._compared(node)
        if node.name == "CASE":
            return self._case(node)
        emit = FUNCTIONS[node.name]
        arguments = [self.compile(n) for n in node.arguments]
        if isinstance(emit, str):
            return emit.format(*arguments)
        return emit(Call(self._scope, node, tuple(arguments)))

    def _logic(self, node: Node) -> str:
        """Compile AND and OR: what stands on the left decides first, so that it can protect the right."""
        terms = _flat(node, node.name)
        stop = "FALSE" if node.name == "AND" else "TRUE"
        sql = self.compile(terms[-1])
        for number in range(len(terms) - 2, -1, -1):
            left = self.compile(terms[number])
            plain = f"({left} {node.name} {sql})"
            if all(_cannot_fail(term) for term in terms[number + 1 :]):
                sql = plain
            else:
                test = f"NOT {left}" if stop == "FALSE" else left
                sql = f"CASE WHEN {test} THEN {stop} ELSE {plain} END"
        return sql

    def _case(self, node: Node) -> str:
        *pairs, last = [self.compile(n) for n in node.arguments]
        whens = " ".join(f"WHEN {pairs[n]} THEN {pairs[n + 1]}" for n in range(0, len(pairs), 2))
        return f"CASE {whens} ELSE {last} END"

    def _compared(self, node: Node) -> str:
        first, *others = [self.compile(n) for n in node.arguments]
        kind = node.arguments[0].kind
        compare = self._compare(kind)
        if node.name == "NULLIF":
            return self._scope.let(first, lambda x: f"CASE WHEN {compare(x, '=', others[0])} THEN NULL ELSE {x} END")
        if node.name == "IN":
            if kind.name != "FLOAT64":
                return f"({first} IN ({', '.join(others)}))"
            return self._scope.let(first, lambda x: "(" + " OR ".join(compare(x, "=", o) for o in others) + ")")
        if node.name == "BETWEEN":
            low, high = others
            return self._scope.let(first, lambda x: f"({compare(x, '>=', low)} AND {compare(x, '<=', high)})")
        return compare(first, node.name, others[0])

    def _compare(self, kind: Type) -> Callable[[str, str, str], str]:
        if kind.name != "FLOAT64":
            return lambda left, sign, right: f"({left} {sign} {right})"

        # To DuckDB NaN equals itself and is greater than all; to BigQuery it is unequal to everything.
        def floats(left: str, sign: str, right: str) -> str:
            def both(a: str, b: str) -> str:
                nan = f"isnan({a}) OR isnan({b})"
                plain = f"{a} != {b} OR {nan}" if sign == "!=" else f"{a} {sign} {b} AND NOT ({nan})"
                return f"CASE WHEN {a} IS NULL OR {b} IS NULL THEN NULL ELSE {plain} END"

            return self._scope.let(left, lambda a: self._scope.let(right, lambda b: both(a, b)))

        return floats


def _flat(node: Node, name: str) -> list[Node]:
    if node.name != name:
        return [node]
    return [term for argument in node.arguments for term in _flat(argument, name)]


def _cannot_fail(node: Node) -> bool:
    return node.name in CANNOT_FAIL and all(_cannot_fail(argument) for argument in node.arguments)


def constant(node: Node) -> str:
    """Return the SQL of a constant, of exactly its type."""
    kind, value = node.kind, node.value
    if value is None:
        return "NULL" if kind.name == "NULL" else f"CAST(NULL AS {duckdb_type(kind)})"
    if isinstance(value, bool):
        return str(value).upper()
    if kind.name == "INT64":
        return f"CAST({value} AS BIGINT)"
    text = quoted(str(value))
    return text if kind.name == "STRING" else f"CAST({text} AS {duckdb_type(kind)})"


def coerced(sql: str, given: Type, wanted: Type) -> str:
    """Return the SQL of a value as another type that holds it."""
    # DuckDB divides a decimal as double, which rounds twice where it has more digits than a double.
    if given.name == "NUMERIC" and wanted.name == "FLOAT64" and given.precision > 15:
        return f"CAST(CAST({sql} AS VARCHAR) AS DOUBLE)"
    return f"CAST({sql} AS {duckdb_type(wanted)})"

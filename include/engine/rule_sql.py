"""Pieces of DuckDB SQL that compiled rules are made of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from include.spec.rule_types import Type
from include.spec.rules import Node

_DUCKDB = {
    "STRING": "VARCHAR", "INT64": "BIGINT", "FLOAT64": "DOUBLE", "BOOL": "BOOLEAN", "DATE": "DATE", "TIME": "TIME",
    "DATETIME": "TIMESTAMP", "TIMESTAMP": "TIMESTAMP WITH TIME ZONE", "BYTES": "BLOB", "ARRAY<STRING>": "VARCHAR[]",
    "JSON": "VARCHAR", "NULL": "VARCHAR", "ANY": "VARCHAR",
}  # fmt: skip

# Operations that raise on no value: beside these, what may raise is computed only where it must be.
CANNOT_FAIL = frozenset({
    "column", "constant", "=", "!=", "<", "<=", ">", ">=", "IN", "BETWEEN", "AND", "OR", "NOT", "IS NULL", "IS TRUE",
    "IS FALSE", "LIKE", "||", "UPPER", "LOWER", "TRIM", "LTRIM", "RTRIM", "CONCAT", "LENGTH", "CHAR_LENGTH",
    "STARTS_WITH", "ENDS_WITH", "STRPOS", "REGEXP_CONTAINS", "IFNULL", "COALESCE",
})  # fmt: skip

# A column, a constant or a cast of one: what costs little to write, or compute, twice.
_PLAIN = re.compile(r"""\"[^"]*\"|'(?:[^']|'')*'|CAST\((?:"[^"]*"|'[^']*'|-?[0-9]+) AS [A-Z0-9(), ]+\)""")
# ASCII white space, as BigQuery skips it around numbers.
BLANKS = r"[ \t\n\v\f\r]*"


class Scope:
    """Gives names to values that an expression needs more than once."""

    def __init__(self) -> None:
        self._count = 0

    def let(self, sql: str, body: Callable[[str], str]) -> str:
        """Return `body` over a value, which is written, and computed, once.

        Beside cost, this keeps DuckDB from computing a part that stands twice ahead of the TRY around it.

        Args:
            sql: the value.
            body: makes an expression of the SQL that stands for the value.
        """
        if _PLAIN.fullmatch(sql):
            return body(sql)
        self._count += 1
        # No column's name holds a space, so that this one hides none.
        name = f'"value {self._count}"'
        # TRY takes no subquery, so a list of one element and a lambda stand for a local variable.
        return f"list_transform([{sql}], lambda {name}: {body(name)})[1]"


@dataclass(frozen=True, slots=True)
class Call:
    """An operation that is being compiled.

    Args:
        scope: gives names to values that are needed twice.
        node: the operation.
        operands: the SQL of its operands, in order.
    """

    scope: Scope
    node: Node
    operands: tuple[str, ...]

    def operand(self, position: int, default: str) -> str:
        """Return an operand, or a default where it was left out."""
        return self.operands[position] if position < len(self.operands) else default


def quoted(text: str) -> str:
    """Return a text as a DuckDB constant."""
    return "'" + text.replace("'", "''") + "'"


def failure(reason: str, kind: str = "BIGINT") -> str:
    """Return an expression that raises when it is computed.

    Args:
        reason: what is wrong, without a quote in it and without data.
        kind: the DuckDB type that the expression has.
    """
    return f"CAST(CAST('rule: {reason}' AS BIGINT) AS {kind})"


def tested(scope: Scope, sql: str, wrong: Callable[[str], str], reason: str, kind: str) -> str:
    """Return a value that raises where a condition on it holds; NULL stays NULL."""
    return scope.let(sql, lambda x: f"CASE WHEN {wrong(x)} THEN {failure(reason, kind)} ELSE {x} END")


def duckdb_type(kind: Type) -> str:
    """Return the DuckDB type in which values of a rule's type are held."""
    if kind.name == "NUMERIC":
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _DUCKDB[kind.name]


@cache
def expanding() -> dict[str, str]:
    """Return the characters whose upper case is more than one: DuckDB leaves them, BigQuery (ICU) writes them out."""
    return {chr(n): chr(n).upper() for n in range(0xDF, 0xFB18) if len(chr(n).upper()) > 1}

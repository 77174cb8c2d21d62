"""Rules: GoogleSQL expressions over one record, read with SQLGlot and held against the allow-list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from include.spec.columns import Column
from include.spec.rule_table import allowed
from include.spec.rule_types import ANY, Type, column_type

MAX_CHARACTERS = 10_000
MAX_TOKENS = 1_000
MAX_DEPTH = 24
MAX_CHAIN = 100


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """Why an expression is refused, and what to do."""

    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Node:
    """A checked expression: what is done, to what, giving which type.

    Args:
        name: ``column``, ``constant``, ``coerce``, ``CAST``, ``SAFE_CAST``, ``CASE``, ``ELEMENT``, ``PART``,
            ``INTERVAL`` or a name of the allow-list.
        kind: the type of the result.
        arguments: the operands, each already of the type that the operation takes.
        value: a column's name, a constant, a date part, or how an array's element is addressed.
        at: offset in the expression's text, from 0; what an error points at.
    """

    name: str
    kind: Type
    arguments: tuple[Node, ...] = ()
    value: str | int | float | bool | None = None
    at: int = 0


class RuleRefused(ValueError):
    """An expression that is no rule; the problem says why, where, and what is allowed."""

    def __init__(self, message: str, fix: str = "", at: int = 0) -> None:
        super().__init__(message)
        self.message, self.fix, self.at = message, fix or allowed(), at


def check_rule(
    expression: str, columns: Collection[str] | Mapping[str, Column | None], *, result: str | None = None
) -> RuleProblem | None:
    """Return why an expression is no row rule over these columns, or None.

    Args:
        expression: GoogleSQL.
        columns: the columns it may use; with their types (None: raw text) types are checked too.
        result: the type it must give, such as BOOL for a filter.
    """
    try:
        node = parse_rule(expression, columns)
        if result and node.kind.name not in (result, "ANY", "NULL"):
            raise RuleRefused(f"gives {node.kind}, not {result}", f"Write an expression that gives {result}.")
    except RuleRefused as refused:
        return RuleProblem(f"at {_position(expression, refused.at)}: {refused.message}", refused.fix)
    return None


def parse_rule(expression: str, columns: Collection[str] | Mapping[str, Column | None]) -> Node:
    """Read a rule into checked operations.

    Args:
        expression: GoogleSQL.
        columns: as for `check_rule`.

    Raises:
        RuleRefused: it is no rule.
    """
    # SQLGlot takes 0.3 s to import, and a dataset without rules does not need it.
    from include.spec.rule_syntax import read_syntax
    from include.spec.rule_typing import Reader

    known: dict[str, tuple[str, Type | None]] = {}
    for name in columns:
        kind = column_type(columns[name]) if isinstance(columns, Mapping) else ANY
        known[name.lower()] = (name, kind)
    node = Reader(known).read(read_syntax(expression))
    if node.kind.name in ("BYTES", "PART", "INTERVAL"):
        raise RuleRefused(f"gives {node.kind}, which no column holds", "Wrap a hash in TO_HEX.", node.at)
    return node


def _position(expression: str, at: int) -> str:
    before = expression[:at]
    line, column = before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1
    return f"line {line}, character {column}" if "\n" in expression.strip() else f"character {at + 1}"

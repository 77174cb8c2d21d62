"""Runs one rule over a block of rows, and finds the rows on which it fails."""

# ruff: noqa: S608 - it makes SQL for an engine without files or network; names and texts pass through quote and literal

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from include.engine.cast import decimal_shape, is_wide, sql_type, value_sql
from include.engine.database import Database, literal
from include.engine.errors import TerminalRuleError, TransientMemoryError
from include.engine.frame import Bools
from include.spec.columns import Column


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule.

    Args:
        name: `clean.<column>`, `filter` or `derive.<column>`.
        column: the column it makes; empty for the filter.
        expression: as the pipeline has it.
        sql: DuckDB's form of it.
        outputs: SQL of the results, over `e`, the expression's value, by name.
    """

    name: str
    column: str
    expression: str
    sql: str
    outputs: tuple[tuple[str, str], ...]


def text_outputs() -> tuple[tuple[str, str], ...]:
    """What a clean rule gives: text."""
    return (("value", "CAST(e AS VARCHAR)"),)


def truth_outputs() -> tuple[tuple[str, str], ...]:
    """What a filter gives: whether a record stays; null counts as no."""
    return (("value", "coalesce(e, false)"),)


def column_outputs(column: Column, made: pa.DataType) -> tuple[tuple[str, str], ...]:
    """What a derive rule gives: a value of the column's type, and whether the rule's value did not fit it.

    Args:
        column: the column that is made.
        made: the type that the expression has.
    """
    value = _fitted(column, made)
    misfit = f"e IS NOT NULL AND ({value}) IS NULL"
    return (("value", value), ("misfit", misfit), ("shown", f"CASE WHEN {misfit} THEN CAST(e AS VARCHAR) END"))


def _fitted(column: Column, made: pa.DataType) -> str:
    target, kind = sql_type(column), column.kind
    if kind in ("string", "object") or pa.types.is_null(made):
        text = f"CAST(e AS {target})"
        return (
            text
            if kind != "object"
            else f"CASE WHEN json_valid({text}) AND json_type({text}) = 'OBJECT' THEN {text} END"
        )
    if pa.types.is_string(made) and kind != "array":
        return value_sql(column, "e")
    cast = f"TRY_CAST(e AS {target})"
    if is_wide(column):
        text = "CAST(e AS VARCHAR)"
        return f"CASE WHEN regexp_full_match({text}, {literal(decimal_shape(column))}) THEN {text} END"
    if kind == "integer" or (kind == "decimal" and not pa.types.is_floating(made)):
        return f"CASE WHEN {cast} = e THEN {cast} END"  # no silent rounding
    return cast


def probe(database: Database, rule: Rule, empty: pa.Table) -> pa.Schema:
    """Compile a rule against an empty block.

    Raises:
        TerminalRuleError: it does not compile.
    """
    try:
        return database.query(f"SELECT {rule.sql} AS e FROM block", block=empty).schema
    except database.error as error:
        first = str(error).splitlines()[0]
        raise TerminalRuleError(f"{rule.name}: the rule {rule.expression!r} cannot be run: {first}") from error


def run_rule(database: Database, rule: Rule, block: pa.Table) -> tuple[pa.Table, Bools]:
    """Run a rule over a block.

    Returns:
        its outputs, a row per row of the block (null where it fails), and the rows on which it fails.

    Raises:
        TransientMemoryError: the block does not fit into memory.
    """
    outputs = ", ".join(f"{sql} AS {name}" for name, sql in rule.outputs)
    try:
        found = database.query(f"SELECT {outputs} FROM (SELECT {rule.sql} AS e FROM block)", block=block)
    except TransientMemoryError:
        raise
    except database.error:
        return _try_rule(database, rule, block)
    return found, np.zeros(block.num_rows, np.bool_)


def _try_rule(database: Database, rule: Rule, block: pa.Table) -> tuple[pa.Table, Bools]:
    # TRY gives null for an error; inside a struct, the rule's own null can be told from it.
    outputs = ", ".join(f"{sql} AS {name}" for name, sql in rule.outputs)
    tried = f"SELECT TRY({{'v': {rule.sql}}}) AS t FROM block"
    sql = f"SELECT {outputs}, failed FROM (SELECT struct_extract(t, 'v') AS e, t IS NULL AS failed FROM ({tried}))"
    try:
        found = database.query(sql, block=block)
    except TransientMemoryError:
        raise
    except database.error:
        return _bisect(database, rule, block)
    return found.drop_columns(["failed"]), found.column("failed").to_numpy().astype(np.bool_)


def _bisect(database: Database, rule: Rule, block: pa.Table) -> tuple[pa.Table, Bools]:
    """Halve the block until the failing rows stand alone (TRY takes no functions that may differ from call to call)."""
    if block.num_rows == 1:
        empty = ", ".join(f"CAST(NULL AS {_null_type(name)}) AS {name}" for name, _ in rule.outputs)
        return database.query(f"SELECT {empty}"), np.ones(1, np.bool_)
    half = block.num_rows // 2
    halves = [_plain_or_bisect(database, rule, part) for part in (block.slice(0, half), block.slice(half))]
    tables = [table for table, _ in halves]
    known = next((table for table, failed in halves if not failed.all()), tables[0])
    return (
        pa.concat_tables([table.cast(known.schema) for table in tables]),
        np.concatenate([failed for _, failed in halves]),
    )


def _plain_or_bisect(database: Database, rule: Rule, block: pa.Table) -> tuple[pa.Table, Bools]:
    outputs = ", ".join(f"{sql} AS {name}" for name, sql in rule.outputs)
    try:
        found = database.query(f"SELECT {outputs} FROM (SELECT {rule.sql} AS e FROM block)", block=block)
    except TransientMemoryError:
        raise
    except database.error:
        return _bisect(database, rule, block)
    return found, np.zeros(block.num_rows, np.bool_)


def why(database: Database, rule: Rule, row: pa.Table) -> str:
    """Say in words, without any value, why a rule fails on one row; empty where it does not."""
    from include.engine.rule import failure_reason

    try:
        database.query(f"SELECT {rule.sql} AS e FROM block", block=row)
    except database.error as error:
        return failure_reason(error)
    return ""


def _null_type(name: str) -> str:
    return "BOOLEAN" if name == "misfit" else "VARCHAR"


def compiled(expression: str, columns: Mapping[str, Column] | Sequence[str], name: str) -> str:
    """Translate a rule from GoogleSQL to DuckDB's SQL.

    Args:
        columns: typed columns, or names of text columns.

    Raises:
        TerminalRuleError: the rule is refused.
    """
    from include.engine.rule import compile_rule
    from include.spec.rules import RuleRefused

    known: dict[str, Column | None] = dict(columns) if isinstance(columns, Mapping) else dict.fromkeys(columns)
    try:
        return compile_rule(expression, known)
    except RuleRefused as error:
        raise TerminalRuleError(f"{name}: the rule {expression!r} is refused: {error}") from error

"""Types a block's text columns and checks them: one query for all rows, a second one for the few that fail."""

# ruff: noqa: S608 - it makes SQL for an engine without files or network; names and texts pass through quote and literal

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from include.engine.cast import arrow_type, explain_type, value_sql
from include.engine.check import Check, checks_of
from include.engine.database import Database, quote
from include.engine.errors import TerminalRuleError
from include.engine.frame import Bools, Ints
from include.engine.nested import ok_name
from include.engine.quick import patch, quick_columns
from include.engine.records import Failure
from include.engine.show import Shower
from include.spec.columns import Column

_PASSED_ON = ("string", "object")


class Verifier:
    """Types and checks some columns of a dataset.

    Args:
        columns: the columns.
        typed: they are typed already (derived, enriched); else they are text.
        shower: quotes values in messages.
        database: runs the checks.

    Raises:
        TerminalRuleError: a pattern, bound or format of the contract cannot be run.
    """

    def __init__(self, columns: Sequence[Column], *, typed: bool, shower: Shower, database: Database) -> None:
        self._columns = tuple(columns)
        self._typed = typed
        self._shower = shower
        self._database = database
        self._checks: list[tuple[int, Check | None, str, str]] = []  # column, check, rule, SQL that is true on failure
        for number, column in enumerate(self._columns):
            self._add_checks(number, column)
        self._quick = {} if typed else quick_columns(self._columns)
        self._judged: tuple[Ints, Bools] | None = None  # rows of the last block, and which checks each fails
        self._is_quick = bool(self._columns) and len(self._quick) == len(self._columns)

    def _add_checks(self, number: int, column: Column) -> None:
        if not self._typed:
            self._checks.append((number, None, "type", self._type_failure(number, column)))
        if column.required:
            self._checks.append((number, None, "required", f"x{number} IS NULL"))
        for check in checks_of(column, self._database):
            self._checks.append((number, check, check.rule, f"NOT coalesce({check.sql(f'v{number}')}, true)"))

    def _type_failure(self, number: int, column: Column) -> str:
        if column.kind == "object":
            return f"NOT {quote(ok_name(column.name))}"
        if column.kind == "array":
            nulls = f"len(list_filter(v{number}, lambda item: item IS NULL)) > 0"
            return f"NOT {quote(ok_name(column.name))} OR coalesce({nulls}, false)"
        return "false" if column.kind == "string" else f"(x{number} IS NOT NULL AND v{number} IS NULL)"

    def _inner(self) -> str:
        parts = ["*"]
        for number, column in enumerate(self._columns):
            name = quote(column.name)
            value = name if self._typed else value_sql(column, name)
            parts += [f"{name} AS x{number}", f"{value} AS v{number}"]
        return f"SELECT {', '.join(parts)} FROM block"

    def probe(self) -> None:
        """Compile the checks.

        Raises:
            TerminalRuleError: one of them cannot be run.
        """
        if not self._columns:
            return
        fields = [(c.name, arrow_type(c, written=False) if self._typed else _text_type(c)) for c in self._columns]
        flags = [(ok_name(c.name), pa.bool_()) for c in self._columns if c.kind in ("object", "array")]
        empty = pa.schema(fields + ([] if self._typed else flags)).empty_table()
        try:
            self._judge(empty)
            return
        except self._database.error as error:
            whole = error
        for number, _, rule, sql in self._checks:
            try:
                self._database.query(f"SELECT {sql} AS failed FROM ({self._inner()})", block=empty)
            except self._database.error as error:
                what = f"column {self._columns[number].name}: its {rule} cannot be checked"
                raise TerminalRuleError(f"{what}: {str(error).splitlines()[0]}") from error
        raise TerminalRuleError(f"the contract's checks cannot be run: {str(whole).splitlines()[0]}") from whole

    def run(self, block: pa.Table) -> tuple[pa.Table, Bools]:
        """Type and check a block.

        Returns:
            the typed columns, and which rows fail something.
        """
        self._judged = None
        if not self._is_quick or not block.num_rows:
            return self._judge(block)
        found = {name: quick(_whole(block.column(name))) for name, quick in self._quick.items()}
        doubt = np.zeros(block.num_rows, np.bool_)
        for _, sure in found.values():
            if sure is not None:
                doubt |= ~sure
        rows = np.flatnonzero(doubt)
        if 2 * len(rows) > block.num_rows:
            return self._judge(block)
        columns = {name: values for name, (values, _) in found.items()}
        if len(rows):
            judged, failing = self._judge(block.take(pa.array(rows)), rows)
            doubt[rows] = failing
            right = np.flatnonzero(~failing)
            for column in self._columns if len(right) else ():
                if column.kind not in _PASSED_ON:
                    values = _whole(judged.column(column.name)).take(pa.array(right))
                    columns[column.name] = patch(columns[column.name], rows[right], values)
        return pa.table(columns), doubt

    def _judge(self, block: pa.Table, rows: Ints | None = None) -> tuple[pa.Table, Bools]:
        """Type and check every row in full; if they are some rows of a block, keep what each fails."""
        failing = " OR ".join(f"({sql})" for _, _, _, sql in self._asked()) or "false"
        made = [
            f"v{number} AS {quote(column.name)}"
            for number, column in enumerate(self._columns)
            if not self._typed and column.kind not in _PASSED_ON
        ]
        asked = f"({failing}) AS _failing" if rows is None else self._flags()
        found = self._database.query(f"SELECT {', '.join([*made, asked])} FROM ({self._inner()})", block=block)
        names = set(found.column_names)
        columns = {c.name: (found if c.name in names else block).column(c.name) for c in self._columns}
        if rows is None:
            self._judged = None
            return pa.table(columns), found.column("_failing").to_numpy().astype(np.bool_)
        failed = self._failed(found)
        self._judged = rows, failed
        return pa.table(columns), np.logical_or.reduce(failed, axis=1)

    def explain(self, block: pa.Table, texts: pa.Table, rows: Ints | None = None) -> list[list[Failure]]:
        """Say for each row of a block what it fails.

        Args:
            block: the failing rows.
            texts: the same rows' values, to be quoted.
            rows: which rows of the block that was run last they are.
        """
        if not block.num_rows or not self._checks:
            return [[] for _ in range(block.num_rows)]
        if rows is not None and self._judged is not None:
            failed = self._judged[1][np.searchsorted(self._judged[0], rows)]
        else:
            failed = self._failed(self._database.query(f"SELECT {self._flags()} FROM ({self._inner()})", block=block))
        failures: list[list[Failure]] = [[] for _ in range(block.num_rows)]
        for index, (number, check, rule, _) in enumerate(self._asked()):
            column = self._columns[number]
            for row in np.flatnonzero(failed[:, index]).tolist():
                value = texts.column(column.name)[row].as_py()
                failures[row].append(Failure(rule, column.name, self._message(column, check, rule, value)))
        return failures

    def _asked(self) -> list[tuple[int, Check | None, str, str]]:
        return [check for check in self._checks if check[3] != "false"]

    def _flags(self) -> str:
        """SQL for which checks a row fails: one list, for a column each would take longer than to check them."""
        return f"[{', '.join(f'({sql})' for _, _, _, sql in self._asked())}]::BOOLEAN[] AS _failed"

    def _failed(self, found: pa.Table) -> Bools:
        failed: Bools = _whole(found.column("_failed")).flatten().to_numpy(zero_copy_only=False)
        return failed.reshape(found.num_rows, len(self._asked()))

    def _message(self, column: Column, check: Check | None, rule: str, value: object) -> str:
        if rule == "required":
            return "is missing, and the contract requires it"
        says = check.says if check else explain_type(column, str(value))
        return f"{self._shower.value(column.name, value)} {says}"


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _text_type(column: Column) -> pa.DataType:
    return pa.list_(pa.string()) if column.kind == "array" else pa.string()

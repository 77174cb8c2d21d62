"""Starts local-bigquery with one defect mended: MERGE inside a transaction. Run by the emulators' interpreter.

local-bigquery 0.4.0 finds out whether it is inside a transaction by sending BEGIN and catching DuckDB's refusal; but
that refusal aborts the transaction, so that every MERGE between BEGIN TRANSACTION and COMMIT fails.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

import duckdb  # noqa: TID253 - nothing else runs in this process
from local_bigquery.cli import main
from local_bigquery.jobs import merge, query
from sqlglot import exp

# The cursors between BEGIN TRANSACTION and its end.
_in_transaction: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
_run_statement, _run_merge = query._run, merge.run


class _Cursor:
    """A cursor inside a transaction, which refuses BEGIN without harm to that transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def execute(self, sql: str, *bound: Any) -> Any:  # noqa: ANN401
        if sql == "BEGIN":
            raise duckdb.TransactionException("a transaction is under way")
        return self._cursor.execute(sql, *bound)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._cursor, name)


def _noting_transactions(cursor: duckdb.DuckDBPyConnection, tree: exp.Expression, *rest: Any) -> Any:  # noqa: ANN401
    if isinstance(tree, (exp.Commit, exp.Rollback)):
        _in_transaction.discard(cursor)
    done = _run_statement(cursor, tree, *rest)
    if isinstance(tree, exp.Transaction):
        _in_transaction.add(cursor)
    return done


def _merging(cursor: duckdb.DuckDBPyConnection, *rest: Any) -> Any:  # noqa: ANN401
    return _run_merge(_Cursor(cursor) if cursor in _in_transaction else cursor, *rest)


query._run, merge.run = _noting_transactions, _merging

if __name__ == "__main__":
    sys.exit(main())

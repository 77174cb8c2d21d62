"""Starts local-bigquery with one defect mended, and at half its price. Run by the emulators' interpreter.

local-bigquery 0.4.0 finds out whether it is inside a transaction by sending BEGIN and catching DuckDB's refusal; but
that refusal aborts the transaction, so that every MERGE between BEGIN TRANSACTION and COMMIT fails.

Half of what it cost (docs/performance.md) was asking what tables and columns there are: DuckDB lists those of all its
databases each time. Here a project's are asked for once a snapshot, and a job's result, of which one is made for each
query, is not looked for among them.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

import duckdb  # noqa: TID253 - nothing else runs in this process
from local_bigquery.catalog import metadata, names, tabledata, tables
from local_bigquery.cli import main
from local_bigquery.engine import database, types
from local_bigquery.errors import not_found
from local_bigquery.jobs import merge, query
from local_bigquery.models import Table, TableFieldSchema
from sqlglot import exp

# DuckDB tries to import it in each call. It is not there, and finding that out anew costs more than a small query.
sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]

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


@functools.cache
def _on_one_thread() -> duckdb.DuckDBPyConnection:
    """The connection; a job's tables are so small that waking other threads costs more than they help."""
    connection: duckdb.DuckDBPyConnection = _connect()
    connection.execute("SET threads = 1")
    return connection


def _once_a_snapshot(ask: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Remember what is asked of a project's committed tables until DuckLake, which numbers its commits, has another."""
    known: dict[str, tuple[int, dict[tuple[str, ...], list[Any]]]] = {}

    def asked(project: str, dataset: str, *rest: str) -> list[Any]:
        if dataset == tables.RESULTS or project not in database._attached:  # DuckLake does not number those
            return ask(project, dataset, *rest)
        catalog = database.quote(f"__ducklake_metadata_{project}")
        # Read before the answer: one that is newer than its number is never used again.
        [(snapshot,)] = database.fetch(f"SELECT max(snapshot_id) FROM {catalog}.ducklake_snapshot")  # noqa: S608
        if known.get(project, (None,))[0] != snapshot:
            known[project] = (snapshot, {})
        answers = known[project][1]
        if (dataset, *rest) not in answers:
            answers[dataset, *rest] = ask(project, dataset, *rest)
        return list(answers[dataset, *rest])

    return asked


def _objects(project: str, dataset: str, table: str | None = None) -> list[tuple[str, str, int]]:
    return [found for found in _all_objects(project, dataset) if table in (None, found[0])]


def _columns(project: str, dataset: str, table: str) -> list[TableFieldSchema]:
    if dataset != tables.RESULTS:
        return _all_columns(project, dataset, table)
    # The result of a job has no column that is required, which is what all columns are listed for.
    with database.cursor() as cursor:
        try:
            relation = cursor.sql(f"SELECT * FROM {tables.name(project, dataset, table)} LIMIT 0")  # noqa: S608
        except duckdb.CatalogException:
            raise not_found("Table", names.label(project, dataset, table)) from None
        return list(map(types.field, relation.columns, relation.types))


def _there(project: str, dataset: str, table: str) -> None:
    """Complain of a table that is missing or has expired; of a job's result the columns do, which are read next."""
    if dataset != tables.RESULTS or metadata.load(Table, project, dataset, table):
        tables.load(project, dataset, table)


query._run, merge.run = _noting_transactions, _merging
_connect, database._connect = database._connect, _on_one_thread
_all_objects, database.objects = _once_a_snapshot(database.objects), _objects
_all_columns, tables.columns = _once_a_snapshot(tables.columns), _columns
tabledata.load, tabledata.columns = _there, _columns

if __name__ == "__main__":
    sys.exit(main())

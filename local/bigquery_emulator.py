"""Starts local-bigquery with one defect mended, and at a third of its price. Run by the emulators' interpreter.

local-bigquery 0.4.0 finds out whether it is inside a transaction by sending BEGIN and catching DuckDB's refusal; but
that refusal aborts the transaction, so that every MERGE between BEGIN TRANSACTION and COMMIT fails.

Half of what it cost (docs/performance.md) was asking what tables and columns there are: DuckDB lists those of all its
databases each time, with DuckLake's statistics of every table. Here DuckLake's own catalog is asked, once a commit,
and a job's result, of which one is made for each query, is not looked for among all of them. A script's jobs are
saved at once. Small inserts could go into that catalog, too: with DuckDB 1.5.5 the restarted process then dies.
"""

from __future__ import annotations

import functools
import gc
import json
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import duckdb  # noqa: TID253 - nothing else runs in this process
from local_bigquery.catalog import metadata, names, tabledata, tables
from local_bigquery.cli import main
from local_bigquery.engine import database, types
from local_bigquery.errors import not_found
from local_bigquery.jobs import merge, query, store
from local_bigquery.models import Job, Table, TableFieldSchema
from local_bigquery.sql.rules import partitions
from sqlglot import exp

# DuckDB tries to import it in each call. It is not there, and finding that out anew costs more than a small query.
sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]

# Jobs of statements of scripts that are running, by project and script.
_statements: dict[tuple[str, str], list[Job]] = {}
# The cursors between BEGIN TRANSACTION and its end.
_in_transaction: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
_describe_lock = threading.Lock()
_run_statement, _run_merge, _execute = query._run, merge.run, query.execute


class _Cursor:
    """A cursor that answers one text itself, and passes everything else on."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._cursor, name)


class _InTransaction(_Cursor):
    """A cursor inside a transaction, which refuses BEGIN without harm to that transaction."""

    def execute(self, sql: str, *bound: Any) -> Any:  # noqa: ANN401
        if sql == "BEGIN":
            raise duckdb.TransactionException("a transaction is under way")
        return self._cursor.execute(sql, *bound)


class _New(_Cursor):
    """A cursor that was just made. It has no temporary tables, and plans what it is asked twice in a row once."""

    _last: tuple[str, Any, Any] | None = None

    def sql(self, sql: str, params: Any = None) -> Any:  # noqa: ANN401
        if sql == "SELECT table_name FROM duckdb_tables() WHERE temporary":
            sql = "SELECT '' AS table_name LIMIT 0"
        # The very same text is asked for its columns twice before it is run.
        if self._last is None or self._last[0] is not sql or self._last[1] is not params:
            self._last = sql, params, self._cursor.sql(sql, params=params)
        return self._last[2]

    def execute(self, *statement: Any) -> Any:  # noqa: ANN401
        self._last = None
        return self._cursor.execute(*statement)


def _noting_transactions(cursor: duckdb.DuckDBPyConnection, tree: exp.Expression, *rest: Any) -> Any:  # noqa: ANN401
    if isinstance(tree, (exp.Commit, exp.Rollback)):
        _in_transaction.discard(cursor)
    done = _run_statement(cursor, tree, *rest)
    if isinstance(tree, exp.Transaction):
        _in_transaction.add(cursor)
    return done


def _executing(cursor: duckdb.DuckDBPyConnection, *rest: Any, session: Any = None, **named: Any) -> Any:  # noqa: ANN401
    return _execute(cursor if session else _New(cursor), *rest, session=session, **named)


def _merging(cursor: duckdb.DuckDBPyConnection, *rest: Any) -> Any:  # noqa: ANN401
    return _run_merge(_InTransaction(cursor) if cursor in _in_transaction else cursor, *rest)


@functools.cache
def _on_one_thread() -> duckdb.DuckDBPyConnection:
    """The connection; a job's tables are so small that waking other threads costs more than they help."""
    connection: duckdb.DuckDBPyConnection = _connect()
    connection.execute("SET threads = 1")
    return connection


def _once_a(version: str) -> Callable[[Callable[..., list[Any]]], Callable[..., list[Any]]]:
    """Remember what is asked of a project's committed tables until DuckLake, which numbers its commits, has another.

    Args:
        version: snapshot_id, of which each commit has one; schema_version, which is of those that change tables.
    """

    def remembering(ask: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        known: dict[str, tuple[int, dict[tuple[str, ...], list[Any]]]] = {}

        def asked(project: str, dataset: str, *rest: str) -> list[Any]:
            if not _is_numbered(project, dataset):
                return ask(project, dataset, *rest)
            # Read before the answer: one that is newer than its number is never used again.
            [(latest,)] = database.fetch(f"SELECT max({version}) FROM {_catalog(project)}.ducklake_snapshot")  # noqa: S608
            if known.get(project, (None,))[0] != latest:
                known[project] = (latest, {})
            answers = known[project][1]
            if (dataset, *rest) not in answers:
                answers[dataset, *rest] = ask(project, dataset, *rest)
            return list(answers[dataset, *rest])

        return asked

    return remembering


def _is_numbered(project: str, dataset: str) -> bool:
    return dataset != tables.RESULTS and project in database._attached


def _catalog(project: str) -> str:
    return str(database.quote(f"__ducklake_metadata_{project}"))


@_once_a("snapshot_id")
def _all_objects(project: str, dataset: str) -> list[tuple[str, str, int]]:
    """List tables and views with their rows; DuckDB, if asked, asks DuckLake for the statistics of all there are."""
    if not _is_numbered(project, dataset):
        return list(_list(project, dataset))
    catalog = _catalog(project)
    return list(
        database.fetch(
            "SELECT t.table_name, 'TABLE', coalesce(n.record_count, 0)"  # noqa: S608
            f" FROM {catalog}.ducklake_table t LEFT JOIN {catalog}.ducklake_table_stats n USING (table_id)"
            f" JOIN {catalog}.ducklake_schema s ON s.schema_id = t.schema_id WHERE s.schema_name = $1"
            " AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL UNION ALL SELECT v.view_name, 'VIEW', 0"
            f" FROM {catalog}.ducklake_view v JOIN {catalog}.ducklake_schema s ON s.schema_id = v.schema_id"
            " WHERE s.schema_name = $1 AND v.end_snapshot IS NULL AND s.end_snapshot IS NULL ORDER BY 1",
            [dataset],
        )
    )


def _objects(project: str, dataset: str, table: str | None = None) -> list[tuple[str, str, int]]:
    if dataset != tables.RESULTS or table is None:
        return [found for found in _all_objects(project, dataset) if table in (None, found[0])]
    # A job's result is one of very many.
    try:
        [(rows,)] = database.fetch(f"SELECT count(*) FROM {database.quote(project, dataset, table)}")  # noqa: S608
    except duckdb.CatalogException:
        return []
    return [(table, "TABLE", rows)]


@_once_a("schema_version")
def _described(project: str, dataset: str, table: str) -> list[tuple[str, bool]]:
    """List a table's columns and whether each may be null; of a view, none."""
    if not _is_numbered(project, dataset):
        return list(
            database.fetch(
                "SELECT column_name, is_nullable FROM duckdb_columns()"
                " WHERE database_name = $1 AND schema_name = $2 AND table_name = $3",
                [project, dataset, table],
            )
        )
    catalog = _catalog(project)
    return list(
        database.fetch(
            f"SELECT c.column_name, c.nulls_allowed FROM {catalog}.ducklake_column c"  # noqa: S608
            f" JOIN {catalog}.ducklake_table t ON t.table_id = c.table_id"
            f" JOIN {catalog}.ducklake_schema s ON s.schema_id = t.schema_id"
            " WHERE s.schema_name = $1 AND t.table_name = $2 AND c.parent_column IS NULL"
            " AND c.end_snapshot IS NULL AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL",
            [dataset, table],
        )
    )


@_once_a("schema_version")
def _columns(project: str, dataset: str, table: str) -> list[TableFieldSchema]:
    # The result of a job has no column that is required.
    described = [] if dataset == tables.RESULTS else _described(project, dataset, table)
    required = {name for name, nullable in described if not nullable}
    with database.cursor() as cursor:
        try:
            relation = cursor.sql(f"SELECT * FROM {tables.name(project, dataset, table)} LIMIT 0")  # noqa: S608
        except duckdb.CatalogException:
            raise not_found("Table", names.label(project, dataset, table)) from None
        return [
            types.field(name, kind, name in required)
            for name, kind in zip(relation.columns, relation.types, strict=True)
            if name != tables.INGESTION_TIME or dataset == tables.RESULTS
        ]


def _hidden(table: exp.Table) -> bool:
    """Tell whether a table is partitioned by when its rows came, which is a column that no star shows."""
    if not (table.catalog and table.db) or not isinstance(table.this, exp.Identifier):
        return False
    return any(name == tables.INGESTION_TIME for name, _ in _described(table.catalog, table.db, table.name))


def _there(project: str, dataset: str, table: str) -> None:
    """Complain of a table that is missing or has expired; of a job's result the columns do, which are read next."""
    if dataset != tables.RESULTS or metadata.load(Table, project, dataset, table):
        tables.load(project, dataset, table)


def _describing(resource: Any, *keys: str) -> Any:  # noqa: ANN401
    """Save what is known of a table; of two that made it at once, DuckDB would refuse the second for its key."""
    with _describe_lock:
        return _describe(resource, *keys)


def _saving(job: Job) -> Job:
    """Save a job; those that a script's statements make, together with the script's."""
    parent = job.statistics.parentJobId
    key = job.jobReference.projectId, parent or job.jobReference.jobId
    if parent:
        _statements.setdefault(key, []).append(job)
        return job
    with database.cursor() as cursor:
        cursor.begin()
        cursor.executemany(
            "INSERT OR REPLACE INTO emulator.jobs VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    saved.jobReference.projectId,
                    saved.jobReference.jobId,
                    saved.statistics.parentJobId,
                    saved.status.state,
                    int(saved.statistics.creationTime),
                    json.dumps(saved.dump()),
                )
                for saved in (*_statements.pop(key, ()), job)
            ],
        )
        cursor.commit()
    return job


query._run, merge.run, query.execute = _noting_transactions, _merging, _executing
_connect, database._connect = database._connect, _on_one_thread
_list, database.objects = database.objects, _objects
_describe, metadata.save = metadata.save, _describing
store.save = _saving
tables.columns, tabledata.columns = _columns, _columns
tabledata.load, partitions._hidden = _there, _hidden

if __name__ == "__main__":
    # Trees of SQL are cycles; looking for them as often as Python does costs a twentieth of the time.
    gc.set_threshold(10_000)
    sys.exit(main())

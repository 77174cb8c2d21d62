"""A DuckDB that runs rules over blocks of rows, in UTC, and can reach neither files nor the network."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.engine.errors import TransientMemoryError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_Key = tuple[Any, ...]  # a query, and the names and columns of its tables

_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET enable_progress_bar = false",
    # A shared subexpression would be evaluated outside of TRY, and its error would escape.
    "SET disabled_optimizers = 'common_subexpressions'",
    # Rules are written by people: none may read a file, load code, or change these settings.
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


class Database:
    """One in-memory connection; threads that share it wait for one another.

    Args:
        threads: DuckDB's worker threads.
        memory_mb: DuckDB's memory limit in MB.
    """

    def __init__(self, *, threads: int = 2, memory_mb: int = 1024) -> None:
        import duckdb

        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": threads,
            "memory_limit": f"{memory_mb}MB",
            "autoinstall_known_extensions": False,
        }
        self._connection = duckdb.connect(":memory:", config=config)
        self._out_of_memory = duckdb.OutOfMemoryException
        self.error = duckdb.Error
        self._seen: set[_Key] = set()
        self._prepared: dict[_Key, _Prepared] = {}
        self._lock = threading.Lock()
        for setting in _SETTINGS:
            self._connection.execute(setting)

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def query(self, sql: str, **tables: pa.Table) -> pa.Table:
        """Run a query over Arrow tables; rows keep their order where the query does not join or group.

        A query that comes again, over tables of the same columns, is planned once: planning takes longer than a block.

        Raises:
            TransientMemoryError: the query needs more memory than it may have.
            duckdb.Error (as `self.error`): the query does not compile, or fails on a row.
        """
        try:
            with self._lock:
                return self._answer(sql, tables)
        except self._out_of_memory as error:
            raise TransientMemoryError(f"a block needs more memory than there is: {error}") from error

    def _answer(self, sql: str, tables: Mapping[str, pa.Table]) -> pa.Table:
        key = (sql, *((name, table.schema) for name, table in tables.items()))
        prepared = self._prepared.get(key)
        if prepared is None and key in self._seen:
            prepared = self._prepared[key] = self._prepare(sql, tables)
        self._seen.add(key)
        return prepared.run(tables) if prepared else self._run(sql, tables)

    def _run(self, sql: str, tables: Mapping[str, pa.Table]) -> pa.Table:
        for name, table in tables.items():
            self._connection.register(name, table)
        try:
            return self._connection.sql(sql).to_arrow_table()
        finally:
            for name in tables:
                self._connection.unregister(name)

    def _prepare(self, sql: str, tables: Mapping[str, pa.Table]) -> _Prepared:
        number = len(self._prepared)
        places = {name: _Place(table.schema) for name, table in tables.items()}
        for name, place in places.items():
            self._connection.register(f"{name}_{number}", place)
        # Each query has a view of its own: registering a name anew would make DuckDB plan all that use it anew.
        known = ", ".join(f"{name} AS NOT MATERIALIZED (FROM {name}_{number})" for name in tables)
        self._connection.execute(f"PREPARE query_{number} AS {f'WITH {known} ' if known else ''}{sql}")
        return _Prepared(self._connection, f"EXECUTE query_{number}", places)


class _Place:
    """What stands for a table in a prepared query: whichever table is put there."""

    def __init__(self, schema: pa.Schema) -> None:
        self._empty = schema.empty_table()
        self.table: pa.Table | None = None

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        table = self._empty if self.table is None else self.table
        return table.__arrow_c_stream__(requested_schema)


class _Prepared:
    """A query that is planned already."""

    def __init__(self, connection: DuckDBPyConnection, sql: str, places: Mapping[str, _Place]) -> None:
        self._connection, self._sql, self._places = connection, sql, places

    def run(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        for name, place in self._places.items():
            place.table = tables[name]
        try:
            return self._connection.sql(self._sql).to_arrow_table()
        finally:
            for place in self._places.values():
                place.table = None


def quote(name: str) -> str:
    """Return an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"

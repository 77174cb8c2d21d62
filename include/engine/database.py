"""A DuckDB that runs rules over blocks of rows, in UTC, and can reach neither files nor the network."""

from __future__ import annotations

from types import TracebackType

import pyarrow as pa

from include.engine.errors import TransientMemoryError

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
    """One in-memory connection.

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

        Raises:
            TransientMemoryError: the query needs more memory than it may have.
            duckdb.Error (as `self.error`): the query does not compile, or fails on a row.
        """
        for name, table in tables.items():
            self._connection.register(name, table)
        try:
            return self._connection.sql(sql).to_arrow_table()
        except self._out_of_memory as error:
            raise TransientMemoryError(f"a block needs more memory than there is: {error}") from error
        finally:
            for name in tables:
                self._connection.unregister(name)


def quote(name: str) -> str:
    """Return an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"

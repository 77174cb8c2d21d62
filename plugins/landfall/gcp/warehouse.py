"""BigQuery through the provider's hook: queries, and jobs whose names follow from what they do."""

from __future__ import annotations

import concurrent.futures
import functools
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from include.backoff import Backoff
from include.breaker import Breaker
from landfall.errors import LostRace, Missing, TerminalFailure, TransientFailure
from landfall.gcp.calls import TIMEOUT, Calls, patiently
from landfall.gcp.classify.warehouse import classify_job, classify_warehouse

if TYPE_CHECKING:
    from google.cloud.bigquery import Client, LoadJob, QueryJob, SchemaField

    from include.ledger.drift import TableColumn

log = logging.getLogger(__name__)

_MAX_ATTEMPTS = 1_000
_STAGING_LIFETIME = timedelta(days=3)
# A staging table that ends sooner than a commit may take is as good as gone.
_STAGING_REST = timedelta(hours=2)
# How long one call waits for a job before the next call does; more than the 10 s that BigQuery holds an answer back.
_SLICE_SECONDS = 15.0
# Of eight that race for good one wins each time, and each takes seconds: the last has its turn before Airflow knows.
_RACE_SECONDS, _RACE_BACKOFF = 120.0, Backoff(base=0.1, jitter=1.0, cap=5.0)
# BigQuery holds an answer back for queries only; the end of a load has to be asked for.
_POLL_SECONDS = 1.0
# The library's own retries, ten minutes for a call and forty for a job, would multiply with that of `Calls`.
_ONE_TRY: dict[str, Any] = {"retry": None, "timeout": TIMEOUT}

Row = Mapping[str, Any]


class Warehouse:
    """BigQuery.

    Every method raises TerminalFailure or TransientFailure, and nothing of the client library.

    Args:
        connection: Airflow connection id.
        project: the project that holds the tables and runs the jobs.
        location: where the datasets live.
        breaker: of the service; one for this object alone if left out.
    """

    def __init__(self, connection: str, project: str, location: str, breaker: Breaker | None = None) -> None:
        self.connection, self.project, self.location = connection, project, location
        self._call = Calls(classify_warehouse, breaker or Breaker("BigQuery"))

    @functools.cached_property
    def client(self) -> Client:
        """The provider hook's own client."""
        from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook

        hook = BigQueryHook(gcp_conn_id=self.connection, use_legacy_sql=False, location=self.location)
        return hook.get_client(project_id=self.project, location=self.location)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run a query and return its rows; the next call runs it anew.

        Each call names its job, so that one whose answer got lost is found again.

        Raises:
            Missing: a table is not there.
        """
        job = self._once(f"landfall-query-{uuid.uuid4().hex}", self._query(sql, parameters or {}))
        # From the first page each time: a result that broke off in the middle is read again as a whole.
        return self._call(f"read the result of {job.job_id}", lambda: [dict(row.items()) for row in _rows(job)])

    def change(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that changes something, once; the next call runs it anew.

        Its job is named as a query's, so that an insert whose answer got lost is not made twice. A task that is tried
        again calls again: for what does no harm if done once more.

        Raises:
            Missing: a table is not there.
        """
        self.query(sql, parameters)

    def run_once(self, sql: str, parameters: Mapping[str, Any], name: str) -> QueryJob:
        """Run a script once under a name: attach where it runs, be content where it ran, try anew where it failed.

        One that loses a race to another transaction is run again at once, a few times, under the next numbers.

        Raises:
            TerminalFailure, TransientFailure: the script failed.
        """
        job: QueryJob = self._once(name, self._query(sql, parameters))
        return job

    def load_parquet(self, uris: Sequence[str], table: str, schema: Sequence[SchemaField], name: str) -> int:
        """Load Parquet files into a table that is made anew, once under this name; returns its number of rows.

        A table that an earlier try filled and that is gone since is filled again.
        """
        from google.cloud import bigquery

        options = bigquery.ParquetOptions()
        options.enable_list_inference = True
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            schema=list(schema) or None,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            parquet_options=options,
        )

        def submit(job_id: str) -> LoadJob:
            return self.client.load_table_from_uri(list(uris), table, job_config=config, job_id=job_id, **_ONE_TRY)

        job: LoadJob = self._once(name, submit, lambda: self._stays(table))
        return int(job.output_rows or 0)

    def _stays(self, table: str) -> bool:
        """Whether a table is there and will be for a while."""
        try:
            expires = self._call(f"look at the table {table}", lambda: self.client.get_table(table, **_ONE_TRY)).expires
        except Missing:
            return False
        return expires is None or expires - datetime.now(UTC) > _STAGING_REST

    def columns(self, table: str) -> list[TableColumn]:
        """Return a table's columns as they are now.

        Args:
            table: dataset.table.

        Raises:
            Missing: there is no such table.
        """
        from include.ledger.drift import TableColumn

        full = f"{self.project}.{table}"
        fields = self._call(f"look at the table {full}", lambda: self.client.get_table(full, **_ONE_TRY)).schema
        return [TableColumn.of(f.name, f.field_type, f.mode, f.precision, f.scale) for f in fields]

    def row_count(self, table: str) -> int:
        """Return how many rows a table has; 0 for a view, of which nobody knows.

        Raises:
            Missing: there is no such table.
        """
        full = f"{self.project}.{table}"
        found = self._call(f"look at the table {full}", lambda: self.client.get_table(full, **_ONE_TRY))
        return int(found.num_rows or 0)

    def rows(self, table: str, names: Sequence[str], *, limit: int) -> list[tuple[Any, ...]]:
        """Return some columns of at most so many rows of a table, as it is at one moment, in any order.

        Args:
            table: dataset.table.
            names: the columns, as identifiers.
        """
        chosen = ", ".join(f"`{name}`" for name in names)
        sql = f"SELECT {chosen} FROM `{self.project}.{table}` LIMIT {limit}"  # noqa: S608 - names are identifiers
        return [tuple(row.values()) for row in self.query(sql)]

    def ensure_dataset(self, name: str, *, expiring: bool = False) -> None:
        """Make a BigQuery dataset where there is none."""
        from google.cloud import bigquery

        dataset = bigquery.Dataset(f"{self.project}.{name}")
        dataset.location = self.location
        if expiring:
            dataset.default_table_expiration_ms = int(_STAGING_LIFETIME.total_seconds() * 1000)

        def create() -> None:
            self.client.create_dataset(dataset, exists_ok=True, **_ONE_TRY)

        self._call(f"make the dataset {self.project}.{name}", create)

    def _query(self, sql: str, parameters: Mapping[str, Any]) -> Callable[[str], QueryJob]:
        def submit(job_id: str) -> QueryJob:
            config = self._query_config(parameters)
            return self.client.query(sql, job_config=config, job_id=job_id, job_retry=None, **_ONE_TRY)

        return submit

    def _once(self, name: str, submit: Callable[[str], Any], holds: Callable[[], bool] = lambda: True) -> Any:  # noqa: ANN401
        """Run a job; one that lost a race is run under the next number, for a while.

        What failed otherwise is not tried again here: a call was by `_call`, and a job is by Airflow's next try.

        Args:
            name: what its ids begin with.
            submit: submits a query job or a load job under an id.
            holds: whether the work of a job that succeeded is still there.
        """
        # Shared by the tries of a race, so that each goes on where the one before it lost.
        numbers = iter(range(1, _MAX_ATTEMPTS))
        return patiently(
            lambda: self._next(name, submit, numbers, holds),
            again=lambda failure: isinstance(failure, LostRace),
            backoff=_RACE_BACKOFF,
            seconds=_RACE_SECONDS,
        )

    def _next(self, name: str, submit: Callable[[str], Any], numbers: Iterator[int], holds: Callable[[], bool]) -> Any:  # noqa: ANN401
        for number in numbers:
            job = self._submitted(f"{name}-{number}", submit)
            if job is not None:
                self._wait(job)
                if holds():
                    return job
        raise TerminalFailure(f"job {name} failed {_MAX_ATTEMPTS} times; look at its errors in BigQuery")

    def _submitted(self, job_id: str, submit: Callable[[str], Any]) -> Any:  # noqa: ANN401
        """Submit a job, or attach to the one that has this id; None where that one failed."""
        from google.api_core.exceptions import Conflict, NotFound

        def attempt() -> Any:  # noqa: ANN401
            try:
                return submit(job_id)
            except Conflict:
                pass
            try:
                job = self.client.get_job(job_id, location=self.location, **_ONE_TRY)
            except NotFound as error:
                raise TransientFailure(f"BigQuery job {job_id} was submitted and cannot be seen yet") from error
            if job.state == "DONE" and job.error_result:
                return None
            log.info("job %s was submitted before and is %s: attaching", job_id, job.state)
            return job

        return self._call(f"submit BigQuery job {job_id}", attempt)

    def _wait(self, job: Any) -> None:  # noqa: ANN401
        from google.api_core.exceptions import GoogleAPICallError

        what = f"BigQuery job {job.job_id}"

        def wait() -> GoogleAPICallError | bool:
            try:
                return _has_ended(job)
            except GoogleAPICallError as error:
                if job.error_result is None and error.code == HTTPStatus.BAD_REQUEST:
                    # Asked for its rows, a job that failed answers as if the call were wrong.
                    job.reload(**_ONE_TRY)
                if job.error_result is not None:
                    return error  # an answer: the call went well, and the job did not
                raise
            except concurrent.futures.TimeoutError as error:
                if error.__cause__ is not None:  # the connection's time-out; else the slice is over
                    raise
                return False

        while True:
            ended = self._call(f"wait for {what}", wait)
            if isinstance(ended, Exception):
                raise classify_job(ended, what, str(job.error_result.get("reason", ""))) or ended from ended
            if ended:
                return

    def _query_config(self, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401
        from google.cloud import bigquery

        typed = [_parameter(name, value) for name, value in parameters.items()]
        return bigquery.QueryJobConfig(query_parameters=typed, use_legacy_sql=False)


def _has_ended(job: Any) -> bool:  # noqa: ANN401 - a query job or a load job
    """Wait a while; whether the job has ended well.

    Raises:
        concurrent.futures.TimeoutError: a query runs on.
        google.api_core.exceptions.GoogleAPICallError: the call failed, or the job.
    """
    if job.job_type == "query":
        _rows(job)
        return True
    if not job.done(**_ONE_TRY):
        time.sleep(_POLL_SECONDS)
        return False
    job.result(**_ONE_TRY)
    return True


def _rows(job: QueryJob) -> Any:  # noqa: ANN401 - an iterator of rows, of which the first page has come
    return job.result(retry=None, job_retry=None, timeout=_SLICE_SECONDS)


def _parameter(name: str, value: Any) -> Any:  # noqa: ANN401
    from google.cloud import bigquery

    if isinstance(value, Structs):
        structs = [bigquery.StructQueryParameter(None, *_fields(value.types, row)) for row in value.rows]
        kind = bigquery.StructQueryParameterType(
            *(bigquery.ScalarQueryParameterType(type_, name=field) for field, type_ in value.types.items())
        )
        return bigquery.ArrayQueryParameter(name, kind, structs)
    if isinstance(value, (list, tuple)):
        return bigquery.ArrayQueryParameter(name, "STRING", list(value))
    return bigquery.ScalarQueryParameter(name, "INT64" if isinstance(value, int) else "STRING", value)


def _fields(types: Mapping[str, str], row: Row) -> list[Any]:
    from google.cloud import bigquery

    return [bigquery.ScalarQueryParameter(field, type_, row[field]) for field, type_ in types.items()]


class Structs:
    """Rows given to a query as one array parameter.

    Args:
        types: field name to GoogleSQL type.
        rows: one mapping a row, with these fields.
    """

    def __init__(self, types: Mapping[str, str], rows: Iterable[Row]) -> None:
        self.types, self.rows = dict(types), list(rows)

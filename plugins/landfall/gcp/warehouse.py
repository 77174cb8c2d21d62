"""BigQuery through the provider's hook: queries, and jobs whose names follow from what they do."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from landfall.errors import LostRace, TerminalFailure, TransientFailure

if TYPE_CHECKING:
    from google.cloud.bigquery import Client, LoadJob, QueryJob, SchemaField
    from tenacity import Retrying

    from include.ledger.drift import TableColumn

log = logging.getLogger(__name__)

_MAX_NUMBER = 1_000
_STAGING_LIFETIME = timedelta(days=3)
# https://cloud.google.com/bigquery/docs/error-messages
_TRANSIENT = {
    "backendError", "internalError", "jobBackendError", "jobInternalError", "jobRateLimitExceeded",
    "rateLimitExceeded", "tableUnavailable", "timeout",
}  # fmt: skip
# The last two are local-bigquery's.
_LOST_RACE = (
    "Transaction is aborted due to concurrent update", "Could not serialize access", "conflict", "Failed to commit",
    "Conflict on update",
)  # fmt: skip
# Of eight that race for good one wins each time: the last has its turn within seconds, and Airflow need not know.
_RACES, _RACE_SECONDS = 20, 5.0
# A staging table that ends sooner than a commit may take is as good as gone.
_STAGING_REST = timedelta(hours=2)

Row = Mapping[str, Any]
Answer = TypeVar("Answer")


class Warehouse:
    """BigQuery.

    Args:
        connection: Airflow connection id.
        project: the project that holds the tables and runs the jobs.
        location: where the datasets live.
    """

    def __init__(self, connection: str, project: str, location: str) -> None:
        self.connection, self.project, self.location = connection, project, location

    @functools.cached_property
    def client(self) -> Client:
        """The provider hook's own client."""
        from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook

        hook = BigQueryHook(gcp_conn_id=self.connection, use_legacy_sql=False, location=self.location)
        return hook.get_client(project_id=self.project, location=self.location)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run a query and return its rows; for what may be asked twice without harm.

        One that loses a race has done nothing and is run again at once; `CREATE TABLE IF NOT EXISTS` can lose one.
        """
        config = self._query_config(parameters or {})
        return _raced(lambda: [dict(row.items()) for row in self.client.query(sql, job_config=config).result()])

    def run_once(self, sql: str, parameters: Mapping[str, Any], name: str) -> QueryJob:
        """Run a script once under a name: attach where it runs, be content where it ran, try anew where it failed.

        One that loses a race to another transaction is run again at once, a few times, under the next numbers.

        Raises:
            TerminalFailure, TransientFailure: the script failed.
        """

        def submit(job_id: str) -> QueryJob:
            config = self._query_config(parameters)
            return self.client.query(sql, job_config=config, job_id=job_id, job_retry=None)

        # Shared by the tries of a race, so that each goes on where the one before it lost.
        numbers = iter(range(1, _MAX_NUMBER))
        job: QueryJob = _races()(self._once, name, submit, numbers)
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
            return self.client.load_table_from_uri(list(uris), table, job_config=config, job_id=job_id)

        job: LoadJob = self._once(name, submit, iter(range(1, _MAX_NUMBER)), lambda: self._stays(table))
        return int(job.output_rows or 0)

    def _stays(self, table: str) -> bool:
        """Whether a table is there and will be for a while."""
        from google.api_core.exceptions import NotFound

        try:
            expires = self.client.get_table(table).expires
        except NotFound:
            return False
        return expires is None or expires - datetime.now(UTC) > _STAGING_REST

    def columns(self, table: str) -> list[TableColumn]:
        """Return a table's columns as they are now.

        Args:
            table: dataset.table.

        Raises:
            google.api_core.exceptions.NotFound: there is no such table.
        """
        from include.ledger.drift import TableColumn

        fields = self.client.get_table(f"{self.project}.{table}").schema
        return [TableColumn.of(f.name, f.field_type, f.mode, f.precision, f.scale) for f in fields]

    def ensure_dataset(self, name: str, *, expiring: bool = False) -> None:
        """Make a BigQuery dataset where there is none."""
        from google.cloud import bigquery

        dataset = bigquery.Dataset(f"{self.project}.{name}")
        dataset.location = self.location
        if expiring:
            dataset.default_table_expiration_ms = int(_STAGING_LIFETIME.total_seconds() * 1000)
        _raced(lambda: self.client.create_dataset(dataset, exists_ok=True))

    def _once(
        self, name: str, submit: Callable[[str], Any], numbers: Iterator[int], holds: Callable[[], bool] = lambda: True
    ) -> Any:  # noqa: ANN401 - a query job or a load job
        """Submit a job under the first number that is free or whose job has done the work.

        Args:
            submit: submits it under an id.
            numbers: the numbers to try.
            holds: whether the work of a job that succeeded is still there.
        """
        from google.api_core.exceptions import Conflict

        for number in numbers:
            job_id = f"{name}-{number}"
            try:
                job = submit(job_id)
            except Conflict:
                job = self.client.get_job(job_id, location=self.location)
                if job.done() and (job.error_result or not holds()):
                    continue
                log.info("job %s was submitted before and is %s: attaching", job_id, job.state)
            self._wait(job)
            return job
        raise TerminalFailure(f"job {name} failed {_MAX_NUMBER - 1} times; look at its errors in BigQuery")

    def _wait(self, job: Any) -> None:  # noqa: ANN401
        from google.api_core.exceptions import GoogleAPICallError

        try:
            job.result()
        except GoogleAPICallError as error:
            raise classify(error, f"BigQuery job {job.job_id}") from error

    def _query_config(self, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401
        from google.cloud import bigquery

        typed = [_parameter(name, value) for name, value in parameters.items()]
        return bigquery.QueryJobConfig(query_parameters=typed, use_legacy_sql=False)


def _races() -> Retrying:
    """What runs again, soon and at random moments, a transaction that lost a race."""
    import tenacity

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(LostRace),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=_RACE_SECONDS),
        stop=tenacity.stop_after_attempt(_RACES),
        before_sleep=tenacity.before_sleep_log(log, logging.INFO),
        reraise=True,
    )


def _raced(call: Callable[[], Answer]) -> Answer:
    """Make a call that may lose a race, until it does not; what else goes wrong is raised as it comes."""
    from google.api_core.exceptions import GoogleAPICallError

    def attempt() -> Answer:
        try:
            return call()
        except GoogleAPICallError as error:
            found = classify(error, "BigQuery")
            if isinstance(found, LostRace):
                raise found from error
            raise

    return _races()(attempt)


def classify(error: Any, what: str) -> Exception:  # noqa: ANN401 - google.api_core's error, imported lazily
    """Tell by its reason whether trying again can help; a status alone does not say (a lost race is a 400)."""
    reasons = {str(detail.get("reason", "")) for detail in getattr(error, "errors", None) or ()}
    message = f"{what}: {error.message if hasattr(error, 'message') else error}"
    lost_race = any(mark in message for mark in _LOST_RACE)
    status = int(getattr(error, "code", 0) or 0)
    if lost_race:
        return LostRace(message)
    if reasons & _TRANSIENT or status >= 500 or status == 429:
        return TransientFailure(message)
    return TerminalFailure(message)


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

"""Reads the ledger and the tables through BigQuery."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from cli.clients import answering
from include.ledger import queries
from include.ledger.choosing import Version, name_of
from include.ledger.tables import FILE_ID, LOADED_AT, RECORD, Ledger

if TYPE_CHECKING:
    from google.cloud.bigquery import Client

    from include.spec.settings import Settings

Parameter = str | int | Sequence[str]
Row = TypeVar("Row")


@dataclass(frozen=True)
class LedgerFile:
    """A file version and its current state in the ledger."""

    dataset: str
    file_id: str
    bucket: str
    name: str
    generation: int
    checksum: str
    size: int
    state: str
    reason: str | None
    batch_id: str | None
    run_id: str
    records: int
    loaded: int
    filtered: int
    duplicates: int
    quarantined: int
    at: datetime


@dataclass(frozen=True)
class Quarantined:
    """A record put aside: where it stood, and why."""

    dataset: str
    run_id: str
    file_id: str
    uri: str
    record: int
    line: int
    reasons: str
    text: str | None
    at: datetime


class LedgerReader:
    """The ledger of one deployment.

    Args:
        client: of the deployment's project.
        settings: name project and bookkeeping dataset.
    """

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._ledger = Ledger(settings.project, settings.ops_dataset)

    def exists(self) -> bool:
        """Whether anything was ever recorded: the first run makes the ledger."""
        return self._has(f"{self._ledger.project}.{self._ledger.dataset}.files_current")

    def is_current(self) -> bool:
        """Whether the ledger is of this release: the first run after it makes what lacks."""
        return self._has(self._ledger.events.strip("`"))

    def _has(self, table: str) -> bool:
        from google.api_core.exceptions import NotFound

        with answering("BigQuery"):
            try:
                self._client.get_table(table)
            except NotFound:
                return False
        return True

    def files(self, dataset: str = "", limit: int = 1000) -> list[LedgerFile]:
        """Return files and their states, latest first.

        Args:
            dataset: one dataset's; empty: every dataset's.
            limit: most files to return.
        """
        found = self._query(queries.files_sql(self._ledger), {"dataset": dataset, "limit": limit})
        return [_made(LedgerFile, row) for row in found]

    def versions(self, dataset: str, bucket: str, names: Iterable[str]) -> list[LedgerFile]:
        """Return every version of these objects that the ledger knows."""
        view = self._ledger.table("files_current")
        where = "dataset = @dataset AND bucket = @bucket AND name IN UNNEST(@names)"
        sql = f"SELECT * FROM {view} WHERE {where} ORDER BY name, at"  # noqa: S608 - names of our own tables
        found = self._query(sql, {"dataset": dataset, "bucket": bucket, "names": list(names)})
        return [_made(LedgerFile, row) for row in found]

    def named(self, wanted: Iterable[str], dataset: str = "") -> list[Version]:
        """Return every version of some files.

        Args:
            wanted: names of objects, addresses or file ids.
            dataset: one dataset's; empty: every dataset's.
        """
        parameters: dict[str, Parameter] = {"dataset": dataset, "wanted": sorted(map(name_of, wanted))}
        return [Version.of(row) for row in self._query(queries.versions_sql(self._ledger), parameters)]

    def names(self, states: Iterable[str], dataset: str = "") -> list[str]:
        """Return names of objects of which a version is in one of some states."""
        parameters: dict[str, Parameter] = {"dataset": dataset, "states": sorted(states)}
        return [row["name"] for row in self._query(queries.names_sql(self._ledger), parameters)]

    def quarantined(self, dataset: str, limit: int) -> list[Quarantined]:
        """Return a dataset's quarantined records, latest first."""
        found = self._query(queries.quarantine_sql(self._ledger), {"dataset": dataset, "limit": limit})
        return [_made(Quarantined, row) for row in found]

    def waiting(self, dataset: str = "") -> list[dict[str, Any]] | None:
        """Return what waits for a person: rows of `queries.waiting_sql`; None of an older release's ledger."""
        if not self.is_current():
            return None
        return self._query(queries.waiting_sql(self._ledger), {"dataset": dataset})

    def rows(self, table: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return column names and some of a table's rows loaded last, without our own columns."""
        order = f"{LOADED_AT} DESC, {FILE_ID}, {RECORD}"
        sql = f"SELECT * FROM `{self._ledger.project}.{table}` ORDER BY {order} LIMIT @limit"  # noqa: S608 - checked
        found = self._query(sql, {"limit": limit})
        names = [name for name in (found[0] if found else {}) if not name.startswith("_landfall_")]
        return names, [tuple(row[name] for name in names) for row in found]

    def _query(self, sql: str, parameters: dict[str, Parameter]) -> list[dict[str, Any]]:
        from google.cloud.bigquery import QueryJobConfig

        config = QueryJobConfig(query_parameters=[_parameter(n, v) for n, v in parameters.items()])
        with answering("BigQuery"):
            return [dict(row.items()) for row in self._client.query_and_wait(sql, job_config=config)]


def _parameter(name: str, value: Parameter) -> Any:  # noqa: ANN401 - two classes without a common base
    from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

    if isinstance(value, str | int):
        return ScalarQueryParameter(name, "INT64" if isinstance(value, int) else "STRING", value)
    return ArrayQueryParameter(name, "STRING", list(value))


def _made(model: type[Row], row: dict[str, Any]) -> Row:
    names = [field.name for field in dataclasses.fields(model)]  # type: ignore[arg-type]
    return model(**{name: row[name] for name in names})

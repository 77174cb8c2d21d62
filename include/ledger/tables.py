"""The tables of the ledger and of a dataset: their names, their columns, and the DDL that makes them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from include.ledger.identity import content_hash
from include.ledger.outcomes import SETTLED
from include.ledger.states import current_sql
from include.spec.columns import Column
from include.spec.dataset import Dataset

FILE_ID = "_landfall_file_id"
RECORD = "_landfall_record"
LOADED_AT = "_landfall_loaded_at"

COUNTS = ("records", "loaded", "filtered", "duplicates", "quarantined")
_COUNT_COLUMNS = ", ".join(f"{name} INT64 NOT NULL" for name in COUNTS)

_FILES = f"""
  dataset STRING NOT NULL, file_id STRING NOT NULL, bucket STRING NOT NULL, name STRING NOT NULL,
  generation INT64 NOT NULL, checksum STRING NOT NULL, size INT64 NOT NULL, state STRING NOT NULL, reason STRING,
  batch_id STRING, run_id STRING NOT NULL, {_COUNT_COLUMNS}, at TIMESTAMP NOT NULL,
  voucher STRING, vouched_at TIMESTAMP, opening STRING"""
_BATCHES = f"""
  dataset STRING NOT NULL, batch_id STRING NOT NULL, commit_id STRING NOT NULL, run_id STRING NOT NULL,
  target STRING NOT NULL, mode STRING NOT NULL, files INT64 NOT NULL, {_COUNT_COLUMNS},
  manifest STRING NOT NULL, rules STRING, evolved STRING, at TIMESTAMP NOT NULL"""
_QUARANTINE = """
  dataset STRING NOT NULL, batch_id STRING NOT NULL, run_id STRING NOT NULL, file_id STRING NOT NULL,
  uri STRING NOT NULL, record INT64 NOT NULL, line INT64 NOT NULL, byte_offset INT64 NOT NULL,
  byte_length INT64 NOT NULL, reasons STRING NOT NULL, raw BYTES, key_id STRING, text STRING, at TIMESTAMP NOT NULL"""
_REPLAYS = """
  dataset STRING NOT NULL, replay_id STRING NOT NULL, run_id STRING NOT NULL, file_id STRING NOT NULL,
  record INT64 NOT NULL, outcome STRING NOT NULL, reasons STRING, batch_id STRING NOT NULL, of_batch STRING NOT NULL,
  at TIMESTAMP NOT NULL"""
_SETTLED_LIST = f"({', '.join(repr(outcome.value) for outcome in SETTLED)})"


@dataclass(frozen=True, slots=True)
class Ledger:
    """Names of the ledger's tables in one project.

    Args:
        project: Google Cloud project.
        dataset: BigQuery dataset that holds them.
    """

    project: str
    dataset: str

    def table(self, name: str) -> str:
        """Return a table's full name, quoted for SQL."""
        return f"`{self.project}.{self.dataset}.{name}`"

    @property
    def staging_dataset(self) -> str:
        """The dataset of staging tables; its tables expire by themselves."""
        return f"{self.dataset}_staging"

    def staging(self, name: str) -> str:
        """Return a staging table's full name, quoted for SQL."""
        return f"`{self.project}.{self.staging_dataset}.{name}`"

    def lock(self, dataset: str) -> str:
        """Return the full name of the one-row table on which racing commits of a dataset meet."""
        return self.table(f"lock_{dataset}")

    @property
    def events(self) -> str:
        """The view of all events of files, quoted for SQL, by which every run asks for states first.

        It is named after the ledger's DDL: a ledger that an older release made lacks it, so that the first question of
        a run finds out, without a call more, and has the ledger brought up to date.
        """
        return self.table(f"events_{content_hash(self._tables_sql().encode())[:8]}")

    def create_sql(self) -> str:
        """Return the DDL of the ledger; it can be run again and again, and brings older ledgers up to date."""
        # Last: who finds this view finds everything else.
        view = f"CREATE OR REPLACE VIEW {self.events} AS SELECT * FROM {self.table('files')};"
        return f"{self._tables_sql()}\n{view}"

    def _tables_sql(self) -> str:
        return "\n".join((
            self._create("files", _FILES, "dataset, name"),
            self._create("batches", _BATCHES, "dataset, batch_id"),
            # For ledgers that are older than the columns.
            f"ALTER TABLE {self.table('files')} ADD COLUMN IF NOT EXISTS voucher STRING,"
            " ADD COLUMN IF NOT EXISTS vouched_at TIMESTAMP, ADD COLUMN IF NOT EXISTS opening STRING;",
            f"ALTER TABLE {self.table('batches')} ADD COLUMN IF NOT EXISTS evolved STRING;",
            self._create("quarantine", _QUARANTINE, "dataset, file_id"),
            self._create("replays", _REPLAYS, "dataset, file_id"),
            f"CREATE OR REPLACE VIEW {self.table('files_current')} AS SELECT * FROM {self.table('files')}"
            f" QUALIFY ROW_NUMBER() OVER (PARTITION BY dataset, file_id ORDER BY {current_sql()}) = 1;",
            f"CREATE OR REPLACE VIEW {self.table('quarantine_open')} AS {self._open_sql()};",
        ))  # fmt: skip

    def _open_sql(self) -> str:
        """The records that a replay may bring in: what the load of their file, or a replay since, last said of each."""
        names = ("dataset", "file_id", "record")
        same = " AND ".join([*(f"{{0}}.{name} = q.{name}" for name in names), "{0}.of_batch = c.batch_id"])
        replays = self.table("replays")
        return (
            "SELECT q.*, c.bucket, c.name, c.generation, c.checksum, c.size, c.batch_id AS of_batch, c.at AS loaded_at"
            f" FROM {self.table('quarantine')} AS q JOIN {self.table('files_current')} AS c"
            " ON c.dataset = q.dataset AND c.file_id = q.file_id"
            f" LEFT JOIN (SELECT DISTINCT dataset, file_id, record, of_batch, batch_id FROM {replays}) AS r"
            f" ON {same.format('r')} AND r.batch_id = q.batch_id"
            " LEFT JOIN (SELECT DISTINCT dataset, file_id, record, of_batch"
            f" FROM {replays} WHERE outcome IN {_SETTLED_LIST}) AS d ON {same.format('d')}"
            " WHERE c.state = 'loaded' AND q.record >= 0 AND d.file_id IS NULL"
            " AND (q.batch_id = c.batch_id OR r.file_id IS NOT NULL)"
            " QUALIFY ROW_NUMBER() OVER (PARTITION BY q.dataset, q.file_id, q.record ORDER BY q.at DESC) = 1"
        )

    def _create(self, name: str, columns: str, cluster: str) -> str:
        return (
            f"CREATE TABLE IF NOT EXISTS {self.table(name)} ({columns}\n) PARTITION BY DATE(at) CLUSTER BY {cluster};"
        )


def create_target_sql(dataset: Dataset, ledger: Ledger) -> str:
    """Return the DDL of a dataset's target table and of its lock; it can be run again and again."""
    columns = [_column_sql(column) for column in dataset.columns]
    columns += [f"{FILE_ID} STRING", f"{RECORD} INT64", f"{LOADED_AT} TIMESTAMP"]
    partition = f"\nPARTITION BY {partition_sql(dataset.partition)}" if dataset.partition else ""
    cluster = [name for name in dataset.key if dataset.partition is None or name != dataset.partition.name][:4]
    clustering = f"\nCLUSTER BY {', '.join(f'`{name}`' for name in cluster)}" if cluster else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {target(dataset, ledger)} (\n  " + ",\n  ".join(columns) + f"\n){partition}"
        f"{clustering};\n"
        f"CREATE TABLE IF NOT EXISTS {ledger.lock(dataset.name)} AS SELECT 0 AS commits;"
    )


def target(dataset: Dataset, ledger: Ledger) -> str:
    """Return the full name of a dataset's target table, quoted for SQL."""
    return f"`{ledger.project}.{dataset.pipeline.load.table}`"


def partition_sql(column: Column) -> str:
    """Return the expression that gives a row's day: what the target is partitioned by."""
    return f"`{column.name}`" if column.kind == "date" else f"DATE(`{column.name}`)"


def _column_sql(column: Column) -> str:
    required = " NOT NULL" if column.required and column.kind != "array" else ""
    described = f" OPTIONS(description={json.dumps(column.description)})" if column.description else ""
    return f"`{column.name}` {column.bigquery_type}{required}{described}"

"""The one transaction that puts a run's rows, quarantine and bookkeeping into the warehouse, or nothing of it.

The update of the lock's one row comes first: BigQuery runs transactions under snapshot isolation, where two racing
commits would both pass a guard that only reads. Of two that update the same row one is cancelled, tries again, and
then finds the work done.
"""

from __future__ import annotations

from dataclasses import dataclass

from include.ledger.drift import TableColumn, TargetEvolved
from include.ledger.overtaken import overtaken_query
from include.ledger.tables import COUNTS, FILE_ID, LOADED_AT, RECORD, Ledger, partition_sql, target
from include.spec.columns import Column
from include.spec.dataset import Dataset

DONE_BEFORE = "landfall: a file of this commit is loaded already"
OVERTAKEN = "landfall: a newer version of a file of this commit is loaded"
# Says that it is a conflict: the next try of the same load finds the newer set, and holds what is late.
SET_OVERTAKEN = "landfall: conflict with a newer set, which has replaced a day of this commit"
COUNT_DIFFERS = "landfall: the staging table does not hold the rows that the transforms counted"


@dataclass(frozen=True, slots=True)
class Commit:
    """What is committed together.

    Args:
        rows: staging table of good rows; empty where no file brought any.
        quarantine: staging table of quarantined records; empty likewise.
        force: load files again that are loaded already, in place of their rows.
        evolved: columns that the staging table has beyond the contract's.
        cleared: columns of the target that neither has; null in a row that is merged.
    """

    dataset: Dataset
    ledger: Ledger
    rows: str
    quarantine: str
    force: bool = False
    evolved: tuple[TargetEvolved, ...] = ()
    cleared: tuple[TableColumn, ...] = ()

    def sql(self) -> str:
        """Return the script. Its parameters: @dataset, @run_id, @files, @batches, @replaced, @expected."""
        body = [self._lock(), *self._guards(), *self._set_guard()]
        if self.rows:
            body.append(self._count())
        body += self._rows_in()
        if self.quarantine:
            body.append(self._quarantine_in())
        body += [self._files_in(), self._superseded_in(), self._batches_in()]
        return "\n".join((*self._declarations(), "BEGIN TRANSACTION;", *body, "COMMIT TRANSACTION;"))

    def _lock(self) -> str:
        return f"UPDATE {self.ledger.lock(self.dataset.name)} SET commits = commits + 1 WHERE TRUE;"

    def _guards(self) -> list[str]:
        current = self.ledger.table("files_current")
        newer = (
            f"ASSERT NOT EXISTS (SELECT 1 FROM {current} AS c JOIN UNNEST(@files) AS f"
            " ON c.bucket = f.bucket AND c.name = f.name WHERE c.dataset = @dataset AND c.state = 'loaded'"
            f" AND c.generation > f.generation) AS '{OVERTAKEN}';"
        )
        if self.force:
            return [newer]
        done = (
            f"ASSERT NOT EXISTS (SELECT 1 FROM {current} AS c JOIN UNNEST(@files) AS f ON c.file_id = f.file_id"
            f" WHERE c.dataset = @dataset AND c.state IN ('loaded', 'superseded')) AS '{DONE_BEFORE}';"
        )
        return [done, newer]

    def _set_guard(self) -> list[str]:
        if self.force or not self._replaces_days():
            return []
        newer = overtaken_query(self.dataset, self.ledger, self.rows)
        return [f"ASSERT NOT EXISTS ({newer}) AS '{SET_OVERTAKEN}';"]

    def _replaces_days(self) -> bool:
        mode = self.dataset.pipeline.load.mode
        return mode == "replace_partition" and self.dataset.partition is not None and bool(self.rows)

    def _count(self) -> str:
        return f"ASSERT (SELECT COUNT(*) FROM {self._staged()}) = @expected AS '{COUNT_DIFFERS}';"

    def _staged(self, *, late: bool = True) -> str:
        """The staged rows of files that are admitted; or only of those that did not come late."""
        only = "" if late else " AND NOT f.late"
        admitted = f"(SELECT f.file_id FROM UNNEST(@files) AS f WHERE f.state = 'loaded'{only})"
        return f"(SELECT * FROM {self.rows} WHERE {FILE_ID} IN {admitted})"

    def _declarations(self) -> list[str]:
        if not self._replaces_days():
            return []
        assert self.dataset.partition is not None
        days = f"SELECT ARRAY_AGG(DISTINCT {partition_sql(self.dataset.partition)}) FROM {self._staged(late=False)}"
        return [f"DECLARE days ARRAY<DATE> DEFAULT ({days});"]

    def _rows_in(self) -> list[str]:
        mode = self.dataset.pipeline.load.mode
        statements = []
        if mode != "merge":
            # What an older version of the same object brought goes out as the newer one comes in.
            statements.append(f"DELETE FROM {target(self.dataset, self.ledger)} WHERE {FILE_ID} IN UNNEST(@replaced);")
        if not self.rows:
            return statements
        if mode == "merge":
            return [self._merge()]
        if mode == "replace_partition":
            statements.append(self._clear_partitions())
        return [*statements, self._insert()]

    def _clear_partitions(self) -> str:
        assert self.dataset.partition is not None
        day = partition_sql(self.dataset.partition)
        return f"DELETE FROM {target(self.dataset, self.ledger)} WHERE {day} IN UNNEST(days);"

    def _insert(self) -> str:
        names = ", ".join(self._names())
        return (
            f"INSERT INTO {target(self.dataset, self.ledger)} ({names})\n"
            f"SELECT {', '.join(self._values())} FROM {self._staged()};"
        )

    def _merge(self) -> str:
        key = self.dataset.key
        partition_by = ", ".join(f"s.`{name}`" for name in key)
        # Batches know nothing of one another: where two bring a key, the later file wins.
        newest = (
            f"SELECT s.* FROM {self._staged()} AS s JOIN UNNEST(@files) AS f ON f.file_id = s.{FILE_ID}"
            f" QUALIFY ROW_NUMBER() OVER (PARTITION BY {partition_by} ORDER BY f.place DESC, s.{RECORD} DESC) = 1"
        )
        names = self._names()
        replaced = [
            *(f"{name} = s.{name}" for name in names),
            *(f"`{c.name}` = CAST(NULL AS {c.type})" for c in self.cleared),
        ]
        return (
            f"MERGE {target(self.dataset, self.ledger)} AS t\n"
            f"USING (SELECT {', '.join(self._aliased_values())} FROM ({newest})) AS s\n"
            f"ON {' AND '.join(f't.`{name}` = s.`{name}`' for name in key)}\n"
            f"WHEN MATCHED THEN UPDATE SET {', '.join(replaced)}\n"
            f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({', '.join(f's.{n}' for n in names)});"
        )

    def _names(self) -> list[str]:
        columns = [*(column.name for column in self.dataset.columns), *(item.column.name for item in self.evolved)]
        return [f"`{name}`" for name in columns] + [FILE_ID, RECORD, LOADED_AT]

    def _values(self) -> list[str]:
        columns = [*map(staged_value, self.dataset.columns), *map(_evolved_value, self.evolved)]
        return [*columns, FILE_ID, RECORD, "CURRENT_TIMESTAMP()"]

    def _aliased_values(self) -> list[str]:
        return [f"{value} AS {name}" for value, name in zip(self._values(), self._names(), strict=True)]

    def _quarantine_in(self) -> str:
        columns = "file_id, uri, record, line, byte_offset, byte_length, reasons, raw, key_id, text"
        return (
            f"INSERT INTO {self.ledger.table('quarantine')} (dataset, batch_id, run_id, {columns}, at)\n"
            f"SELECT @dataset, f.batch_id, @run_id, {_prefixed('q', columns)}, CURRENT_TIMESTAMP()"
            f" FROM {self.quarantine} AS q JOIN UNNEST(@files) AS f ON f.file_id = q.file_id;"
        )

    def _files_in(self) -> str:
        columns = (
            "file_id, bucket, name, generation, checksum, size, state, reason, batch_id, voucher, vouched_at,"
            f" {', '.join(COUNTS)}"
        )
        return (
            f"INSERT INTO {self.ledger.table('files')} (dataset, run_id, {columns}, at)\n"
            f"SELECT @dataset, @run_id, {_prefixed('f', columns)}, CURRENT_TIMESTAMP() FROM UNNEST(@files) AS f;"
        )

    def _superseded_in(self) -> str:
        kept = f"file_id, bucket, name, generation, checksum, size, reason, batch_id, {', '.join(COUNTS)}"
        return (
            f"INSERT INTO {self.ledger.table('files')} (dataset, run_id, state, {kept}, at)\n"
            f"SELECT c.dataset, @run_id, 'superseded', {_prefixed('c', kept)}, CURRENT_TIMESTAMP()"
            f" FROM {self.ledger.table('files_current')} AS c WHERE c.dataset = @dataset"
            " AND c.file_id IN UNNEST(@replaced);"
        )

    def _batches_in(self) -> str:
        columns = f"batch_id, commit_id, target, mode, files, {', '.join(COUNTS)}, manifest, rules, evolved"
        return (
            f"INSERT INTO {self.ledger.table('batches')} (dataset, run_id, {columns}, at)\n"
            f"SELECT @dataset, @run_id, {_prefixed('b', columns)}, CURRENT_TIMESTAMP() FROM UNNEST(@batches) AS b;"
        )


def staged_value(column: Column) -> str:
    """Return the expression that makes a staged value the target's: Parquet carries JSON as text."""
    return f"PARSE_JSON(`{column.name}`)" if column.kind == "object" else f"`{column.name}`"


def _evolved_value(item: TargetEvolved) -> str:
    name = f"`{item.column.name}`"
    if item.type != "JSON":
        return name
    # Some fields are an object in one record and bare text in another.
    return f"IFNULL(SAFE.PARSE_JSON({name}, wide_number_mode => 'round'), TO_JSON({name}))"


def staging_type(column: Column) -> str:
    """Return the type that a column has in the staging table."""
    return "STRING" if column.kind == "object" else column.bigquery_type


def _prefixed(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{name.strip()}" for name in columns.split(","))

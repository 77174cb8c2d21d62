"""The one transaction that puts a run's rows, quarantine and bookkeeping into the warehouse, or nothing of it.

The update of the lock's one row comes first: BigQuery runs transactions under snapshot isolation, where two racing
commits would both pass a guard that only reads. Of two that update the same row one is cancelled, tries again, and
then finds the work done.
"""

from __future__ import annotations

from dataclasses import dataclass

from include.ledger.drift import TableColumn, TargetEvolved
from include.ledger.overtaken import overtaken_query
from include.ledger.states import SUPERSEDABLE, FileState, listed_sql
from include.ledger.tables import COUNTS, FILE_ID, LOADED_AT, RECORD, Ledger, partition_sql, target
from include.spec.columns import Column
from include.spec.dataset import Dataset

DONE_BEFORE = "landfall: a file of this commit is loaded already, or held or rejected"
OVERTAKEN = "landfall: a newer version of a file of this commit is loaded"
# The next try of the same load finds the newer set, and holds what is late.
SET_OVERTAKEN = "landfall: a newer set has replaced a day of this commit"
DELIVERED = "landfall: another version of a file of this commit is loaded, and redelivered files are skipped"
# What a commit that lost a race is told: a part of it is done.
PARTLY_DONE = (DONE_BEFORE, OVERTAKEN, DELIVERED)
COUNT_DIFFERS = "landfall: the staging table does not hold the rows that the transforms counted"


@dataclass(frozen=True, slots=True)
class Commit:
    """What is committed together.

    Args:
        rows: staging table of good rows; empty where no file brought any.
        quarantine: staging table of quarantined records; empty likewise.
        force: load files again that are loaded already, in place of their rows, and redelivered ones in spite of
            the policy `skip`.
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
        """Return the script. Its parameters: @dataset, @run_id, @files, @batches, @expected."""
        body = [self._lock(), *self._guards(), *self._set_guard(), *self._older_out()]
        if self.rows:
            body.append(self._count())
        body += self._rows_in()
        if self.quarantine:
            body.append(self._quarantine_in())
        body += [self._superseded_in(), self._files_in(), self._batches_in()]
        return "\n".join((*self._declarations(), "BEGIN TRANSACTION;", *body, "COMMIT TRANSACTION;"))

    def _lock(self) -> str:
        return f"UPDATE {self.ledger.lock(self.dataset.name)} SET commits = commits + 1 WHERE TRUE;"

    def _guards(self) -> list[str]:
        # Over events, not states: a run that looked before a commit may write `planned` after it.
        guard = (
            f"ASSERT NOT EXISTS (SELECT 1 FROM {self.ledger.table('files')} AS c JOIN UNNEST(@files) AS f"
            " ON c.bucket = f.bucket AND c.name = f.name WHERE c.dataset = @dataset AND {}) AS '{}';"
        )
        guards = [guard.format("c.state = 'loaded' AND c.generation > f.generation", OVERTAKEN)]
        if not self.force:
            turned = "c.state = 'rejected' OR (c.state = 'held' AND NOT f.again)"
            done = f"(c.state = 'loaded' OR (({turned}) AND NOT f.released))"
            guards.append(guard.format(f"c.file_id = f.file_id AND {done}", DONE_BEFORE))
            if self._policy == "skip":
                guards.append(guard.format("c.state = 'loaded' AND c.file_id != f.file_id", DELIVERED))
        return guards

    @property
    def _policy(self) -> str:
        return self.dataset.pipeline.load.policy

    def _older(self) -> str:
        """The current states of older versions of what this commit loads, as `c`."""
        return (
            f"FROM {self.ledger.table('files_current')} AS c JOIN UNNEST(@files) AS f ON c.bucket = f.bucket"
            " AND c.name = f.name WHERE c.dataset = @dataset AND f.state = 'loaded' AND c.generation < f.generation"
        )

    def _older_out(self) -> list[str]:
        """Take out the rows for which the new ones come in: of older versions, of these very ones where forced."""
        ids = []
        # What an older version brought is not to be told from what it overwrote: a merge takes nothing out.
        if self.dataset.pipeline.load.mode != "merge":
            if self._policy == "replace" or (self.force and self._policy == "skip"):
                ids.append(f"SELECT c.file_id {self._older()} AND c.state = 'loaded'")
            if self.force:
                ids.append("SELECT f.file_id FROM UNNEST(@files) AS f WHERE f.state = 'loaded'")
        if not ids:
            return []
        table = target(self.dataset, self.ledger)
        # Asked first, for a DELETE reads a column of the whole table, and there is seldom anything to take out.
        return [
            f"SET replaced = (SELECT ARRAY_AGG(file_id) FROM ({' UNION DISTINCT '.join(ids)}));",
            f"IF ARRAY_LENGTH(replaced) > 0 THEN DELETE FROM {table} WHERE {FILE_ID} IN UNNEST(replaced); END IF;",
        ]

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
        declared = ["DECLARE replaced ARRAY<STRING>;"] if self._older_out() else []
        if not self._replaces_days():
            return declared
        assert self.dataset.partition is not None
        days = f"SELECT ARRAY_AGG(DISTINCT {partition_sql(self.dataset.partition)}) FROM {self._staged(late=False)}"
        return [*declared, f"DECLARE days ARRAY<DATE> DEFAULT ({days});"]

    def _rows_in(self) -> list[str]:
        mode = self.dataset.pipeline.load.mode
        if not self.rows:
            return []
        if mode == "merge":
            return [self._merge()]
        return [self._clear_partitions(), self._insert()] if mode == "replace_partition" else [self._insert()]

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
            "file_id, bucket, name, generation, checksum, size, state, reason, batch_id, voucher, vouched_at, opening,"
            f" {', '.join(COUNTS)}"
        )
        return (
            f"INSERT INTO {self.ledger.table('files')} (dataset, run_id, {columns}, at)\n"
            f"SELECT @dataset, @run_id, {_prefixed('f', columns)}, CURRENT_TIMESTAMP() FROM UNNEST(@files) AS f;"
        )

    def _superseded_in(self) -> str:
        kept = f"file_id, bucket, name, generation, checksum, size, reason, batch_id, {', '.join(COUNTS)}"
        ends = set(SUPERSEDABLE)
        if self.dataset.pipeline.load.mode == "append" and self._policy == "version":
            ends.discard(FileState.LOADED)  # its rows stay, beside the new version's
        return (
            f"INSERT INTO {self.ledger.table('files')} (dataset, run_id, state, {kept}, at)\n"
            f"SELECT c.dataset, @run_id, '{FileState.SUPERSEDED.value}', {_prefixed('c', kept)}, CURRENT_TIMESTAMP()"
            f" {self._older()} AND c.state IN {listed_sql(ends)};"
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
    # Some fields are an object in one record and bare text in another. Bare `1.50` may have been a number or a text, so
    # it stays what was written.
    nested = f"STARTS_WITH({name}, '{{') OR STARTS_WITH({name}, '[')"
    parsed = f"SAFE.PARSE_JSON(IF({nested}, {name}, NULL), wide_number_mode => 'round')"
    return f"IF({name} IS NULL, NULL, IFNULL({parsed}, TO_JSON({name})))"


def staging_type(column: Column) -> str:
    """Return the type that a column has in the staging table."""
    return "STRING" if column.kind == "object" else column.bigquery_type


def _prefixed(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{name.strip()}" for name in columns.split(","))

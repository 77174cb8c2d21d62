"""The transaction that replays quarantined records: what becomes of each, and the rows of those that pass.

A record is *open* while the view `quarantine_open` has it: its file is loaded and not superseded, and no replay has
settled it since that load. What becomes of a record is decided inside the transaction, after the update of the lock
on which all commits of the dataset meet; every decision is a row of the ledger's table `replays`, written with the
rows that it brings.
"""

from __future__ import annotations

from dataclasses import dataclass

from include.ledger.commit import COUNT_DIFFERS, Commit
from include.ledger.completeness import LATE
from include.ledger.outcomes import SAID, SETTLED, Outcome
from include.ledger.tables import FILE_ID, RECORD, partition_sql, target

# Lists of numbers as text: a hundred thousand of them fit into a request so.
FILE_TYPES = {
    "file_id": "STRING", "uri": "STRING", "batch_id": "STRING", "of_batch": "STRING", "place": "INT64",
    "records": "STRING", "left_out": "STRING", "missing": "STRING",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReplayCommit(Commit):
    """What a replay commits: records that pass are inserted, and no partition is replaced.

    Its parameters: @dataset, @run_id, @replay_id, @files (fields: FILE_TYPES), @batches, @expected.
    """

    def sql(self) -> str:
        """Return the script."""
        body = [self._lock()]
        if self.rows:
            body.append(f"ASSERT (SELECT COUNT(*) FROM {self.rows}) = @expected AS '{COUNT_DIFFERS}';")
        body.append(self._decisions_in())
        if self.rows:
            body.append(self._merge() if self.dataset.pipeline.load.mode == "merge" else self._insert())
        if self.quarantine:
            body.append(self._quarantine_in())
        body.append(self._batches_in())
        return "\n".join((*self._declarations(), "BEGIN TRANSACTION;", *body, "COMMIT TRANSACTION;"))

    def preview_sql(self) -> str:
        """Return the script that says what would become of the records, and changes nothing."""
        decided = f"SELECT file_id, record, outcome, reasons FROM ({self._decisions()});"
        return "\n".join((*self._declarations(), decided))

    def _declarations(self) -> list[str]:
        if not self._replaces_days():
            return []
        assert self.dataset.partition is not None
        days = f"SELECT ARRAY_AGG(DISTINCT {partition_sql(self.dataset.partition)}) FROM {self.rows}"
        return [f"DECLARE days ARRAY<DATE> DEFAULT ({days});"]

    def _mine(self, outcome: Outcome) -> str:
        """This replay's decisions of one kind."""
        return (
            f"(SELECT file_id, record, batch_id FROM {self.ledger.table('replays')} WHERE dataset = @dataset"
            f" AND replay_id = @replay_id AND outcome = '{outcome.value}')"
        )

    def _staged(self, *, late: bool = True) -> str:  # noqa: ARG002 - of every commit
        """The staged rows of the records that are to be loaded."""
        same = f"r.file_id = s.{FILE_ID} AND r.record = s.{RECORD}"
        return f"(SELECT s.* FROM {self.rows} AS s JOIN {self._mine(Outcome.LOADED)} AS r ON {same})"

    def _decisions_in(self) -> str:
        columns = "file_id, record, outcome, reasons, batch_id, of_batch"
        return (
            f"INSERT INTO {self.ledger.table('replays')} (dataset, replay_id, run_id, {columns}, at)\n"
            f"SELECT @dataset, @replay_id, @run_id, {columns}, CURRENT_TIMESTAMP() FROM ({self._decisions()});"
        )

    def _decisions(self) -> str:
        """The records that no replay has settled since their file was loaded, and what becomes of each."""
        said = " ".join(f"WHEN '{outcome.value}' THEN '{_reason(outcome)}'" for outcome in SAID)
        settled = ", ".join(f"'{outcome.value}'" for outcome in SETTLED)
        nothing = "SELECT '' AS file_id, 0 AS record, '' AS reasons LIMIT 0"
        bad = f"SELECT file_id, record, ANY_VALUE(reasons) AS reasons FROM {self.quarantine} GROUP BY file_id, record"
        staged = f"SELECT {FILE_ID} AS file_id, {RECORD} AS record FROM {self.rows}"
        return f"""
WITH asked AS (
  SELECT f.file_id, f.batch_id, f.of_batch, CAST(number AS INT64) AS record,
    number IN UNNEST(SPLIT(f.left_out, ',')) AS left_out, number IN UNNEST(SPLIT(f.missing, ',')) AS missing
  FROM UNNEST(@files) AS f, UNNEST(SPLIT(f.records, ',')) AS number),
loads AS (
  SELECT file_id, name, batch_id, reason, at FROM {self.ledger.table("files")}
  WHERE dataset = @dataset AND state = 'loaded'
  QUALIFY ROW_NUMBER() OVER (PARTITION BY file_id ORDER BY at DESC) = 1),
current_ones AS (
  SELECT c.file_id, c.batch_id FROM {self.ledger.table("files_current")} AS c
  WHERE c.dataset = @dataset AND c.state = 'loaded'),
done AS (
  SELECT DISTINCT file_id, record, of_batch FROM {self.ledger.table("replays")}
  WHERE dataset = @dataset AND outcome IN ({settled})),
bad AS ({bad if self.quarantine else nothing}),
staged AS ({staged if self.rows else nothing}),
blocked AS ({self._blocked() if self.rows else "SELECT '' AS file_id, 0 AS record, '' AS outcome LIMIT 0"}),
decided AS (
  SELECT a.file_id, a.record, a.batch_id, a.of_batch, b.reasons,
    CASE WHEN c.file_id IS NULL THEN '{Outcome.SUPERSEDED.value}'
      WHEN a.missing THEN '{Outcome.NOT_FOUND.value}'
      WHEN b.file_id IS NOT NULL THEN '{Outcome.QUARANTINED.value}'
      WHEN a.left_out THEN '{Outcome.FILTERED.value}'
      WHEN s.file_id IS NULL THEN '{Outcome.DUPLICATE.value}'
      WHEN k.outcome IS NOT NULL THEN k.outcome
      ELSE '{Outcome.LOADED.value}' END AS outcome
  FROM asked AS a
  LEFT JOIN current_ones AS c ON c.file_id = a.file_id AND c.batch_id = a.of_batch
  LEFT JOIN done AS d ON d.file_id = a.file_id AND d.record = a.record AND d.of_batch = a.of_batch
  LEFT JOIN bad AS b ON b.file_id = a.file_id AND b.record = a.record
  LEFT JOIN staged AS s ON s.file_id = a.file_id AND s.record = a.record
  LEFT JOIN blocked AS k ON k.file_id = a.file_id AND k.record = a.record
  WHERE d.file_id IS NULL)
SELECT file_id, record, outcome, batch_id, of_batch,
  IF(outcome = '{Outcome.QUARANTINED.value}', reasons, CASE outcome {said} END) AS reasons
FROM decided"""

    def _blocked(self) -> str:
        """Rows that are not to be loaded though they pass: file_id, record, outcome."""
        parts = [self._present(), *self._twins()]
        if self.dataset.pipeline.load.mode == "merge":
            parts += [self._newer_rows(), self._newer_here()]
        if self._replaces_days():
            parts.append(self._newer_days())
        listed = "\n  UNION ALL ".join(parts)
        return f"SELECT file_id, record, MAX(outcome) AS outcome FROM ({listed}) GROUP BY file_id, record"

    def _able(self) -> str:
        """The staged rows of files that are loaded and were not loaded again, and how their file was loaded, as `s`."""
        return (
            "(SELECT s.*, m.name AS _landfall_name, m.at AS _landfall_at, m.batch_id AS _landfall_batch"
            f" FROM {self.rows} AS s"
            f" JOIN UNNEST(@files) AS f ON f.file_id = s.{FILE_ID}"
            " JOIN current_ones AS c ON c.file_id = f.file_id AND c.batch_id = f.of_batch"
            " JOIN loads AS m ON m.file_id = f.file_id) AS s"
        )

    def _found(self, outcome: str) -> str:
        return f"SELECT s.{FILE_ID} AS file_id, s.{RECORD} AS record, {outcome} AS outcome FROM {self._able()}"

    def _present(self) -> str:
        same = f"t.{FILE_ID} = s.{FILE_ID} AND t.{RECORD} = s.{RECORD}"
        return f"{self._found(_quoted(Outcome.DUPLICATE))} JOIN {target(self.dataset, self.ledger)} AS t ON {same}"

    def _twins(self) -> list[str]:
        """Rows that would have been duplicates, had they passed when their batch was loaded."""
        key = self.dataset.key
        flat = [column for column in self.dataset.columns if column.kind not in ("object", "array")]
        sets: set[tuple[str, ...]] = {(column.name,) for column in flat if column.unique} | {key}
        # A merge has a rule of its own for its key.
        sets -= {(), key} if self.dataset.pipeline.load.mode == "merge" else {()}
        return [
            f"{self._found(_quoted(Outcome.DUPLICATE))} JOIN {target(self.dataset, self.ledger)} AS t ON {_same(names)}"
            f" JOIN loads AS l ON l.file_id = t.{FILE_ID} AND l.batch_id = s._landfall_batch"
            f" WHERE NOT (t.{FILE_ID} = s.{FILE_ID} AND t.{RECORD} = s.{RECORD})"
            for names in sorted(sets)
        ]

    def _newer_rows(self) -> str:
        """A merge overwrites only what was loaded before the record's own file."""
        outcome = f"IF(t.{FILE_ID} = s.{FILE_ID}, {_quoted(Outcome.DUPLICATE)}, {_quoted(Outcome.SUPERSEDED)})"
        later = ">" if self.dataset.pipeline.load.keep == "last" else "<"
        return (
            f"{self._found(outcome)} JOIN {target(self.dataset, self.ledger)} AS t ON {_same(self.dataset.key)}"
            f" LEFT JOIN loads AS l ON l.file_id = t.{FILE_ID} WHERE CASE"
            f" WHEN t.{FILE_ID} = s.{FILE_ID} THEN t.{RECORD} {later} s.{RECORD}"
            # Another writer's: nobody knows how old it is.
            " WHEN l.file_id IS NULL THEN TRUE"
            # The files of one commit are applied in the order of their names.
            " ELSE l.at > s._landfall_at OR (l.at = s._landfall_at AND l.name > s._landfall_name) END"
        )

    def _newer_here(self) -> str:
        """Of two replayed records with one key, of different batches, the one of the later file wins."""
        names = [f"s.`{name}`" for name in self.dataset.key]
        latest = f"s._landfall_at DESC, s._landfall_name DESC, s.{RECORD} DESC"
        place = f"ROW_NUMBER() OVER (PARTITION BY {', '.join(names)} ORDER BY {latest})"
        whole = " AND ".join(f"{name} IS NOT NULL" for name in names)
        ranked = (
            f"SELECT s.{FILE_ID} AS file_id, s.{RECORD} AS record, {place} AS place FROM {self._able()} WHERE {whole}"
        )
        return f"SELECT file_id, record, {_quoted(Outcome.SUPERSEDED)} AS outcome FROM ({ranked}) WHERE place > 1"

    def _newer_days(self) -> str:
        """A set that came after the record's file has replaced its day."""
        assert self.dataset.partition is not None
        day = partition_sql(self.dataset.partition)
        there = (
            f"(SELECT DISTINCT {FILE_ID} AS file_id, {day} AS day FROM {target(self.dataset, self.ledger)}"
            f" WHERE {day} IN UNNEST(days)) AS t"
        )
        return (
            f"{self._found(_quoted(Outcome.SUPERSEDED))}"
            f" JOIN (SELECT {FILE_ID} AS file_id, {RECORD} AS record, {day} AS day FROM {self.rows}) AS d"
            f" ON d.file_id = s.{FILE_ID} AND d.record = s.{RECORD} JOIN {there} ON t.day = d.day"
            " JOIN loads AS l ON l.file_id = t.file_id"
            f" WHERE l.at > s._landfall_at AND IFNULL(l.reason, '') NOT LIKE '{LATE}:%'"
        )

    def _quarantine_in(self) -> str:
        columns = "line, byte_offset, byte_length, reasons, raw, key_id, text"
        listed = ", ".join(f"q.{name.strip()}" for name in columns.split(","))
        return (
            f"INSERT INTO {self.ledger.table('quarantine')} (dataset, batch_id, run_id, file_id, uri, record,"
            f" {columns}, at)\nSELECT @dataset, r.batch_id, @run_id, q.file_id, f.uri, q.record, {listed},"
            " CURRENT_TIMESTAMP()"
            f" FROM {self.quarantine} AS q JOIN UNNEST(@files) AS f ON f.file_id = q.file_id"
            f" JOIN {self._mine(Outcome.QUARANTINED)} AS r ON r.file_id = q.file_id AND r.record = q.record;"
        )

    def _batches_in(self) -> str:
        counts = {
            "loaded": Outcome.LOADED, "filtered": Outcome.FILTERED, "duplicates": Outcome.DUPLICATE,
            "quarantined": Outcome.QUARANTINED,
        }  # fmt: skip
        counted = ", ".join(f"COUNTIF(outcome = '{outcome.value}') AS {name}" for name, outcome in counts.items())
        every = ", ".join(_quoted(outcome) for outcome in counts.values())
        mine = (
            f"SELECT batch_id, COUNT(DISTINCT file_id) AS files, COUNTIF(outcome IN ({every})) AS records, {counted}"
            f" FROM {self.ledger.table('replays')} WHERE dataset = @dataset AND replay_id = @replay_id"
            " GROUP BY batch_id"
        )
        return (
            f"INSERT INTO {self.ledger.table('batches')} (dataset, run_id, batch_id, commit_id, target, mode, manifest,"
            f" rules, evolved, files, records, {', '.join(counts)}, at)\nSELECT @dataset, @run_id, b.batch_id,"
            " @replay_id, b.target, b.mode, b.manifest, b.rules, b.evolved, n.files, n.records,"
            f" {', '.join(f'n.{name}' for name in counts)}, CURRENT_TIMESTAMP()"
            f" FROM UNNEST(@batches) AS b JOIN ({mine}) AS n ON n.batch_id = b.batch_id;"
        )


def _same(names: tuple[str, ...]) -> str:
    return " AND ".join(f"t.`{name}` = s.`{name}`" for name in names)


def _quoted(outcome: Outcome) -> str:
    return f"'{outcome.value}'"


def _reason(outcome: Outcome) -> str:
    """Return a reason as the quarantine writes them, for a SQL string."""
    message = SAID[outcome].replace("'", "\\'")
    return f'[{{"rule": "{outcome.value}", "column": null, "message": "{message}"}}]'

"""Which quarantined records a person wants to replay, and what a replay notes of them."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, Field

from include.ledger.dead_letters import RETRIED
from include.ledger.tables import Ledger
from include.spec.model import Model

MAX_RECORDS = 100_000


class Choice(Model):
    """Which open records are replayed; what is empty does not count.

    Args:
        file: name or address of an object, or the end of its name after a slash, or a file id.
        rule: as reasons have it (`type`), or with the column (`type.price`).
        column: the column that a reason is about.
        since, until: when they were quarantined last; from the first moment on, before the second.
        limit: most records, those of the oldest files first.
    """

    dataset: str = Field(min_length=1)
    file: str = ""
    rule: str = ""
    column: str = ""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: int = Field(10_000, ge=1, le=MAX_RECORDS)

    def parameters(self) -> dict[str, str | int]:
        """Return the parameters of `open_sql`."""
        return {
            "dataset": self.dataset, "file": self.file, "rule": self.rule, "column": self.column,
            "since": _moment(self.since), "until": _moment(self.until), "limit": self.limit,
        }  # fmt: skip


class ReplayedFile(Model):
    """A file some of whose records are replayed.

    Args:
        uri: where it landed.
        of_batch: the batch whose load quarantined them.
        records: their numbers.
        rules: for each of them, what it broke.
        gone: it is neither in the archive nor where it landed: what the quarantine kept of its records is read.
    """

    file_id: str
    uri: str
    of_batch: str
    records: tuple[int, ...] = Field(strict=False)
    rules: tuple[tuple[str, ...], ...] = Field(strict=False)
    gone: bool = False


class Replay(Model):
    """What a plan says that replays records.

    Args:
        dry_run: say what would become of them, and change nothing.
        files: the files that are read for it.
        lost: addresses of files that are gone, to why records of theirs cannot be read, to these records.
        later: chosen records that did not fit into this replay.
        file, rule: which files held as a whole are shown beside; empty: any.
    """

    dry_run: bool
    files: tuple[ReplayedFile, ...] = Field(strict=False)
    lost: dict[str, dict[str, list[int]]] = Field({})
    later: int = 0
    file: str = ""
    rule: str = ""

    @property
    def gone(self) -> dict[str, int]:
        """Addresses of files, to how many chosen records of theirs cannot be read."""
        return {uri: sum(map(len, reasons.values())) for uri, reasons in self.lost.items()}


def open_sql(ledger: Ledger, choice: Choice) -> str:
    """Return the query for the chosen open records, file by file. Its parameters: `Choice.parameters`."""
    return (
        "SELECT file_id, bucket, name, generation, checksum, size, of_batch, record, byte_offset, reasons"
        f" FROM {ledger.table('quarantine_open')} WHERE {_chosen(choice)}"
        " ORDER BY loaded_at, name, file_id, record LIMIT @limit"
    )


def kept_sql(ledger: Ledger, choice: Choice, needed: str) -> str:
    """Return the query for what is kept of the chosen open records of some files: their bytes, and how the file began.

    The latter stands with the first record of a file alone, or with two. Parameters: those of `open_sql`, @ids (file
    ids), @most and @most_records: bytes, and records that have them. Such records beyond are left out. One that cannot
    be read is there in any case, and takes no room.

    Args:
        needed: the part of an opening without which nothing can be read; see `include.engine.kept.needed_opening`.
    """
    order = "ORDER BY q.loaded_at, q.name, q.file_id, q.record"
    chosen = f"SELECT * FROM {ledger.table('quarantine_open')} WHERE {_chosen(choice)} AND file_id IN UNNEST(@ids)"
    loads = (
        f"SELECT file_id, batch_id, MAX(opening) AS opening FROM {ledger.events}"
        " WHERE dataset = @dataset AND state = 'loaded' AND file_id IN UNNEST(@ids) GROUP BY file_id, batch_id"
    )
    opened = f" AND IFNULL(JSON_VALUE(f.opening, '$.{needed}'), '') != ''" if needed else ""
    readable = f"(q.raw IS NOT NULL{opened})"
    so_far = f"OVER ({order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    # How a file began may be long: once is enough, of the records that have bytes and of those that have none.
    first = f"ROW_NUMBER() OVER (PARTITION BY q.file_id, q.of_batch, {readable} {order}) = 1"
    return (
        "SELECT * FROM (SELECT q.file_id, q.record, q.line, q.byte_length, q.key_id,"
        f" IF({first}, f.opening, NULL) AS opening,"
        f" IF({readable}, q.raw, NULL) AS raw, {readable} AS readable,"
        f" SUM(IF({readable}, q.byte_length, 0)) {so_far} AS bytes_so_far,"
        f" SUM(IF({readable}, 1, 0)) {so_far} AS records_so_far, ROW_NUMBER() OVER ({order}) AS place"
        f" FROM ({chosen}) AS q LEFT JOIN ({loads}) AS f ON f.file_id = q.file_id AND f.batch_id = q.of_batch)"
        " WHERE place <= @limit AND (NOT readable OR (bytes_so_far <= @most AND records_so_far <= @most_records))"
        " ORDER BY place"
    )


def _chosen(choice: Choice) -> str:
    """Return the condition for the chosen records."""
    where = ["dataset = @dataset"]
    if choice.file:
        where.append("(@file IN (file_id, name, CONCAT('gs://', bucket, '/', name)) OR ENDS_WITH(name, '/' || @file))")
    if choice.rule or choice.column:
        rule, column = "JSON_VALUE(r, '$.rule')", "JSON_VALUE(r, '$.column')"
        broke = [f"(@rule IN ({rule}, CONCAT({rule}, '.', {column})))"] if choice.rule else []
        broke += [f"{column} = @column"] if choice.column else []
        reasons = "UNNEST(JSON_QUERY_ARRAY(reasons)) AS r"
        where.append(f"EXISTS (SELECT 1 FROM {reasons} WHERE {' AND '.join(broke)})")
    if choice.since:
        where.append("at >= CAST(@since AS TIMESTAMP)")
    if choice.until:
        where.append("at < CAST(@until AS TIMESTAMP)")
    return " AND ".join(where)


def whole_files_sql(ledger: Ledger) -> str:
    """Return the query for files that are held or dead-lettered as a whole, whose reason is of a rule.

    A dead letter that was moved back is left out: it lies there no more, and what was moved is a version of its own.
    So is a version that was delivered again: what became of it then became of the newer one.

    Parameters: @dataset, @file, @rule (empty: any).
    """
    newest = "generation = MAX(generation) OVER (PARTITION BY bucket, name) AS is_newest"
    return (
        f"SELECT file_id, bucket, name, state, reason FROM (SELECT *, {newest} FROM {ledger.table('files_current')}"
        " WHERE dataset = @dataset) WHERE is_newest"
        " AND state IN ('held', 'dead_lettered') AND (@file IN ('', file_id, name, CONCAT('gs://', bucket, '/', name))"
        " OR ENDS_WITH(name, '/' || @file)) AND (@rule = '' OR STARTS_WITH(reason, @rule || ':'))"
        f" AND NOT STARTS_WITH(IFNULL(reason, ''), '{RETRIED}:')"
        " ORDER BY name LIMIT 1000"
    )


def outcomes_sql(ledger: Ledger) -> str:
    """Return the query for what a replay decided. Parameters: @dataset, @replay_id."""
    return (
        f"SELECT file_id, record, outcome, reasons FROM {ledger.table('replays')}"
        " WHERE dataset = @dataset AND replay_id = @replay_id"
    )


def samples_sql(ledger: Ledger) -> str:
    """Return the query for quarantined records as people may read them. Parameters: @dataset, @ids (file:record)."""
    return (
        f"SELECT file_id, record, line, text, reasons FROM {ledger.table('quarantine')} WHERE dataset = @dataset"
        " AND CONCAT(file_id, ':', CAST(record AS STRING)) IN UNNEST(@ids)"
        " QUALIFY ROW_NUMBER() OVER (PARTITION BY file_id, record ORDER BY at) = 1"
    )


def _moment(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""

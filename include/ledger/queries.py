"""What is asked of the ledger. Every value is a parameter; only names of our own tables are put into the text."""

from __future__ import annotations

from collections.abc import Iterable

from include.ledger.completeness import LATE
from include.ledger.dead_letters import FAILED, FAILED_TOGETHER, RETRIED
from include.ledger.states import FileState, current_sql, listed_sql, starts_of
from include.ledger.tables import COUNTS, Ledger

_SHOWN = f"""dataset, file_id, bucket, name, generation, checksum, size, state, reason, batch_id, run_id,
  {", ".join(COUNTS)}, at"""


def states_sql(ledger: Ledger) -> str:
    """What `Known` holds, for every version of some objects. Parameters: @dataset, @bucket, @names."""
    version = "OVER (PARTITION BY file_id"
    # The latest word of a run that took the file or let go of it, whatever was decided of the file since.
    taken = f"{version} ORDER BY state IN {listed_sql((FileState.PLANNED, FileState.SEEN))} DESC, at DESC)"
    alone, together = (
        f"state = '{FileState.SEEN.value}' AND STARTS_WITH(IFNULL(reason, ''), '{code}:')"
        for code in (FAILED, FAILED_TOGETHER)
    )
    return (
        f"SELECT file_id, name, generation, state, run_id,"
        f" FIRST_VALUE(IF(state = '{FileState.PLANNED.value}', run_id, NULL)) {taken} AS holder,"
        f" TIMESTAMP_DIFF(CURRENT_TIMESTAMP(), FIRST_VALUE(at) {taken}, SECOND) AS age,"
        f" LOGICAL_OR(state = '{FileState.RELEASED.value}') {version}) AS released,"
        f" COUNT(DISTINCT IF(({alone}) OR ({together}), run_id, NULL)) {version}) AS failures,"
        f" COUNT(DISTINCT IF({alone}, run_id, NULL)) {version}) AS failures_alone"
        f" FROM {ledger.events} WHERE dataset = @dataset AND bucket = @bucket AND name IN UNNEST(@names)"
        f" QUALIFY ROW_NUMBER() {version} ORDER BY {current_sql()}) = 1"
    )


def sets_sql(ledger: Ledger) -> str:
    """What is known of sets, as kind, key, name and at. Parameters: @dataset, @bucket, @vouchers, @folders, @names.

    - voucher: one of @vouchers, on which files were loaded; those of @names by their names, any others as ''.
    - folder: one of @folders, of which files are loaded: those that came late by their names, the others as ''.
    - late: id of one of @names that is held because it came late, and the voucher of its set.
    """
    folder = "REGEXP_REPLACE(name, r'/?[^/]*$', '')"
    late = f"STARTS_WITH(IFNULL(reason, ''), '{LATE}:')"
    current = f"{ledger.table('files_current')} WHERE dataset = @dataset AND bucket = @bucket"
    return (
        "SELECT 'voucher' AS kind, voucher AS key, IF(name IN UNNEST(@names), name, '') AS name, MAX(at) AS at"
        f" FROM {ledger.table('files')} WHERE dataset = @dataset AND bucket = @bucket AND state = 'loaded'"
        " AND voucher IN UNNEST(@vouchers) GROUP BY 1, 2, 3\n"
        f"UNION ALL SELECT 'folder', {folder}, IF({late}, name, ''), MAX(at) FROM {current}"
        f" AND state = 'loaded' AND {folder} IN UNNEST(@folders) GROUP BY 1, 2, 3\n"
        f"UNION ALL SELECT 'late', file_id, IFNULL(voucher, ''), at FROM {current} AND state = 'held' AND {late}"
        " AND name IN UNNEST(@names)"
    )


def files_sql(ledger: Ledger) -> str:
    """Files and their current states, latest first. Parameters: @dataset (empty: all), @limit."""
    return (
        f"SELECT {_SHOWN} FROM {ledger.table('files_current')}"
        " WHERE @dataset IN ('', dataset) ORDER BY at DESC, name LIMIT @limit"
    )


def run_files_sql(ledger: Ledger) -> str:
    """Files that one run committed, in the order of their names. Parameters: @dataset, @run_id."""
    return (
        f"SELECT {_SHOWN} FROM {ledger.table('files')}"
        " WHERE dataset = @dataset AND run_id = @run_id AND state IN ('loaded', 'held') ORDER BY name"
    )


def evolved_sql(ledger: Ledger) -> str:
    """What commits of a dataset brought beyond its contract. Parameters: @dataset, @run_id (empty: every run's)."""
    return (
        f"SELECT DISTINCT evolved FROM {ledger.table('batches')}"
        " WHERE dataset = @dataset AND @run_id IN ('', run_id) AND evolved IS NOT NULL"
    )


def quarantine_sql(ledger: Ledger) -> str:
    """Quarantined records, latest first, in file order. Parameters: @dataset (empty: all), @limit."""
    return (
        "SELECT dataset, batch_id, run_id, file_id, uri, record, line, byte_offset, byte_length, reasons, key_id,"
        f" text, at FROM {ledger.table('quarantine')} WHERE @dataset IN ('', dataset)"
        " ORDER BY at DESC, uri, record LIMIT @limit"
    )


EVENT_TYPES = {
    "file_id": "STRING", "bucket": "STRING", "name": "STRING", "generation": "INT64", "checksum": "STRING",
    "size": "INT64", "batch_id": "STRING", "reason": "STRING", "voucher": "STRING", "vouched_at": "TIMESTAMP",
}  # fmt: skip


def event_sql(ledger: Ledger, state: FileState) -> str:
    """Write that files are in a state in which nothing of them is counted.

    Parameters: @dataset, @run_id, @files (fields: EVENT_TYPES).
    """
    columns = ", ".join(EVENT_TYPES)
    return (
        f"INSERT INTO {ledger.table('files')} (dataset, run_id, state, {columns}, {', '.join(COUNTS)}, at)\n"
        f"SELECT @dataset, @run_id, '{state.value}', {', '.join(f'f.{name}' for name in EVENT_TYPES)},"
        f" {', '.join('0' for _ in COUNTS)}, CURRENT_TIMESTAMP() FROM UNNEST(@files) AS f"
    )


def let_go_sql(ledger: Ledger) -> str:
    """Write that a run lets go of files that it had taken and that no other run has taken since.

    Parameters: @dataset, @run_id, @files (fields: REASON_TYPES).
    """
    columns = "file_id, bucket, name, generation, checksum, size, batch_id"
    return (
        f"INSERT INTO {ledger.table('files')} (dataset, run_id, state, reason, {columns}, {', '.join(COUNTS)}, at)\n"
        f"SELECT c.dataset, c.run_id, '{FileState.SEEN.value}', f.why, {_of('c', columns)},"
        f" {_of('c', ', '.join(COUNTS))}, CURRENT_TIMESTAMP()"
        f" FROM (SELECT * FROM {ledger.table('files')} WHERE dataset = @dataset"
        f" AND state IN {listed_sql((FileState.PLANNED, FileState.SEEN))}"
        " QUALIFY ROW_NUMBER() OVER (PARTITION BY file_id ORDER BY at DESC) = 1"
        f" AND state = '{FileState.PLANNED.value}' AND run_id = @run_id) AS c"
        " JOIN UNNEST(@files) AS f ON f.file_id = c.file_id"
    )


REASON_TYPES = {"file_id": "STRING", "why": "STRING"}


def decide_sql(ledger: Ledger, state: FileState, starts: Iterable[FileState] = ()) -> str:
    """Write what was decided of file versions, of those alone that may go to this state now.

    Parameters: @dataset, @run_id, @files (fields: REASON_TYPES).

    Args:
        ledger: where to.
        state: the new state.
        starts: states that they may be in; none: those of the table of moves.
    """
    columns = "file_id, bucket, name, generation, checksum, size, batch_id, voucher, vouched_at"
    legal = frozenset(starts) or starts_of(state)
    return (
        f"INSERT INTO {ledger.table('files')} (dataset, run_id, state, reason, {columns}, {', '.join(COUNTS)}, at)\n"
        f"SELECT c.dataset, @run_id, '{state.value}', f.why, {_of('c', columns)}, {_of('c', ', '.join(COUNTS))},"
        f" CURRENT_TIMESTAMP() FROM {ledger.table('files_current')} AS c JOIN UNNEST(@files) AS f"
        f" ON f.file_id = c.file_id WHERE c.dataset = @dataset AND c.state IN {listed_sql(legal)}"
    )


def failures_sql(ledger: Ledger) -> str:
    """Every failure for good of some file versions, in the order of time. Parameters: @dataset, @ids."""
    codes = " OR ".join(f"STARTS_WITH(reason, '{code}:')" for code in (FAILED, FAILED_TOGETHER))
    return (
        f"SELECT file_id, run_id, batch_id, reason, at FROM {ledger.table('files')} WHERE dataset = @dataset"
        f" AND file_id IN UNNEST(@ids) AND state = '{FileState.SEEN.value}' AND ({codes}) ORDER BY file_id, at"
    )


def versions_sql(ledger: Ledger) -> str:
    """Versions of objects, by file id or by name, and their states. Parameters: @dataset (empty: all), @wanted."""
    return (
        f"SELECT {_SHOWN} FROM {ledger.table('files_current')} WHERE @dataset IN ('', dataset)"
        " AND (file_id IN UNNEST(@wanted) OR name IN UNNEST(@wanted)) ORDER BY dataset, name, generation"
    )


def names_sql(ledger: Ledger) -> str:
    """Names of objects of which a version is in one of some states. Parameters: @dataset (empty: all), @states."""
    return (
        f"SELECT DISTINCT name FROM {ledger.table('files_current')} WHERE @dataset IN ('', dataset)"
        " AND state IN UNNEST(@states) ORDER BY name LIMIT 10000"
    )


def waiting_sql(ledger: Ledger) -> str:
    """What waits for a person, as dataset, kind, files, records and example. Parameters: @dataset (empty: all)."""
    return (
        "SELECT dataset, state AS kind, COUNT(*) AS files, 0 AS records, MAX(name) AS example"
        f" FROM {ledger.table('files_current')} WHERE @dataset IN ('', dataset)"
        f" AND state IN {listed_sql((FileState.HELD, FileState.DEAD_LETTERED))}"
        # What was moved back lies there as a new version.
        f" AND NOT STARTS_WITH(IFNULL(reason, ''), '{RETRIED}:') GROUP BY dataset, state\n"
        "UNION ALL SELECT dataset, 'quarantined', COUNT(DISTINCT file_id), COUNT(*), MAX(name)"
        f" FROM {ledger.table('quarantine_open')} WHERE @dataset IN ('', dataset) GROUP BY dataset"
    )


def _of(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{name.strip()}" for name in columns.split(","))

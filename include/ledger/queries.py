"""What is asked of the ledger. Every value is a parameter; only names of our own tables are put into the text."""

from __future__ import annotations

from include.ledger.completeness import LATE
from include.ledger.states import FileState, current_sql, listed_sql
from include.ledger.tables import COUNTS, Ledger

_SHOWN = f"""dataset, file_id, bucket, name, generation, checksum, size, state, reason, batch_id, run_id,
  {", ".join(COUNTS)}, at"""


def states_sql(ledger: Ledger) -> str:
    """What `Known` holds, for every version of some objects. Parameters: @dataset, @bucket, @names."""
    version = "OVER (PARTITION BY file_id"
    # The latest word of a run that took the file or let go of it, whatever was decided of the file since.
    taken = f"{version} ORDER BY state IN {listed_sql((FileState.PLANNED, FileState.SEEN))} DESC, at DESC)"
    return (
        f"SELECT file_id, name, generation, state, run_id,"
        f" FIRST_VALUE(IF(state = '{FileState.PLANNED.value}', run_id, NULL)) {taken} AS holder,"
        f" TIMESTAMP_DIFF(CURRENT_TIMESTAMP(), FIRST_VALUE(at) {taken}, SECOND) AS age,"
        f" LOGICAL_OR(state = '{FileState.RELEASED.value}') {version}) AS released"
        f" FROM {ledger.table('files')} WHERE dataset = @dataset AND bucket = @bucket AND name IN UNNEST(@names)"
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

    Parameters: @dataset, @run_id, @ids, @reason.
    """
    columns = "file_id, bucket, name, generation, checksum, size, batch_id"
    return (
        f"INSERT INTO {ledger.table('files')} (dataset, run_id, state, reason, {columns}, {', '.join(COUNTS)}, at)\n"
        f"SELECT dataset, run_id, '{FileState.SEEN.value}', @reason, {columns}, {', '.join(COUNTS)},"
        f" CURRENT_TIMESTAMP() FROM {ledger.table('files')} WHERE dataset = @dataset AND file_id IN UNNEST(@ids)"
        f" AND state IN {listed_sql((FileState.PLANNED, FileState.SEEN))}"
        " QUALIFY ROW_NUMBER() OVER (PARTITION BY file_id ORDER BY at DESC) = 1"
        f" AND state = '{FileState.PLANNED.value}' AND run_id = @run_id"
    )

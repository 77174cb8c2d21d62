"""What is asked of the ledger. Every value is a parameter; only names of our own tables are put into the text."""

from __future__ import annotations

from include.ledger.completeness import LATE
from include.ledger.tables import COUNTS, Ledger

_SHOWN = f"""dataset, file_id, bucket, name, generation, checksum, size, state, reason, batch_id, run_id,
  {", ".join(COUNTS)}, at"""


def states_sql(ledger: Ledger) -> str:
    """States of files by object name: file_id, name, generation, state. Parameters: @dataset, @bucket, @names."""
    return (
        f"SELECT file_id, name, generation, state FROM {ledger.table('files_current')}"
        " WHERE dataset = @dataset AND bucket = @bucket AND name IN UNNEST(@names)"
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


def plan_sql(ledger: Ledger) -> str:
    """Write that files are planned, or held before they are read. Parameters: @dataset, @run_id, @files."""
    columns = "state, reason, file_id, bucket, name, generation, checksum, size, batch_id, voucher, vouched_at"
    zeros = ", ".join("0" for _ in COUNTS)
    return (
        f"INSERT INTO {ledger.table('files')} (dataset, run_id, {columns}, {', '.join(COUNTS)}, at)\n"
        f"SELECT @dataset, @run_id, {', '.join(f'f.{c.strip()}' for c in columns.split(','))}, {zeros},"
        " CURRENT_TIMESTAMP() FROM UNNEST(@files) AS f"
    )

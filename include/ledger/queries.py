"""What is asked of the ledger. Every value is a parameter; only names of our own tables are put into the text."""

from __future__ import annotations

from include.ledger.tables import COUNTS, Ledger

_SHOWN = f"""dataset, file_id, bucket, name, generation, checksum, size, state, reason, batch_id, run_id,
  {", ".join(COUNTS)}, at"""


def states_sql(ledger: Ledger) -> str:
    """States of files by object name: file_id, name, generation, state. Parameters: @dataset, @bucket, @names."""
    return (
        f"SELECT file_id, name, generation, state FROM {ledger.table('files_current')}"
        " WHERE dataset = @dataset AND bucket = @bucket AND name IN UNNEST(@names)"
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
    """Write that files are planned. Parameters: @dataset, @run_id, @files."""
    columns = "file_id, bucket, name, generation, checksum, size, batch_id"
    zeros = ", ".join("0" for _ in COUNTS)
    return (
        f"INSERT INTO {ledger.table('files')} (dataset, run_id, state, {columns}, {', '.join(COUNTS)}, at)\n"
        f"SELECT @dataset, @run_id, 'planned', {', '.join(f'f.{c.strip()}' for c in columns.split(','))}, {zeros},"
        " CURRENT_TIMESTAMP() FROM UNNEST(@files) AS f"
    )

"""DuckDB alone: typed parse with store_rejects, the contract's checks in SQL, duplicates by a window."""

from __future__ import annotations

import sys

import duckdb

from tests.bench.peers.common import STATUSES, Found
from tests.bench.peers.duckdb_floor import TYPES

CHECKS = (
    r"regexp_full_match(customer_id, 'C[0-9]{6}') AND regexp_full_match(sku, '[A-Z]{3}-[0-9]{4}') AND "
    r"regexp_full_match(email, '[^@ ]+@[^@ ]+[.][a-z]+') AND quantity BETWEEN 0 AND 10000 AND price >= 0 AND "
    f"status IN {STATUSES} AND order_id IS NOT NULL AND ordered_at IS NOT NULL AND gift IS NOT NULL"
)


def main(source: str, out: str) -> None:
    """Parse, check and write."""
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "512MB", "temp_directory": out})
    connection.execute(
        f"CREATE TABLE rows AS SELECT *, {CHECKS} AS ok FROM read_csv('{source}', columns = {TYPES}, header = true, "
        "quote = '\"', escape = '\"', store_rejects = true, rejects_limit = 0)"
    )
    unique = "QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY rowid) = 1"
    connection.execute(
        f"COPY (SELECT * EXCLUDE ok FROM rows WHERE ok {unique}) TO '{out}/good-00000.parquet' (FORMAT parquet)"
    )
    found = Found(out)
    for line, raw in connection.execute("SELECT line, any_value(csv_line) FROM reject_errors GROUP BY line").fetchall():
        found.add(line, raw)
    # Of a row that fails a check, DuckDB knows neither the line nor the text.
    [(failed,)] = connection.execute("SELECT count(*) FROM rows WHERE NOT coalesce(ok, false)").fetchall()
    for _ in range(failed):
        found.add(None)
    found.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

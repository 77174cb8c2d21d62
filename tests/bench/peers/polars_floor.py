"""The other floor: Polars reads text columns and writes Parquet; nothing is typed, nothing is checked."""

from __future__ import annotations

import sys

import polars


def main(source: str, out: str) -> None:
    """Parse and write."""
    rows = polars.scan_csv(source, infer_schema=False, ignore_errors=True, truncate_ragged_lines=True)
    rows.sink_parquet(f"{out}/good-00000.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])

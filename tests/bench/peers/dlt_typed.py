"""dlt: rows of the csv module into typed columns, written as Parquet; what does not fit a type goes into variants."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator

import dlt

TYPES = {
    "order_id": "bigint", "ordered_at": "timestamp", "customer_id": "text", "email": "text", "sku": "text",
    "quantity": "bigint", "price": "decimal", "weight": "double", "status": "text", "gift": "bool",
    "deliver_on": "date", "note": "text",
}  # fmt: skip


def main(source: str, out: str) -> None:
    """Extract, normalise and load."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    columns = {name: {"data_type": kind, "nullable": True} for name, kind in TYPES.items()}

    @dlt.resource(name="orders", columns=columns, write_disposition="append")
    def orders() -> Iterator[dict[str, str]]:
        with open(source, newline="", encoding="utf-8", errors="replace") as file:
            for row in csv.DictReader(file):
                row.pop(None, None)
                yield row

    destination = dlt.destinations.filesystem(bucket_url=f"file://{out}/loaded")
    pipeline = dlt.pipeline("bench", destination=destination, dataset_name="shop", pipelines_dir=f"{out}/state")
    pipeline.run(orders, loader_file_format="parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])

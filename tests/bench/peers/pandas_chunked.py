"""pandas in chunks: text columns, vectorised checks, Parquet; the line is what the row's number suggests."""

from __future__ import annotations

import sys
import warnings

import pandas
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.peers.common import NAMES, STATUSES, Found

FULL = {"order_id": "-?[0-9]+", "quantity": "-?[0-9]+", "price": r"[0-9]{1,16}(?:\.[0-9]{1,2})?",
        "sku": "[A-Z]{3}-[0-9]{4}", "customer_id": "C[0-9]{6}", "email": "[^@ ]+@[^@ ]+[.][a-z]+",
        "deliver_on": "[0-9]{4}-[0-9]{2}-[0-9]{2}"}  # fmt: skip


def main(source: str, out: str) -> None:
    """Read, check and write."""
    warnings.simplefilter("ignore")
    found, seen, writer, line = Found(out), set(), None, 2
    options = {"dtype": str, "chunksize": 100_000, "on_bad_lines": "skip", "encoding_errors": "replace"}
    for chunk in pandas.read_csv(
        source, keep_default_na=False, names=list(NAMES), header=0, index_col=False, **options
    ):
        ok = chunk["status"].isin(STATUSES) & chunk["gift"].isin(["true", "false"])
        for name, shape in FULL.items():
            ok &= chunk[name].str.fullmatch(shape).fillna(False).astype(bool)
        at = pandas.to_datetime(chunk["ordered_at"], format="%Y-%m-%dT%H:%M:%SZ", errors="coerce", utc=True)
        quantity = pandas.to_numeric(chunk["quantity"], errors="coerce")
        ok &= at.notna() & quantity.between(0, 10_000)
        ok &= ~(chunk["order_id"].map(seen.__contains__) | chunk["order_id"].duplicated())
        seen.update(chunk["order_id"][ok])
        for number in (~ok).to_numpy().nonzero()[0].tolist():
            found.add(line + number)
        line += len(chunk)
        good = chunk[ok].assign(ordered_at=at[ok], quantity=quantity[ok].astype("int64"))
        good["weight"], good["order_id"] = good["weight"].astype(float), good["order_id"].astype("int64")
        good["gift"] = good["gift"] == "true"
        table = pa.Table.from_pandas(good, preserve_index=False)
        price = table.column("price").cast(pa.decimal128(18, 2))
        table = table.set_column(table.column_names.index("price"), "price", price)
        writer = writer or pq.ParquetWriter(f"{out}/good-00000.parquet", table.schema)
        writer.write_table(table.cast(writer.schema))
    if writer:
        writer.close()
    found.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

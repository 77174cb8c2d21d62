"""Writes the benchmark's files once, and beside each its truth: every good row, and where every bad record stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.engine_orders import CHUNK, NAMES, Chunk, Shape, chunks

SEED = 20261121
VERSION = 1  # of the generator: another number, other files
BLANK_EVERY = 1_000
SCHEMA = pa.schema(
    [
        ("order_id", pa.int64()), ("ordered_at", pa.timestamp("us", "UTC")), ("customer_id", pa.string()),
        ("email", pa.string()), ("sku", pa.string()), ("quantity", pa.int64()), ("price", pa.decimal128(18, 2)),
        ("weight", pa.float64()), ("status", pa.string()), ("gift", pa.bool_()), ("deliver_on", pa.date32()),
        ("note", pa.string()), ("record", pa.int64()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Data:
    """A file to measure on, and what is true of it.

    Args:
        path: the file.
        good: Parquet of every good row, with the ordinal of its record.
        bad: JSON lines, one per bad record: kind, record, line, offset, length.
        clean: the file without its bad records, for readers that a bad one stops.
    """

    path: Path
    rows: int
    shape: Shape

    @property
    def good(self) -> Path:
        return self.path.with_suffix(".good.parquet")

    @property
    def bad(self) -> Path:
        return self.path.with_suffix(".bad.jsonl")

    @property
    def clean(self) -> Path:
        return self.path.with_suffix(f".clean.{self.shape}")

    def bad_records(self) -> Iterator[dict[str, Any]]:
        """Yield the bad records, with their bytes."""
        with self.path.open("rb") as file:
            for line in self.bad.read_text().splitlines():
                record = json.loads(line)
                file.seek(record["offset"])
                yield {**record, "raw": file.read(record["length"])}


def make(folder: Path, rows: int, shape: Shape) -> Data:
    """Return the file of this many records, written by an earlier run or now."""
    folder.mkdir(parents=True, exist_ok=True)
    data = Data(folder / f"orders-v{VERSION}-{shape}-{rows}.{shape}", rows, shape)
    if not data.bad.exists():
        scratch = Data(folder / f"making.{shape}", rows, shape)
        _write(scratch)
        for name in ("path", "good", "clean", "bad"):  # the last one is what is looked for
            getattr(scratch, name).replace(getattr(data, name))
    return data


def _write(data: Data) -> None:
    offset, line, number = 0, 1, 0
    with (
        data.path.open("wb") as file,
        data.clean.open("wb") as clean,
        data.bad.open("w") as bad,
        pq.ParquetWriter(data.good, SCHEMA) as good,
    ):
        if data.shape == "csv":
            header = ",".join(NAMES).encode() + b"\n"
            clean.write(header)
            offset, line = file.write(header), 2
        for chunk in chunks(data.rows, data.shape, SEED):
            parts, sound = [], []
            for record, kind in zip(chunk.records, chunk.kinds, strict=True):
                if kind:
                    place = {"kind": kind, "record": number, "line": line, "offset": offset, "length": len(record)}
                    bad.write(json.dumps(place) + "\n")
                end = b"\n\n" if number % BLANK_EVERY == BLANK_EVERY - 1 else b"\n"
                parts += (record, end)
                if not kind:
                    sound += (record, end)
                offset += len(record) + len(end)
                line += record.count(b"\n") + len(end)
                number += 1
            file.write(b"".join(parts))
            clean.write(b"".join(sound))
            good.write_table(_good_rows(chunk, number - len(chunk.records)))


def _good_rows(chunk: Chunk, first: int) -> pa.Table:
    arrays = []
    for field in SCHEMA:
        if field.name == "record":
            arrays.append(pa.array(np.arange(first, first + len(chunk.kinds))))
            continue
        values = chunk.columns[field.name]
        if pa.types.is_timestamp(field.type):
            values = np.array([text[:-1] for text in values], "datetime64[us]")
            arrays.append(pa.array(values).cast(field.type))
        elif pa.types.is_date(field.type):
            arrays.append(pa.array(np.array(values, "datetime64[D]")))
        else:
            arrays.append(pa.array(values).cast(field.type))
    table = pa.Table.from_arrays(arrays, schema=SCHEMA)
    return table.filter(pa.array([not kind for kind in chunk.kinds]))


def make_small_files(folder: Path, files: int) -> list[Path]:
    """Return that many files of about 1 kB, all good, of different orders."""
    made = [folder / "small" / f"{number:05}.csv" for number in range(files)]
    if not made[-1].exists():
        made[0].parent.mkdir(parents=True, exist_ok=True)
        header = ",".join(NAMES).encode()
        good: Iterator[bytes] = (
            record
            for chunk in chunks(max(files * 9, CHUNK), "csv", SEED + 1)
            for record, kind in zip(chunk.records, chunk.kinds, strict=True)
            if not kind
        )
        for path in made:
            path.write_bytes(b"\n".join([header, *(next(good) for _ in range(8)), b""]))
    return made

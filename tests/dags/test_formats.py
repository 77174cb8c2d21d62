"""One small file of each format and compression, from the bucket to the table: whole Airflow runs."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from include.ledger.tables import RECORD

CONTRACT = {
    "kind": "DataContract", "apiVersion": "v3.1.0", "id": "t", "version": "1.0.0", "status": "active",
    "team": {"name": "tests"}, "schema": [{"name": "t", "properties": [
        {"name": "id", "logicalType": "integer", "primaryKey": True},
        {"name": "name", "logicalType": "string"},
        {"name": "price", "logicalType": "number", "physicalType": "NUMERIC(10, 2)", "required": True},
        {"name": "day", "logicalType": "date"},
        {"name": "at", "logicalType": "timestamp"},
    ]}],
}  # fmt: skip
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
# Two are loaded, one is filtered, one is a duplicate whose later twin stays, one has a digit too many.
Row = tuple[int, str | None, Decimal, date | None, datetime]
BAD = 4
COUNTS = (5, 2, 1, 1, 1)


def rows_from(start: int) -> list[Row]:
    return [
        (start + 1, 'Änn "x", <y>', Decimal("12.50"), date(2026, 11, 20), AT),
        (start + 2, None, Decimal("-0.01"), None, AT),
        (start + 3, "out", Decimal("1.00"), date(2026, 2, 28), AT),
        (start + 1, "again", Decimal("7.00"), date(1, 1, 1), AT),
        (start + 4, "bad", Decimal("0.001"), date(2026, 1, 1), AT),
    ]


def loaded_of(rows: list[Row]) -> list[tuple[Any, ...]]:
    """What is in the table: the values, and which record of the file they were."""
    return [(*rows[3], 3), (*rows[1], 1)]


def texts(row: Row) -> dict[str, str]:
    number, name, price, day, at = row
    found = {"id": str(number), "name": name, "price": f"{price:f}", "day": day and day.isoformat()}
    return {key: value for key, value in found.items() if value is not None} | {"at": at.isoformat()}


def csv_of(rows: list[Row]) -> bytes:
    quoted = [{key: '"' + value.replace('"', '""') + '"' for key, value in texts(row).items()} for row in rows]
    lines = [",".join(row.get(key, "") for key in ("id", "name", "price", "day", "at")) for row in quoted]
    return "\n".join(["id,name,price,day,at", *lines, ""]).encode()


def fixed_of(rows: list[Row]) -> bytes:
    widths = {"id": 6, "name": 14, "price": 8, "day": 10, "at": 32}
    return "".join(
        "".join(texts(row).get(key, "").ljust(width) for key, width in widths.items()) + "\r\n" for row in rows
    ).encode()


def xml_of(rows: list[Row]) -> bytes:
    items = []
    for row in rows:
        found = texts(row)
        parts = "".join(f"<{key}>{escape(found[key])}</{key}>" for key in ("name", "price", "at") if key in found)
        day = f"<when><day>{found['day']}</day></when>" if "day" in found else ""
        items.append(f'<item id="{found["id"]}">{parts}{day}</item>')
    return f'<?xml version="1.0"?>\n<items><made/>{"".join(items)}</items>'.encode()


def json_of(rows: list[Row]) -> bytes:
    items = []
    for row in rows:
        found = texts(row)
        number, price = found.pop("id"), found.pop("price")
        items.append(f'{{"id": {number}, "price": {price}, {json.dumps(found, ensure_ascii=False)[1:]}')
    return f'{{"made": [1], "page": {{"items": [{", ".join(items)}]}}, "next": null}}'.encode()


def parquet_of(rows: list[Row]) -> bytes:
    kinds = [pa.int32(), pa.string(), pa.decimal128(12, 3), pa.date32(), pa.timestamp("ns", "Europe/Berlin")]
    columns = [pa.array(cells, kind) for cells, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    file = io.BytesIO()
    pq.write_table(pa.table(columns, ["id", "name", "price", "day", "at"]), file, compression="zstd")
    return file.getvalue()


def avro_of(rows: list[Row]) -> bytes:
    kinds = {
        "id": "long",
        "name": ["null", "string"],
        "price": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3},
        "day": ["null", {"type": "int", "logicalType": "date"}],
        "at": {"type": "long", "logicalType": "timestamp-micros"},
    }
    schema = {"type": "record", "name": "r", "fields": [{"name": name, "type": kind} for name, kind in kinds.items()]}
    file = io.BytesIO()
    fastavro.writer(file, schema, [dict(zip(kinds, row, strict=True)) for row in rows], codec="deflate")
    return file.getvalue()


def utf16_of(rows: list[Row]) -> bytes:
    return csv_of(rows).decode().encode("utf-16")


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/inside.csv", content)
    return file.getvalue()


FORMATS: dict[str, tuple[Callable[[list[Row]], bytes], dict[str, Any]]] = {
    "fixed": (fixed_of, {
        "type": "fixed",
        "positions": {"id": "1-6", "name": "7-20", "price": "21-28", "day": "29-38", "at": "39-70"},
    }),
    "xml": (xml_of, {"type": "xml", "records": "item", "paths": {"id": "@id", "day": "when.day"}}),
    "json": (json_of, {"type": "json", "records": "page.items"}),
    "parquet": (parquet_of, {"type": "parquet"}),
    "avro": (avro_of, {"type": "avro"}),
    "utf16": (utf16_of, {"type": "csv", "encoding": "utf-16"}),
}  # fmt: skip
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "csv": bytes,
    "csv.gz": gzip.compress,
    "csv.zst": zstandard.ZstdCompressor().compress,
    "csv.bz2": bz2.compress,
    "csv.zip": zipped,
}


@pytest.fixture
def ingest(tmp_path: Path, run_dag: Any, landing: Any, query: Any) -> Callable[..., Any]:
    """Land files of one dataset and run it; returns the run."""

    def run(name: str, form: dict[str, Any], files: dict[str, bytes]) -> Any:
        pipeline = {
            "source": {"uri": f"gs://{{landing}}/{name}/**"}, "format": form, "filter": "price != 1",
            "load": {"table": f"formats.{name}", "mode": "merge"}, "retry": {"attempts": 1},
        }  # fmt: skip
        folder = tmp_path / "datasets" / name
        folder.mkdir(parents=True)
        (folder / "contract.yaml").write_text(json.dumps(CONTRACT))
        (folder / "pipeline.yaml").write_text(json.dumps(pipeline))
        for file, content in files.items():
            landing.blob(f"{name}/{file}").upload_from_string(content)
        finished = run_dag(f"ingest_{name}", datasets=folder.parent)
        assert finished.state == "success"
        return finished

    return run


def table(query: Any, name: str) -> list[tuple[Any, ...]]:
    return [
        tuple(row.values())
        for row in query(f"SELECT id, name, price, day, at, {RECORD} FROM formats.{name} ORDER BY id")
    ]


def accounts(query: Any, run: Any) -> dict[str, tuple[Any, ...]]:
    """Each file's state and counts."""
    sql = "SELECT * FROM landfall_ops.files_current WHERE run_id = @run"
    names = ("records", "loaded", "filtered", "duplicates", "quarantined")
    return {
        row["name"].rpartition("/")[2]: (row["state"], *(row[name] for name in names))
        for row in query(sql, {"run": run.run_id})
    }


def quarantined(query: Any, run: Any) -> list[dict[str, Any]]:
    return list(query("SELECT * FROM landfall_ops.quarantine WHERE run_id = @run ORDER BY uri", {"run": run.run_id}))


@pytest.mark.parametrize(
    "kind", [kind if kind in ("xml", "parquet") else pytest.param(kind, marks=pytest.mark.long) for kind in FORMATS]
)
def test_each_format_arrives_whole_and_exact(ingest: Any, query: Any, kind: str) -> None:
    make, form = FORMATS[kind]
    rows = rows_from(0)
    content = make(rows)
    run = ingest(kind, form, {"a.dat": content})
    assert table(query, kind) == loaded_of(rows)
    assert accounts(query, run) == {"a.dat": ("loaded", *COUNTS)}
    (kept,) = quarantined(query, run)
    assert kept["record"] == BAD
    assert [(reason["rule"], reason["column"]) for reason in json.loads(kept["reasons"])] == [("type", "price")]
    if kind in ("parquet", "avro"):
        assert (kept["line"], kept["byte_offset"]) == (BAD + 1, -1)
        raw = json.loads(kept["raw"], parse_float=str)
        assert raw == {"id": 4, "name": "bad", "price": "0.001", "day": "2026-01-01", "at": raw["at"]}
        assert datetime.fromisoformat(raw["at"][:26] + "+00:00") == AT
    else:
        assert kept["raw"] == content[kept["byte_offset"] :][: kept["byte_length"]]
        assert "bad" in kept["raw"].decode("utf-16-le" if kind == "utf16" else "utf-8")


def test_each_compression_arrives_whole_and_exact_and_a_damaged_file_is_held(ingest: Any, query: Any) -> None:
    starts = {suffix: 100 * number for number, suffix in enumerate(COMPRESSIONS)}
    contents = {suffix: csv_of(rows_from(start)) for suffix, start in starts.items()}
    files = {f"a.{suffix}": pack(contents[suffix]) for suffix, pack in COMPRESSIONS.items()}
    lost = csv_of(rows_from(900))
    damaged = {f"b.{suffix}": pack(lost)[:-12] for suffix, pack in COMPRESSIONS.items() if suffix != "csv"}
    run = ingest("compressions", {"type": "csv"}, files | damaged)
    assert table(query, "compressions") == [row for start in starts.values() for row in loaded_of(rows_from(start))]
    found = accounts(query, run)
    assert {name: found[name] for name in files} == dict.fromkeys(files, ("loaded", *COUNTS))
    for name in damaged:
        state, records, loaded, *_, put_aside = found[name]
        assert (state, loaded, put_aside) == ("held", 0, records), name
    rows = quarantined(query, run)
    kept = {row["uri"].partition("/a.")[2]: row for row in rows if "/a." in row["uri"]}
    assert {suffix: row["record"] for suffix, row in kept.items()} == dict.fromkeys(COMPRESSIONS, BAD)
    for suffix, row in kept.items():
        assert row["raw"] == contents[suffix][row["byte_offset"] :][: row["byte_length"]]
    whole = {row["uri"].rpartition("/")[2]: json.loads(row["reasons"])[0]["rule"] for row in rows if row["record"] < 0}
    assert whole == {
        "b.csv.gz": "truncated_gzip", "b.csv.zst": "truncated_zstd",
        "b.csv.bz2": "truncated_bzip2", "b.csv.zip": "truncated_zip",
    }  # fmt: skip

"""Avro: the values of a typed file pass the same strict casts as text; a damaged or hostile file is held as a whole."""

from __future__ import annotations

import datetime as dt
import io
import json
import tempfile
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.builder import Result, column, dataset, run

SYNC = b"S" * 16


def written(kind: Any, values: list[Any], codec: str = "null") -> bytes:
    """A file with one field `v`, blocks of some 16 kB."""
    file = io.BytesIO()
    schema = {"type": "record", "name": "row", "fields": [{"name": "v", "type": kind}]}
    fastavro.writer(file, schema, [{"v": value} for value in values], codec=codec)
    return file.getvalue()


def long(value: int) -> bytes:
    value, out = value << 1, b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def container(schema: Any, codec: str, *blocks: tuple[int, bytes]) -> bytes:
    """A file of these blocks, each with the number of records that it claims."""
    meta = {"avro.schema": json.dumps(schema).encode(), "avro.codec": codec.encode()}
    entries = b"".join(long(len(part)) + part for pair in meta.items() for part in (pair[0].encode(), pair[1]))
    body = b"".join(long(count) + long(len(data)) + data + SYNC for count, data in blocks)
    return b"Obj\x01" + long(len(meta)) + entries + b"\0" + SYNC + body


def logical(base: str, name: str, **rest: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": name, **rest}


def one(out: Path, data: bytes, kind: str, **rest: Any) -> Result:
    return run(dataset(column("v", kind, **rest), format={"type": "avro"}), out, data)


UTC = dt.UTC
BEFORE = dt.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)
DATETIME = {"physicalType": "DATETIME"}
INTS = {"items": {"logicalType": "integer"}}
CENT = logical("bytes", "decimal", precision=12, scale=4)
NUMERIC = {"physicalType": "NUMERIC(12,2)"}


@pytest.mark.parametrize(
    ("kind", "values", "target", "rest", "good"),
    [
        (["null", "long"], [1, None, 2**63 - 1], "integer", {}, [1, None, 2**63 - 1]),
        ("double", [1.5, float("nan")], "number", {}, [1.5]),
        (CENT, [Decimal("1.5000"), Decimal("0.0001")], "number", NUMERIC, [Decimal("1.50")]),
        ("string", ["ü", "a\0"], "string", {}, ["ü"]),
        ("bytes", [b"a", b"\xff"], "string", {}, ["a"]),
        ("bytes", [b"a", b"\xff"], "string", {"options": {"format": "byte"}}, ["YQ==", "/w=="]),
        ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, ["B"], "string", {}, ["B"]),
        (logical("int", "date"), [dt.date(1, 1, 1), 2_932_897], "date", {}, [dt.date(1, 1, 1)]),
        (logical("int", "time-millis"), [1], "time", {}, [dt.time(0, 0, 0, 1000)]),
        (logical("long", "timestamp-micros"), [-1, 2**62], "timestamp", {}, [BEFORE]),
        (logical("long", "local-timestamp-millis"), [1], "timestamp", DATETIME,
         [dt.datetime(1970, 1, 1, 0, 0, 0, 1000)]),
        (logical("long", "timestamp-nanos"), [1000, 1001], "timestamp", {}, [dt.datetime(1970, 1, 1, 0, 0, 0, 1, UTC)]),
        ({"type": "array", "items": ["null", "int"]}, [[1], [], [None]], "array", INTS, [[1], []]),
        ({"type": "map", "values": "bytes"}, [{"k": b"\xff"}], "object", {}, ['{"k": {"base64": "/w=="}}']),
    ],
)  # fmt: skip
def test_values_are_cast_strictly(
    tmp_path: Path, kind: Any, values: list[Any], target: str, rest: Any, good: list[Any]
) -> None:
    result = one(tmp_path, written(kind, values), target, **rest)
    assert (result.code, result.values("v")) == ("", good)
    assert [row["line"] for row in result.records] == list(range(len(good) + 1, len(values) + 1))


def test_a_string_that_is_not_utf8_costs_its_record_and_is_kept(tmp_path: Path) -> None:
    data = written("string", ["first", "??", "last"]).replace(b"??", b"\xff\xfe")
    result = one(tmp_path, data, "string")
    assert (result.values("v"), result.rules) == (["first", "last"], [["encoding:v"]])
    assert json.loads(result.records[0]["raw"]) == {"v": {"base64": "//4="}}


def test_nested_fields_are_addressed_by_path(tmp_path: Path) -> None:
    inner = {"type": "record", "name": "i", "fields": [{"name": "x", "type": "int"}]}
    spec = dataset(
        column("x", "integer"), column("xs", "array", items={"logicalType": "integer"}),
        format={"type": "avro", "paths": {"x": "v.one.x", "xs": "v.many.x"}},
    )  # fmt: skip
    both = {"type": "record", "name": "b", "fields": [
        {"name": "one", "type": inner}, {"name": "many", "type": {"type": "array", "items": "i"}}]}  # fmt: skip
    result = run(spec, tmp_path, written(both, [{"one": {"x": 1}, "many": [{"x": 2}, {"x": 3}]}]))
    assert (result.values("x"), result.values("xs")) == ([1], [[2, 3]])


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


ROW = {"type": "record", "name": "row", "fields": [{"name": "v", "type": "string"}]}
TWO = b"\x02a\x02b"
SNAPPY = pa.Codec("snappy").compress(TWO, asbytes=True) + zlib.crc32(TWO).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("codec", "stored"),
    [("null", TWO), ("deflate", deflated(TWO)), ("snappy", SNAPPY), ("zstandard", zstandard.compress(TWO))],
)
def test_every_codec_is_read(tmp_path: Path, codec: str, stored: bytes) -> None:
    result = one(tmp_path, container(ROW, codec, (2, stored), (0, container_empty(codec)), (2, stored)), "string")
    assert (result.code, result.values("v")) == ("", ["a", "b", "a", "b"])


def container_empty(codec: str) -> bytes:
    nothing = pa.Codec("snappy").compress(b"", asbytes=True) + bytes(4)
    return {"null": b"", "deflate": deflated(b""), "snappy": nothing, "zstandard": zstandard.compress(b"")}[codec]


def fields(**kinds: Any) -> dict[str, Any]:
    return {"type": "record", "name": "row", "fields": [{"name": name, "type": kind} for name, kind in kinds.items()]}


WIDE = fields(v="null", **{f"f{n}": "null" for n in range(400)})
WIDER = fields(v="string", **{f"f{n}": {**WIDE, "name": "w"} if not n else "w" for n in range(400)})


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (container(ROW, "lzo", (2, TWO)), "unsupported_avro", "lzo"),
        (container(fields(v=["null", "row"]), "null"), "unsupported_avro", "refers to itself"),
        (container(fields(v={"type": "array", "items": "null"}), "null"), "unsupported_avro", "no bytes"),
        (container(WIDER, "null"), "unsupported_avro", "100,000 parts"),
        (container("string", "null"), "unsupported_avro", "no record"),
        (container({"type": "record"}, "null"), "corrupt_avro", "schema"),
        (container(fields(v="unheard-of"), "null"), "corrupt_avro", "schema"),
        (container(ROW, "null", (2, TWO), (3, TWO)), "corrupt_avro", "after 4 records"),
        (container(ROW, "null", (1, TWO)), "corrupt_avro", "more than its 1 records"),
        (container(ROW, "null", (10**9, TWO)), "corrupt_avro", "1,000,000,000 records"),
        (container(fields(v="null"), "null", (10**9, b"")), "corrupt_avro", "1,000,000,000 records"),
        (container(ROW, "null", (1, long(2**40) + b"a")), "corrupt_avro", "after 0 records"),
        (container(ROW, "deflate", (2, TWO)), "corrupt_avro", "invalid"),
        (container(ROW, "deflate", (2, deflated(bytes(300_000_000)))), "corrupt_avro", "larger than"),
        (container(ROW, "zstandard", (2, zstandard.compress(bytes(300_000_000)))), "corrupt_avro", "larger than"),
        (container(ROW, "snappy", (2, SNAPPY[:-4] + b"1234")), "corrupt_avro", "checksum"),
        (container(ROW, "null", (2, TWO)).replace(SYNC, b"T" * 16, 1), "corrupt_avro", "does not end"),
        (container(ROW, "null", (2, TWO))[:-1], "truncated_avro", "cut off"),
        (container(ROW, "null", (2, TWO))[:30], "truncated_avro", "cut off"),
        (container(fields(w="string"), "null", (2, TWO)), "missing_column", '"v"'),
        (container(fields(v="string", w="null"), "null", (2, TWO)), "unexpected_column", '"w"'),
        (b"v\nx\n", "wrong_format", "expects avro"),
        (b"PAR1\0\0\0\0\0\0\0\0\0", "wrong_format", "Parquet"),
    ],
)
def test_what_is_no_such_avro_file_is_held(tmp_path: Path, data: bytes, code: str, says: str) -> None:
    result = run(dataset(column("v"), format={"type": "avro"}), tmp_path, data, container(ROW, "null", (2, TWO)))
    assert (result.code, result.file.loaded, result.manifest.files[1].loaded) == (code, 0, 2)
    assert result.file.reason is not None
    assert says in result.file.reason.message


GOOD = written("string", [f"value {n}" for n in range(3000)], "deflate")


@settings(max_examples=100, deadline=None)
@given(at=st.integers(4, len(GOOD) - 1), mask=st.integers(1, 255), cut=st.booleans())
def test_a_changed_byte_or_a_cut_never_crashes(at: int, mask: int, cut: bool) -> None:
    data = bytearray(GOOD[:at] if cut else GOOD)
    if not cut:
        data[at] ^= mask
    with tempfile.TemporaryDirectory() as out:
        result = one(Path(out), bytes(data), "string")
    assert result.file.records == result.file.loaded + result.file.quarantined
    assert result.file.state == "held" or not cut or result.file.records < 3000

"""Parquet: the values of a typed file pass the same strict casts as text; a damaged file is held as a whole."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.engine.json_text import Reader
from tests.engine.builder import Result, column, dataset, run

BERLIN = dt.timezone(dt.timedelta(hours=1))


def written(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def one(out: Path, values: pa.Array, kind: str, **rest: Any) -> Result:
    spec = dataset(column("v", kind, **rest), format={"type": "parquet"})
    return run(spec, out, written(pa.table({"v": values})))


NUMERIC = {"physicalType": "NUMERIC(12,2)"}
UTC = dt.UTC


@pytest.mark.parametrize(
    ("values", "kind", "rest", "good"),
    [
        (pa.array([1, None, -128], pa.int8()), "integer", {}, [1, None, -128]),
        (pa.array([2**63 - 1, 2**63], pa.uint64()), "integer", {}, [2**63 - 1]),
        (pa.array([5.0, 1.5, 1e30]), "integer", {}, [5]),
        (pa.array([0.1, float("nan"), float("inf"), -0.0], pa.float64()), "number", {}, [0.1, 0.0]),
        (pa.array([0.1], pa.float32()), "number", {}, [0.1]),
        (pa.array([Decimal("0.10"), Decimal("12.34")]), "number", NUMERIC, [Decimal("0.10"), Decimal("12.34")]),
        (pa.array([Decimal("0.001"), Decimal("0.010")]), "number", NUMERIC, [Decimal("0.01")]),
        (pa.array([Decimal(10) ** 70], pa.decimal256(76, 0)), "number", NUMERIC, []),
        (pa.array([Decimal("1E-9")], pa.decimal128(20, 9)), "string", {}, ["0.000000001"]),
        (pa.array([True, False, None]), "boolean", {}, [True, False, None]),
        (pa.array([1, 0]), "boolean", {}, []),
        (pa.array(["a", "", None, "ü"]), "string", {}, ["a", "", None, "ü"]),
        (pa.array(["a", "a\0", None], pa.large_string()), "string", {}, ["a", None]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), "string", {}, ["x", "y", "x"]),
        (pa.array([b"a", b"\xff", None]), "string", {}, ["a", None]),
        (pa.array([b"a", b"\xff", None]), "string", {"options": {"format": "byte"}}, ["YQ==", "/w==", None]),
        (pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31)]), "date", {}, [dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
        (pa.array([2_932_897, -719_163], pa.date32()), "date", {}, []),
        (pa.array([dt.time(9, 15)]), "time", {}, [dt.time(9, 15)]),
        (pa.array([dt.datetime(2026, 1, 1)]), "date", {}, []),
        (pa.array([1_000, 1_001], pa.timestamp("ns", "UTC")), "timestamp", {},
         [dt.datetime(1970, 1, 1, 0, 0, 0, 1, UTC)]),
        (pa.array([dt.datetime(2026, 1, 1, 1, tzinfo=BERLIN)], pa.timestamp("ms", "Europe/Berlin")), "timestamp", {},
         [dt.datetime(2026, 1, 1, tzinfo=UTC)]),
        (pa.array([dt.datetime(2026, 1, 1)], pa.timestamp("s")), "timestamp",
         {"options": {"defaultTimezone": "Europe/Berlin"}}, [dt.datetime(2025, 12, 31, 23, tzinfo=UTC)]),
        (pa.array([2**60], pa.timestamp("ms", "UTC")), "timestamp", {}, []),
        (pa.array([dt.datetime(2026, 1, 1)], pa.timestamp("us", "UTC")), "string", {}, ["2026-01-01 00:00:00.000000Z"]),
        (pa.array([[1, 2], [], None, [None]]), "array", {"items": {"logicalType": "integer"}}, [[1, 2], [], None]),
        (pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())), "object", {}, ['{"k": 1}', "{}", None]),
        (pa.array([{"a": Decimal("1.10"), "b": dt.date(2026, 1, 1), "c": b"\xff"}]), "object", {},
         ['{"a": 1.10, "b": "2026-01-01", "c": {"base64": "/w=="}}']),
        (pa.array([{"a": 1}]), "string", {}, []),
        (pa.nulls(2), "string", {}, [None, None]),
    ],
)  # fmt: skip
def test_values_are_cast_strictly(tmp_path: Path, values: pa.Array, kind: str, rest: Any, good: list[Any]) -> None:
    result = one(tmp_path, values, kind, **rest)
    assert (result.code, result.values("v")) == ("", good)
    assert len(result.records) == len(values) - len(good)


def test_text_that_is_not_utf8_costs_its_record_and_is_kept(tmp_path: Path) -> None:
    wrong = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")]
    )
    result = one(tmp_path, wrong, "string")
    assert (result.values("v"), result.rules) == (["a"], [["encoding:v"]])
    assert json.loads(result.records[0]["raw"]) == {"v": {"base64": "/w=="}}


def test_a_bad_row_is_kept_with_its_number_and_all_its_fields(tmp_path: Path) -> None:
    table = pa.table({"a": ["1", "?", "3"] * 200, "z": pa.array([Decimal("1.50")] * 600)})
    spec = dataset(column("a", "integer"), format={"type": "parquet", "unexpected_columns": "ignore"})
    result = run(spec, tmp_path, written(table))
    assert result.file.notes == ("ignored fields: z",)
    assert [(row["record"], row["line"]) for row in result.records] == [(n, n + 1) for n in range(1, 600, 3)]
    assert {(row["raw"], row["byte_length"], row["byte_offset"]) for row in result.records} == {
        (b'{"a": "?", "z": 1.50}', 21, -1)
    }


def test_nested_fields_are_addressed_by_path_and_renamed_ones_by_name(tmp_path: Path) -> None:
    table = pa.table({"S": [{"x": {"y": 1}, "l": [{"n": "p"}, {"n": "q"}]}, None], "Other": ["o", "p"]})
    spec = dataset(
        column("y", "integer"), column("n", "array", items={"logicalType": "string"}), column("other"),
        format={"type": "parquet", "paths": {"y": "S.x.y", "n": "S.l.n"}, "rename": {"Other": "other"}},
    )  # fmt: skip
    result = run(spec, tmp_path, written(table))
    assert [(row["y"], row["n"], row["other"]) for row in result.good] == [(1, ["p", "q"], "o"), (None, None, "p")]


GOOD = written(pa.table({"v": [f"value {n}" for n in range(1000)]}), compression="none")
V = dataset(column("v"), format={"type": "parquet"})


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (GOOD[:-10], "truncated_parquet"),
        (GOOD[:100], "truncated_parquet"),
        (b"PAR1PAR1", "corrupt_parquet"),
        (GOOD[:-8] + b"\xff\xff\xff\x7fPAR1", "corrupt_parquet"),
        (gzip.compress(GOOD)[:-9], "truncated_gzip"),
        (b"v\n1\n", "wrong_format"),
        (b"Obj\x01\0\0\0\0\0\0\0\0", "wrong_format"),
        (written(pa.table({"w": ["x"]})), "missing_column"),
        (written(pa.table({"v": ["x"], "w": ["x"]})), "unexpected_column"),
        (written(pa.table([pa.array(["x"]), pa.array(["y"])], ["v", "v"])), "duplicate_column"),
    ],
)
def test_what_is_no_such_parquet_file_is_held(tmp_path: Path, data: bytes, code: str) -> None:
    result = run(V, tmp_path, data, GOOD)
    assert (result.code, result.manifest.files[1].loaded) == (code, 1000)


def test_a_file_without_rows_is_accepted(tmp_path: Path) -> None:
    result = run(V, tmp_path, written(pa.table({"v": pa.array([], pa.string())})), gzip.compress(GOOD))
    assert [(file.state, file.loaded) for file in result.manifest.files] == [("accepted", 0), ("accepted", 1000)]


@settings(max_examples=60, deadline=None)
@given(at=st.integers(4, len(GOOD) - 1), mask=st.integers(1, 255))
def test_a_changed_byte_never_crashes_and_accounts_for_all_it_reads(at: int, mask: int) -> None:
    data = bytearray(GOOD)
    data[at] ^= mask
    with tempfile.TemporaryDirectory() as out:
        result = run(V, Path(out), bytes(data))
    assert result.file.records == result.file.loaded + result.file.quarantined


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries({
    "i": st.none() | st.integers(-(2**63), 2**63 - 1), "s": st.none() | st.text(max_size=5),
    "d": st.none() | st.decimals(min_value=-999, max_value=999, places=4, allow_nan=False),
    "t": st.none() | st.datetimes(min_value=dt.datetime(1, 1, 1), max_value=dt.datetime(9999, 12, 31)),
    "n": st.none() | st.fixed_dictionaries({"x": st.none() | st.integers(0, 9), "b": st.binary(max_size=3)}),
}), min_size=1, max_size=5))  # fmt: skip
def test_what_was_written_is_loaded_or_kept(rows: list[dict[str, Any]]) -> None:
    kinds = pa.struct([("x", pa.int64()), ("b", pa.binary())])
    table = pa.table({
        "i": pa.array([row["i"] for row in rows], pa.int64()), "s": pa.array([row["s"] for row in rows], pa.string()),
        "d": pa.array([row["d"] for row in rows], pa.decimal128(9, 4)),
        "t": pa.array([row["t"] for row in rows], pa.timestamp("us")), "n": pa.array([row["n"] for row in rows], kinds),
    })  # fmt: skip
    spec = dataset(
        column("i", "integer"), column("s"), column("d", "number", physicalType="NUMERIC(9,4)"),
        column("t", "timestamp", physicalType="DATETIME"), column("n", "object"), format={"type": "parquet"},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as out:
        result = run(spec, Path(out), written(table))
    found = {row["_landfall_record"]: row for row in result.good}
    for number, row in enumerate(rows):
        if "\0" in (row["s"] or ""):
            assert number not in found
            continue
        assert [found[number][name] for name in "isdt"] == [row[name] for name in "isdt"]
        shown = Reader().read(found[number]["n"]) if found[number]["n"] else None
        assert (shown is None) == (row["n"] is None)

"""The engine as a whole: messy files against the reference reader, accounting, parts, repeated runs."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from include.engine.account import Manifest, assert_balanced
from include.engine.errors import AccountingError
from include.engine.run import Input, Limits, Progress, Secrets, transform
from tests.engine.builder import SECRETS, column, dataset, lines, run
from tests.engine.reference import Record, read_csv

SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
MESSY = dataset(column("n", "integer"), column("t"), column("u", required=True))
CELLS = st.one_of(
    st.integers(-20, 20).map(str),
    st.text(string.ascii_letters + "äé ", max_size=4),
    st.sampled_from(
        ['"a,b"', '"x\ny"', '"x\r\ny"', '"say ""hi"""', '""', "", '"open', 'mid"dle', '"after"x', "\0", "\r"]
    ),
)
RECORDS = st.lists(CELLS, min_size=2, max_size=4).map(",".join)
FILES = st.lists(
    st.one_of(RECORDS.map(str.encode), st.sampled_from([b"", b"\xff,a,b", b"1,a,b", b"1,a,b", b"1,a,b"])), max_size=12
)


def judge(record: Record) -> tuple[int | None, str | None, str | None] | None:
    """What the reference says of a record of MESSY: its row, or None where it is quarantined."""
    if record.defects or len(record.cells) != 3:
        return None
    number, text, required = (None if cell == "" and not quoted else cell for cell, quoted in record.cells)
    if required is None or (number is not None and not re.fullmatch("-?(0|[1-9][0-9]*)", number)):
        return None
    return None if number is None else int(number), text, required


@settings(max_examples=70, deadline=None, suppress_health_check=SLOW)
@given(records=FILES, ending=st.sampled_from([b"\n", b"\r\n", b"\r"]), block=st.integers(1, 40), final=st.booleans())
@example(records=[b'1,"a', b"2,b,c", b'3,"d",e'], ending=b"\n", block=3, final=True)
@example(records=[b"\x00,\x00"], ending=b"\n", block=1, final=False)
def test_every_record_of_a_messy_file_is_where_the_reference_reader_puts_it(
    tmp_path: Path, records: list[bytes], ending: bytes, block: int, final: bool
) -> None:
    data = ending.join([b"n,t,u", *records]) + (ending if final else b"")
    result = run(MESSY, tmp_path, data, block=block)
    expected = read_csv(data)[1:]
    assert result.file.records == len(expected)
    judged = [(number, record, judge(record)) for number, record in enumerate(expected)]
    unreadable = sum("not_utf8" in record.defects for record in expected)
    bad = [
        (number, record.line, record.offset, record.length, record.raw) for number, record, row in judged if row is None
    ]
    got = [(row["record"], row["line"], row["byte_offset"], row["byte_length"], row["raw"]) for row in result.records]
    assert got == bad
    if unreadable * 2 > len(expected):
        assert result.code == "wrong_encoding"
        return
    rows = [(row["_landfall_record"], (row["n"], row["t"], row["u"])) for row in result.good]
    assert rows == [(number, row) for number, _, row in judged if row is not None]


@settings(max_examples=35, deadline=None, suppress_health_check=SLOW)
@given(data=st.binary(max_size=80), kind=st.sampled_from(["csv", "ndjson", "json"]), block=st.integers(1, 20))
def test_any_bytes_are_accounted_for(tmp_path: Path, data: bytes, kind: str, block: int) -> None:
    spec = dataset(column("a"), format={"type": kind, "unexpected_columns": "ignore"})
    prefix = {"csv": b"a\n", "ndjson": b'{"a": 1}\n', "json": b'[{"a": 1},'}[kind]
    for whole in (data, prefix + data):
        result = run(spec, tmp_path, whole, block=block)
        account = result.file
        assert account.records == account.loaded + account.quarantined + account.filtered + account.duplicates
        assert len(result.good) == account.loaded
        assert len(result.records) == account.failed


def test_the_answer_does_not_depend_on_the_block(tmp_path: Path) -> None:
    records = [f'{n},"text {n}, quoted\n""twice""",x' if n % 3 else f"{n},é{n}" + ",x" * (n % 2) for n in range(200)]
    data = lines("n,t,u", *records)
    whole = run(MESSY, tmp_path, data)
    for block in (1, 5, 1000):
        assert run(MESSY, tmp_path, data, block=block) == whole


def test_columns_have_the_types_of_the_contract(tmp_path: Path) -> None:
    spec = dataset(
        column("s"), column("i", "integer"), column("f", "number"), column("b", "boolean"), column("d", "date"),
        column("dec", "number", physicalType="NUMERIC(12,3)"), column("big", "number", physicalType="BIGNUMERIC(43,5)"),
        column("ts", "timestamp"), column("dt", "timestamp", physicalType="DATETIME"), column("t", "time"),
        column("o", "object"), column("a", "array", items={"logicalType": "integer"}),
    )  # fmt: skip
    header = "s,i,f,b,d,dec,big,ts,dt,t,o,a"
    row = "x,1,1.5,true,2024-01-01,1.5,1.5,2024-01-01T00:00:00Z,2024-01-01T00:00:00,10:00:00,{},[1]"
    run(spec, tmp_path, lines(header, row, "," * 11))
    schema = pq.read_schema(tmp_path / "good-00000.parquet")
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "s": pa.string(), "i": pa.int64(), "f": pa.float64(), "b": pa.bool_(), "d": pa.date32(),
        "dec": pa.decimal128(12, 3), "big": pa.decimal256(43, 5), "ts": pa.timestamp("us", "UTC"),
        "dt": pa.timestamp("us"), "t": pa.time64("us"), "o": pa.string(),
        "a": pa.list_(schema.field("a").type.value_field),
        "_landfall_file_id": pa.string(), "_landfall_record": pa.int64(),
    }  # fmt: skip
    assert schema.field("a").type.value_type == pa.int64()


def test_the_files_of_a_batch_keep_their_own_ordinals_and_accounts(tmp_path: Path) -> None:
    files = [lines("n,t,u", *(f"{n},t,u" for n in range(size))) for size in (3, 0, 2, 5)]
    result = run(MESSY, tmp_path, *files)
    assert [account.loaded for account in result.manifest.files] == [3, 0, 2, 5]
    assert [(row["_landfall_file_id"], row["_landfall_record"]) for row in result.good][3:5] == [
        ("file-2", 0), ("file-2", 1)
    ]  # fmt: skip


def test_no_rows_make_no_parts(tmp_path: Path) -> None:
    result = run(MESSY, tmp_path, lines("n,t,u"))
    assert (result.manifest.good, result.manifest.quarantine) == ((), ())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json"]
    assert run(MESSY, tmp_path).manifest.records == 0


def test_a_second_run_into_a_folder_replaces_the_first(tmp_path: Path) -> None:
    first = run(MESSY, tmp_path, lines("n,t,u", "1,a,b", "x"))
    parts = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    run(MESSY, tmp_path, lines("n,t,u"))
    again = run(MESSY, tmp_path, lines("n,t,u", "1,a,b", "x"))
    assert again == first
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == parts


def test_long_batches_are_written_in_several_parts(tmp_path: Path) -> None:
    limits = Limits(block=1 << 20, part=1, threads=1)
    data = lines("n,t,u", *(f"{n},t,u" for n in range(250_000)))
    result = run(MESSY, tmp_path, data, limits=limits)
    assert result.manifest.good == ("good-00000.parquet", "good-00001.parquet")
    assert result.values("n") == list(range(250_000))


def test_progress_is_told_after_every_block(tmp_path: Path) -> None:
    told: list[Progress] = []
    data = lines("n,t,u", *(f"{n},t,u" for n in range(1000)))
    inputs = [Input("f", "gs://a/b", lambda: __import__("io").BytesIO(data), len(data))]
    transform(MESSY, inputs, tmp_path, progress=told.append, limits=Limits(block=1000, threads=1))
    assert [step.records for step in told] == sorted(step.records for step in told)
    assert (told[-1].records, told[-1].bytes_read, told[-1].bytes_total) == (1000, len(data), len(data))


@pytest.mark.parametrize("name", ["records", "loaded", "quarantined", "filtered", "duplicates"])
def test_counts_that_do_not_add_up_are_refused(tmp_path: Path, name: str) -> None:
    from dataclasses import replace

    manifest = run(MESSY, tmp_path, lines("n,t,u", "1,a,b", "x")).manifest
    assert_balanced(manifest, written=1)
    account = replace(manifest.files[0], **{name: getattr(manifest.files[0], name) + 1})
    for wrong in (replace(manifest, files=(account,)), replace(manifest, **{name: getattr(manifest, name) + 1})):
        with pytest.raises(AccountingError):
            assert_balanced(wrong, written=1)


def test_rows_that_are_written_but_not_counted_are_refused(tmp_path: Path) -> None:
    manifest = run(MESSY, tmp_path, lines("n,t,u", "1,a,b")).manifest
    with pytest.raises(AccountingError, match="2 rows were written, 1 are counted"):
        assert_balanced(manifest, written=2)


def test_a_manifest_survives_json(tmp_path: Path) -> None:
    manifest = run(MESSY, tmp_path, lines("n,t,u", "1,a,b", "x"), b"").manifest
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_record_over_the_limit_is_quarantined_unread(tmp_path: Path) -> None:
    spec = dataset(column("n", "integer"), column("t"), format={"type": "csv", "max_record": "100B"})
    data = lines("n,t", "1,a", "2," + "x" * 500, "3,c", '4,"' + "y\n" * 100 + '"', "5,e")
    result = run(spec, tmp_path, data, block=64)
    assert result.values("n") == [1, 3, 5]
    first = result.records[0]
    assert (first["record"], first["line"], first["byte_length"], first["raw"]) == (1, 3, 502, None)
    assert first["text"] == "[not read: 502 bytes]"
    assert first["reasons"][0]["rule"] == "record_too_long"
    assert result.records[1]["raw"] == b'4,"y'


def test_raw_bytes_above_64_kb_are_left_to_offset_and_length(tmp_path: Path) -> None:
    long = "x" * 70_000
    result = run(MESSY, tmp_path, lines("n,t,u", f"q,{long},u", f"q,{'y' * 1000},u"))
    assert [row["raw"] is None for row in result.records] == [True, False]
    assert [len(row["text"]) for row in result.records] == [1000, 1000]
    assert SECRETS.mask_key
    assert Secrets().mask_key_id is None

"""A file that is wrong as a whole is held with a reason; it never stops the others."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest

from include.engine.run import Limits
from tests.engine.builder import column, dataset, lines, run


def packed(data: bytes) -> bytes:
    """Gzip without the time of day: test workers must agree on the names of their tests."""
    return gzip.compress(data, mtime=0)


TWO = dataset(column("a"), column("b", "integer"))
GOOD = lines("a,b", "x,1", "y,2")
NDJSON = dataset(column("a"), column("b", "integer"), format={"type": "ndjson"})
JSON = dataset(column("a"), column("b", "integer"), format={"type": "json"})


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"", "empty_file", "no bytes"),
        (b"\n\n", "empty_file", "no header"),
        (packed(b""), "empty_file", "no bytes"),
        (b"a\nx\n", "missing_column", '"b"'),
        (b"a,c\nx,1\n", "missing_column", 'has: "a", "c"'),
        (b"a,b,b\nx,1,2\n", "duplicate_column", "b"),
        (b"a,b,c\nx,1,2\n", "unexpected_column", '"c"'),
        (b'a,"b\nx,1\n', "malformed_header", "quotes"),
        (b"PAR1\x00\x00\x15\x04", "wrong_format", "Parquet"),
        (b"PK\x03\x04\x14\x00\x06\x00", "truncated_zip", "cut off"),
        (b"<!DOCTYPE html><html>", "wrong_format", "HTML"),
        (b'{"a": "x", "b": 1}\n', "wrong_format", "JSON"),
        (b'[{"a": "x", "b": 1}]\n', "wrong_format", "JSON"),
        (bytes(range(32)) * 8, "wrong_format", "binary"),
        (packed(packed(GOOD)), "wrong_format", "gzip"),
        ("a,b\nx,1\n".encode("utf-16"), "wrong_encoding", "UTF-16"),
        ("a,b\nx,1\n".encode("utf-16-le"), "wrong_encoding", "UTF-16"),
        ("a,b\nä,1\nö,2\nx,3\n".encode("latin-1"), "wrong_encoding", "2 of 3"),
        (packed(GOOD * 999)[:-20], "truncated_gzip", "cut off"),
        (b"\x1f\x8b", "truncated_gzip", "cut off"),
        (packed(GOOD)[:-8] + b"12345678", "corrupt_gzip", "corrupt"),
        (packed(GOOD) + b"garbage", "corrupt_gzip", "follow"),
    ],
)
def test_a_bad_file_is_held_and_the_good_one_beside_it_loaded(
    tmp_path: Path, data: bytes, code: str, says: str
) -> None:
    result = run(TWO, tmp_path, data, GOOD)
    assert (result.code, result.file.state) == (code, "held")
    assert result.file.reason is not None
    assert says in result.file.reason.message
    assert result.manifest.files[1].loaded == 2
    assert [row["file_id"] for row in result.quarantine if row["record"] == -1] == ["file-0"]


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"a,b\n", 0),
        (b"a,b", 0),
        (b"\xef\xbb\xbfa,b\nx,1", 1),
        (b"b,a\n1,x\n\n\n2,y\r\n", 2),
        (b"\n\na,b\rx,1\r", 1),
        (packed(b"a,b\nx,") + packed(b"1\n") + b"\0" * 512, 1),
    ],
)
def test_a_file_that_is_only_unusual_is_accepted(tmp_path: Path, data: bytes, records: int) -> None:
    result = run(TWO, tmp_path, data)
    assert (result.file.state, result.file.loaded) == ("accepted", records)


def test_the_records_of_a_held_file_are_counted_as_quarantined(tmp_path: Path) -> None:
    result = run(TWO, tmp_path, lines("a,c", "x,1", "y,2", '"z'))
    assert (result.file.records, result.file.quarantined, result.file.failed) == (3, 3, 1)


def test_a_truncated_gzip_loads_nothing_of_what_could_be_read(tmp_path: Path) -> None:
    rows = lines("a,b", *(f"{zlib.crc32(str(n).encode())},{n}" for n in range(5000)))
    result = run(TWO, tmp_path, packed(rows)[:-1000], block=1000)
    assert result.code == "truncated_gzip"
    assert result.file.records == result.file.quarantined > 1000
    assert result.good == []


def test_gzip_said_or_denied_by_the_pipeline_is_checked(tmp_path: Path) -> None:
    for said, data in (("gzip", GOOD), ("none", packed(GOOD))):
        spec = dataset(column("a"), column("b", "integer"), format={"type": "csv", "compression": said})
        assert run(spec, tmp_path, data).code == "wrong_format"


def test_a_gzip_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    bomb = packed(b"a,b\n" + b"x,1\n" * 1_000_000)
    result = run(TWO, tmp_path, bomb, limits=Limits(block=1 << 16, inflated=100_000))
    assert result.code == "too_large"
    assert result.file.bytes < 1_000_000


def test_unknown_columns_are_noted_where_they_are_ignored(tmp_path: Path) -> None:
    spec = dataset(column("a"), format={"type": "csv", "unexpected_columns": "ignore"})
    result = run(spec, tmp_path, lines("z,a", "1,x"))
    assert result.values("a") == ["x"]
    assert result.file.notes == ("ignored columns: z",)


def test_renamed_columns_are_matched_by_their_name_in_the_file(tmp_path: Path) -> None:
    spec = dataset(column("a"), column("b", "integer"), format={"type": "csv", "rename": {"The A": "a"}})
    assert run(spec, tmp_path, lines("b,The A", "1,x")).values("a") == ["x"]
    held = run(spec, tmp_path, lines("b", "1"))
    assert held.file.reason is not None
    assert '"The A" (for a)' in held.file.reason.message


def test_a_file_without_header_is_read_by_position(tmp_path: Path) -> None:
    spec = dataset(column("a"), column("b", "integer"), format={"type": "csv", "header": False})
    result = run(spec, tmp_path, lines("x,1", "y,2", "z"))
    assert result.values("a") == ["x", "y"]
    assert result.rules == [["too_few_fields:"]]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"a,b\nx,1\n", "wrong_format"),
        (b'[{"a": "x"}]', "wrong_format"),
        (b'[\n{"a": "x"},\n{"a": "y"}\n]', "wrong_format"),
        (b"<?xml version='1.0'?><a/>", "wrong_format"),
        (b"", "empty_file"),
        (b'{"a": "x", "zzz": 1}\n', "unexpected_column"),
    ],
)
def test_what_is_no_ndjson_is_held(tmp_path: Path, data: bytes, code: str) -> None:
    assert run(NDJSON, tmp_path, data).code == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a": "x"}\n{"a": "y"}\n', "wrong_format"),
        (b'[{"a": "x"}', "broken_array"),
        (b'[{"a": "x"}} , {"a": "y"}]', "broken_array"),
        (b"[]", ""),
        (b" [ ] \n", ""),
        (b"", "empty_file"),
    ],
)
def test_what_is_no_json_array_is_held(tmp_path: Path, data: bytes, code: str) -> None:
    assert run(JSON, tmp_path, data).code == code


def test_a_file_over_its_tolerance_is_held_with_the_numbers(tmp_path: Path) -> None:
    spec = dataset(column("a"), column("b", "integer"), tolerate={"quarantined": "25%"})
    assert run(spec, tmp_path, lines("a,b", "x,1", "x,2", "x,3", "x,?")).file.state == "accepted"
    held = run(spec, tmp_path, lines("a,b", "x,1", "x,2", "x,?"), GOOD)
    assert held.code == "over_tolerance"
    assert held.file.reason is not None
    assert "1 of 3 records failed (33.3%)" in held.file.reason.message
    assert (held.file.quarantined, held.file.failed, held.manifest.loaded) == (3, 1, 2)


def test_a_released_file_is_not_held_for_its_tolerance_and_for_nothing_else(tmp_path: Path) -> None:
    spec = dataset(column("a"), column("b", "integer"), tolerate={"quarantined": "25%"})
    freed = run(spec, tmp_path, lines("a,b", "x,1", "x,?"), released=True)
    assert (freed.file.state, freed.file.loaded, freed.file.quarantined) == ("accepted", 1, 1)
    assert run(spec, tmp_path, lines("nonsense", "x"), released=True).code == "missing_column"


def test_an_input_that_cannot_be_read_raises_its_own_error(tmp_path: Path) -> None:
    from include.engine.run import Input, transform

    missing = Input("f", "gs://landing/missing", lambda: (tmp_path / "missing").open("rb"))
    with pytest.raises(FileNotFoundError):
        transform(TWO, [missing], tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()

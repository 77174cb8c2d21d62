"""Hostile files: each is a quarantined record or a held file with a clear reason, in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.builder import column, dataset, lines, run

ROOT = Path(__file__).resolve().parents[2]
TWO = (column("a"), column("b", "integer"))
CSV = dataset(*TWO)
NDJSON = dataset(*TWO, format={"type": "ndjson"})
DEEP = "[" * 10_000 + "]" * 10_000
DEEPER = '{"a":' * 10_000 + "1" + "}" * 10_000
Found = dict[str, Any]


def measured(case: str, out: Path) -> Found:
    """Run a case of hostile.py in a process of its own."""
    command = [sys.executable, "-m", "tests.engine.hostile", case, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=240)
    found: Found = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What 8 MB of good rows take: the measure for the others."""
    return measured("ordinary", tmp_path_factory.mktemp("ordinary"))


@pytest.mark.slow
def test_a_gzip_bomb_of_10_gb_stops_at_the_pipelines_limit(tmp_path: Path, ordinary: Found) -> None:
    found = measured("gzip bomb", tmp_path)
    assert (found["code"], found["loaded"]) == ("too_large", 0)
    assert found["bytes"] < 80_000_000
    assert found["megabytes"] < 3 * ordinary["megabytes"]
    assert found["seconds"] < 10 * ordinary["seconds"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        "csv record",
        "csv quoted record",
        "csv before a footer",
        "csv in utf-16",
        "ndjson record",
        "json element",
    ],
)
def test_a_record_of_1_gb_is_quarantined_unread_and_its_neighbours_loaded(
    tmp_path: Path, ordinary: Found, case: str
) -> None:
    found = measured(case, tmp_path)
    assert (found["records"], found["loaded"], found["rules"]) == (3, 2, ["record_too_long"])
    assert found["megabytes"] < ordinary["megabytes"] + 100
    assert found["seconds"] < 10 * ordinary["seconds"]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["csv comment", "csv preamble", "blank lines"])
def test_what_is_no_record_may_be_of_any_size(tmp_path: Path, ordinary: Found, case: str) -> None:
    found = measured(case, tmp_path)
    assert (found["records"], found["loaded"], found["code"]) == (2, 2, "")
    assert found["megabytes"] < ordinary["megabytes"] + 100
    assert found["seconds"] < 10 * ordinary["seconds"]


def test_100_000_columns_hold_the_file_or_are_left_out(tmp_path: Path) -> None:
    header = ",".join(["a", "b", *(f"c{number}" for number in range(100_000))])
    data = lines(header, ",".join(["x", "1", *["y"] * 100_000]))
    held = run(CSV, tmp_path, data)
    assert held.code == "unexpected_column"
    assert held.file.reason is not None
    assert len(held.file.reason.message) < 1000
    spec = dataset(*TWO, format={"type": "csv", "unexpected_columns": "ignore"})
    taken = run(spec, tmp_path, data)
    assert taken.values("a") == ["x"]
    assert taken.file.notes[0].endswith("and 99,980 others")
    assert len(taken.file.notes[0]) < 1000


def test_100_000_fields_cost_their_record(tmp_path: Path) -> None:
    record = ",".join(["y"] * 100_000)
    assert run(CSV, tmp_path, lines("a,b", record, "x,1")).rules == [["too_many_fields:"]]
    fields = json.dumps({f"k{number}": number for number in range(100_000)})
    spec = dataset(*TWO, format={"type": "ndjson", "unexpected_columns": "quarantine"})
    result = run(spec, tmp_path, lines('{"a": "x", "b": 1}', fields))
    assert (result.values("a"), result.rules) == (["x"], [["unexpected_column:"]])
    assert len(result.messages[0]) < 1000


def test_names_of_a_megabyte_make_no_message_of_a_megabyte(tmp_path: Path) -> None:
    long = "n" * 1_000_000
    for spec, data in (
        (CSV, lines(f"a,b,{long},{long}", "x,1,2,3")),
        (CSV, lines(f"a,b,{long}", "x,1,2")),
        (NDJSON, lines(f'{{"a": "x", "{long}": 1}}')),
    ):
        result = run(spec, tmp_path, data)
        assert result.file.reason is not None
        assert len(result.file.reason.message) < 1000


def test_10_000_levels_of_json_cost_their_record(tmp_path: Path) -> None:
    records = ['{"a": "x", "b": 1}', f'{{"a": {DEEP}, "b": 1}}', DEEPER, '{"a": "y", "b": 2}']
    for spec, data in (
        (NDJSON, lines(*records)),
        (dataset(*TWO, format={"type": "json"}), f"[{','.join(records)}]".encode()),
    ):
        result = run(spec, tmp_path, data)
        assert (result.values("a"), result.rules) == (["x", "y"], [["too_deep:"], ["too_deep:"]])
        assert "10,001 levels" in result.messages[0]
    assert run(NDJSON, tmp_path, lines("[" * 10_000, records[0])).rules == [["malformed:"]]


def test_10_000_levels_of_json_in_a_cell_cost_their_record(tmp_path: Path) -> None:
    spec = dataset(column("o", "object"), column("l", "array", items={"logicalType": "string"}))
    quoted = DEEPER.replace('"', '""')
    result = run(spec, tmp_path, lines("o,l", f'"{quoted}",[]', f"{{}},{DEEP}", "{},[]"))
    assert (len(result.good), result.rules) == (1, [["type:o"], ["type:l"]])
    assert all("10,000 levels" in message for message in result.messages)


def test_cells_that_a_spreadsheet_would_run_are_data(tmp_path: Path) -> None:
    cells = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "=HYPERLINK(x)"]
    result = run(dataset(column("a"), column("b")), tmp_path, lines("a,b", *(f"{cell},{cell}" for cell in cells)))
    assert (result.values("a"), result.values("b")) == (cells, cells)


def test_nul_bytes_cost_their_records(tmp_path: Path) -> None:
    good = [f"value {number},1" for number in range(500)]
    result = run(CSV, tmp_path, lines("a,b", *good, "x\0y,1", "\0", "z,2"))
    assert result.rules == [["nul_byte:"], ["nul_byte:"]]
    assert result.records[0]["raw"] == b"x\0y,1"
    result = run(NDJSON, tmp_path, lines('{"a": "x\0"}', '{"a": "\\u0000"}', '{"a": "y", "b": 1}'))
    assert (result.values("a"), result.rules) == (["y"], [["nul_byte:"], ["nul_byte:"]])


@pytest.mark.parametrize(
    ("form", "data", "records"),
    [
        ({}, b"a,b\n" + b'"' * 1_000_000, 1),
        ({}, b"a,b\n" + b'"x,1\n' * 50_000, 50_000),
        ({}, b"a,b\n" + b'x",1"\n' * 50_000, 50_000),
        ({}, b"a,b\n" + b'"x\n' * 50_001, 50_001),
        ({}, b"a,b\n" + b"," * 1_000_000, 1),
        ({}, b"a,b\n" + b"\r" * 1_000_000, 0),
        ({"escape": "\\"}, b"a,b\n" + b"\\" * 1_000_001, 1),
        ({"escape": "\\"}, b"a,b\n" + b'"\\"\n' * 50_001, 50_001),
    ],
    ids=[
        "quotes",
        "open quotes",
        "quotes in cells",
        "odd quotes",
        "delimiters",
        "returns",
        "escapes",
        "escaped quotes",
    ],
)
def test_a_storm_of_one_character_is_framed_in_linear_time(
    tmp_path: Path, form: Found, data: bytes, records: int
) -> None:
    result = run(dataset(*TWO, format={"type": "csv", **form}), tmp_path, data)
    assert (result.file.records, result.file.state) == (records, "accepted")
    assert result.good == [] or result.file.loaded + result.file.failed == records

"""Lines of fixed width: a field is where it stands, and a line of another width costs itself alone."""

from __future__ import annotations

import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.engine.frame import Frame
from include.engine.read_fixed import FixedReader
from tests.engine.builder import column, dataset, run

FIXED = {"type": "fixed", "positions": {"id": "1-4", "name": "5-10", "day": "13-22", "price": "23-30"}}
SPEC = dataset(
    column("id", "integer"), column("name"), column("day", "date"),
    column("price", "number", physicalType="NUMERIC(10,2)"), format=FIXED,
)  # fmt: skip
LINE = "   1  Ann ..2026-11-20   12.50"


def test_fields_are_cut_out_by_position_and_padding_is_no_part_of_them(tmp_path: Path) -> None:
    result = run(SPEC, tmp_path, f"{LINE}\r\n   2      ..           \u0020      \n".encode())
    assert [tuple(row.values())[:4] for row in result.good] == [
        (1, "  Ann", date(2026, 11, 20), Decimal("12.50")),
        (2, None, None, None),
    ]


def test_a_line_of_another_width_costs_itself_alone(tmp_path: Path) -> None:
    text = "\n".join([LINE, LINE[:-1], LINE + "0", LINE.replace("Ann", "Änn"), "", " "])
    result = run(SPEC, tmp_path, text.encode())
    assert result.values("name") == ["  Ann", "  Änn"]
    assert result.rules == [["wrong_width:"]] * 3
    assert [(row["record"], row["line"], row["byte_offset"]) for row in result.records] == [
        (1, 2, 31), (2, 3, 61), (4, 6, 126)
    ]  # fmt: skip
    assert "has 29 characters, the format says 30" in result.messages[0]


def test_quotes_are_nothing_but_characters(tmp_path: Path) -> None:
    spec = dataset(column("a"), column("b"), format={"type": "fixed", "positions": {"a": "1-2", "b": "3"}, "width": 4})
    assert [(row["a"], row["b"]) for row in run(spec, tmp_path, b'"x"y\n"",,\r""""').good] == [
        ('"x', '"'), ('""', ","), ('""', '"')
    ]  # fmt: skip


def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    result = run(SPEC, tmp_path, f"{LINE}\n".encode() * 3 + LINE.encode().replace(b"A", b"\xff"))
    assert result.rules == [["encoding:"]]
    assert b"\xff" in result.records[0]["raw"]


def test_masked_fields_are_not_shown(tmp_path: Path) -> None:
    spec = dataset(
        column("id", "integer"), column("mail"), column("x"), mask={"mail": "sha256"},
        format={"type": "fixed", "positions": {"id": "1-2", "mail": "4-9", "x": "10"}},
    )  # fmt: skip
    result = run(spec, tmp_path, b"?? secretX\nsecret\n")
    assert [row["text"] for row in result.records] == ["?? ***   X", "[redacted: 6 bytes]"]


@pytest.mark.parametrize("data", [b"PAR1\0\0\0\0\0\0\0\0\0", b"<?xml version='1.0'?><a/>", b"PK\x03\x04"])
def test_other_formats_are_told_by_their_content(tmp_path: Path, data: bytes) -> None:
    assert run(SPEC, tmp_path, data).file.state == "held"


def reference(data: bytes) -> list[bytes]:
    """What the lines are, found byte by byte."""
    lines, line = [], b""
    for byte in data.replace(b"\r\n", b"\n"):
        if byte in b"\r\n":
            lines.append(line)
            line = b""
        else:
            line += bytes([byte])
    return [line for line in [*lines, line] if line]


@settings(max_examples=200, deadline=None)
@given(data=st.lists(st.sampled_from([b"a", b"12", b'"', b"\r", b"\n", b" ", "ä".encode(), b"\xff"])).map(b"".join),
       block=st.integers(1, 9))  # fmt: skip
def test_lines_are_those_that_a_slow_reader_finds_whatever_the_block(data: bytes, block: int) -> None:
    with tempfile.SpooledTemporaryFile() as file:
        file.write(data)
        file.seek(0)
        frames: list[Frame] = list(FixedReader(SPEC, file.read, block=block).frames())
    found = [(frame.raw(n), int(frame.offsets[n])) for frame in frames for n in range(len(frame))]
    assert [raw for raw, _ in found] == reference(data)
    assert all(data[at : at + len(raw or b"")] == raw for raw, at in found)

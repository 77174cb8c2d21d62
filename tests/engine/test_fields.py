"""Nested JSON: fields addressed by path, and records that stand in an array inside one object."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.engine.frame_object import ObjectFramer
from tests.engine.builder import Result, column, dataset, lines, run

EARTHQUAKES = {
    "type": "json",
    "records": "features",
    "paths": {"mag": "properties.mag", "at": "geometry.coordinates", "id": "id"},
    "unexpected_columns": "ignore",
}
QUAKES = dataset(
    column("id"), column("mag", "number", physicalType="NUMERIC(4,2)"),
    column("at", "array", items={"logicalType": "number"}), format=EARTHQUAKES,
)  # fmt: skip


def feature(name: str, mag: str) -> str:
    return f'{{"id": "{name}", "properties": {{"mag": {mag}}}, "geometry": {{"coordinates": [1.5, 2]}}}}'


def test_the_records_of_an_array_in_an_object_are_read(tmp_path: Path) -> None:
    data = (
        f'{{"type": "]", "features": [{feature("a", "1.50")}, 7, {feature("b", "x")}],\n "n": {{"k": [1]}}}}'.encode()
    )
    result = run(QUAKES, tmp_path, data, block=5)
    assert result.code == ""
    assert result.rules == [["not_an_object:"], ["malformed:"]]
    assert [(row["id"], str(row["mag"]), row["at"]) for row in result.good] == [("a", "1.50", [1.5, 2.0])]
    assert result.records[0]["byte_offset"] == data.index(b"7,")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"features": []}', ""),
        (b'\xef\xbb\xbf {"features": [ ] } ', ""),
        (b'{"a": {"features": [1]}, "features": []}', ""),
        (b'[{"id": "a"}]', "wrong_format"),
        (b'{"type": "x"}', "wrong_format"),
        (b'{"features": {"a": []}}', "wrong_format"),
        (b'{"a": {"features": []}}', "wrong_format"),
        (b'{"features": [', "broken_array"),
        (b'{"features": [] ', "broken_object"),
        (b'{"features": []}}', "broken_object"),
        (b'{"features": [], "features": []}', "broken_object"),
        (b'{"a" 1, "features": []}', "broken_object"),
        (b'{"features": []} {"features": []}', "broken_object"),
    ],
)
def test_what_stands_around_the_array_is_checked(tmp_path: Path, data: bytes, code: str) -> None:
    for block in (1, 6, 1000):
        assert run(QUAKES, tmp_path, data, block=block).code == code


def test_what_stands_around_the_array_is_bounded(tmp_path: Path) -> None:
    spec = dataset(column("a"), format={"type": "json", "records": "r", "max_record": "1KB"})
    long = b'"' + b"x" * 2000 + b'"'
    assert run(spec, tmp_path, b'{"k": ' + long + b', "r": []}', block=100).code == "wrong_format"
    assert run(spec, tmp_path, b'{"r": [], "k": ' + long + b"}", block=100).code == "broken_object"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('x"\\[]{},: ä'), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["r", "a", '"r"']), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    before=JSON,
    rows=st.lists(JSON, max_size=4),
    after=JSON,
    block=st.integers(1, 30),
    indent=st.sampled_from([None, 1]),
)
def test_records_are_those_of_a_slow_reader_whatever_the_block(
    before: Any, rows: list[Any], after: Any, block: int, indent: int | None
) -> None:
    data = json.dumps({"x": before, "o": {"q": after, "r": rows, "s": before}, "y": after}, indent=indent).encode()
    framer = ObjectFramer(io.BytesIO(data).read, block=block, limit=10_000, path=("o", "r"))
    found = [frame.raw(n) for frame in framer.frames() for n in range(len(frame))]
    assert framer.damage is None
    assert [json.loads(raw or b"") for raw in found] == rows


def nested(out: Path, *records: str, **form: Any) -> Result:
    spec = dataset(
        column("a", "integer"), column("s", "array", items={"logicalType": "string"}), column("o", "object"),
        format={"type": "ndjson", "paths": {"a": "x.y.a", "s": "l.s", "o": r"x.k\.z"}, **form},
    )  # fmt: skip
    return run(spec, out, lines(*records))


def test_fields_are_found_by_path_and_nothing_there_is_null(tmp_path: Path) -> None:
    result = nested(
        tmp_path,
        '{"x": {"y": {"a": 1}, "k.z": {"n": 1.10}}, "l": [{"s": "p"}, {"s": ["q", 2]}]}',
        '{"x": {"y": null}, "l": []}',
        "{}",
    )
    assert [(row["a"], row["s"], row["o"]) for row in result.good] == [
        (1, ["p", "q", "2"], '{"n": 1.10}'), (None, [], None), (None, None, None)
    ]  # fmt: skip


def test_a_path_through_what_has_no_fields_fails_its_record(tmp_path: Path) -> None:
    result = nested(tmp_path, '{"x": 5}', '{"x": {"y": [{"a": 1}]}}', '{"l": [1]}', '{"l": [{}]}')
    assert result.rules == [["type:a", "type:o"], ["type:a"], ["type:s"], ["type:s"]]
    assert "leads through a single value" in result.messages[0]


def test_other_fields_of_the_record_are_unknown(tmp_path: Path) -> None:
    assert nested(tmp_path, '{"a": 1}').code == "unexpected_column"
    assert nested(tmp_path, '{"a": 1}', unexpected_columns="ignore").file.notes == ("ignored fields: a",)
    assert nested(tmp_path, '{"z": 1}', unexpected_columns="quarantine").rules == [["unexpected_column:"]]


def test_masked_fields_found_by_path_are_not_shown(tmp_path: Path) -> None:
    spec = dataset(
        column("mail"), column("n", "integer"), mask={"mail": "sha256"},
        format={"type": "ndjson", "paths": {"mail": "who.mail"}},
    )  # fmt: skip
    result = run(spec, tmp_path, lines('{"who": {"mail": "secret"}, "n": "?"}'))
    assert result.records[0]["text"] == '{"who": ***, "n": "?"}'.replace("***", '"***"')

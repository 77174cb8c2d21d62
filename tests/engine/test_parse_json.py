"""NDJSON and JSON arrays: exact text, JSON's types against the contract's, what is malformed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.engine.builder import column, dataset, lines, run

ND = {"type": "ndjson", "unexpected_columns": "ignore"}


def test_numbers_keep_their_exact_text(tmp_path: Path) -> None:
    spec = dataset(
        column("d", "number", physicalType="NUMERIC(38,9)"), column("s"), column("o", "object"),
        column("a", "array", items={"logicalType": "string"}), format=ND,
    )  # fmt: skip
    record = '{"d": 12345678901234567890.152900001, "s": 1.50, "o": {"x": 1e400, "y": [0.10]}, "a": [1.0, "b", true]}'
    result = run(spec, tmp_path, lines(record))
    row = result.good[0]
    assert row["d"] == Decimal("12345678901234567890.152900001")
    assert (row["s"], row["o"], row["a"]) == ("1.50", '{"x": 1e400, "y": [0.10]}', ["1.0", "b", "true"])


def test_json_values_are_taken_by_their_text(tmp_path: Path) -> None:
    spec = dataset(column("i", "integer"), column("b", "boolean"), column("s"), format=ND)
    result = run(
        spec,
        tmp_path,
        lines(
            '{"i": "5", "b": "true", "s": false}',
            '{"i": null, "s": "null"}',
            '{"i": 5.0}',
            '{"i": true}',
            '{"s": {"a": 1}}',
            '{"b": [true]}',
            '{"i": 1e3}',
        ),
    )
    assert [(row["i"], row["b"], row["s"]) for row in result.good] == [(5, True, "false"), (None, None, "null")]
    assert result.rules == [["type:i"], ["type:i"], ["type:s"], ["type:b"], ["type:i"]]


def test_clean_rules_see_the_json_text_of_objects(tmp_path: Path) -> None:
    spec = dataset(column("city"), format={**ND, "rename": {"address": "city"}}, clean={"city": "UPPER(city)"})
    result = run(spec, tmp_path, lines('{"address": {"city": "Bonn"}}', '{"address": "köln"}'))
    assert result.values("city") == ['{"CITY": "BONN"}', "KÖLN"]


def test_object_and_array_columns_take_nothing_else(tmp_path: Path) -> None:
    spec = dataset(column("o", "object"), column("a", "array", items={"logicalType": "integer"}), format=ND)
    result = run(
        spec,
        tmp_path,
        lines('{"o": "x"}', '{"o": []}', '{"o": "{}"}', '{"a": {}}', '{"a": [1, null]}', '{"o": {}, "a": []}', "{}"),
    )
    assert [(row["o"], row["a"]) for row in result.good] == [("{}", []), (None, None)]
    assert len(result.records) == 5


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        ('{"a": 1', "malformed"),
        ('{"a": 1,}', "malformed"),
        ('{"a": NaN}', "malformed"),
        ('{"a": -Infinity}', "malformed"),
        ('{"a": 01}', "malformed"),
        ("{'a': 1}", "malformed"),
        ('{"a": 1} {"a": 2}', "malformed"),
        ('{"a": "\\x"}', "malformed"),
        ('{"a": "tab\tinside"}', "malformed"),
        ("[" * 100_000, "malformed"),
        ('{"a": ' * 200 + "1" + "}" * 200, "too_deep"),
        ('{"a": 1, "a": 2}', "duplicate_key"),
        ('{"a": {"b": 1, "b": 1}}', "duplicate_key"),
        ('["a"]', "not_an_object"),
        ("1", "not_an_object"),
        ('{"a": "\\u0000"}', "nul_byte"),
        ('{"a": "\\ud800"}', "encoding"),
    ],
)
def test_a_bad_record_costs_itself_alone(tmp_path: Path, record: str, rule: str) -> None:
    spec = dataset(column("a"), format=ND)
    result = run(spec, tmp_path, lines('{"a": "first"}', record, '{"a": "last"}'))
    assert result.values("a") == ["first", "last"]
    assert result.rules == [[f"{rule}:"]]


def test_an_escaped_surrogate_pair_is_a_character(tmp_path: Path) -> None:
    spec = dataset(column("a"), format=ND)
    assert run(spec, tmp_path, lines('{"a": "\\ud83d\\ude00"}')).values("a") == ["😀"]


def test_unknown_fields_are_quarantined_with_every_other_reason(tmp_path: Path) -> None:
    spec = dataset(column("a", "integer"), format={"type": "ndjson", "unexpected_columns": "quarantine"})
    result = run(spec, tmp_path, lines('{"a": 1}', '{"a": 2, "b": 1}', '{"a": "x", "c": 1}'))
    assert result.values("a") == [1]
    assert result.rules == [["unexpected_column:"], ["unexpected_column:", "type:a"]]
    assert '"b"' in result.messages[0]


def test_two_fields_renamed_to_one_column_are_a_defect(tmp_path: Path) -> None:
    spec = dataset(column("a"), format={**ND, "rename": {"A": "a"}})
    result = run(spec, tmp_path, lines('{"A": 1}', '{"a": 2}', '{"A": 1, "a": 2}'))
    assert result.values("a") == ["1", "2"]
    assert result.rules == [["duplicate_key:"]]


def test_an_array_of_objects_is_read_like_lines(tmp_path: Path) -> None:
    spec = dataset(column("a", "integer"), column("b"), format={"type": "json"})
    data = b'[\n {"a": 1, "b": "x,]"},\n {"a": "?"},\n 7,\n {"a": 4}\n]\n'
    result = run(spec, tmp_path, data, block=5)
    assert result.values("a") == [1, 4]
    assert [(row["record"], row["line"], row["byte_offset"], row["raw"]) for row in result.records] == [
        (1, 3, data.index(b'{"a": "?"}'), b'{"a": "?"}'), (2, 4, data.index(b"7"), b"7")
    ]  # fmt: skip
    assert result.rules == [["type:a"], ["not_an_object:"]]

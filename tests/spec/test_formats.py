"""Options of `format` that belong to another type are refused, and so is a type without what it needs."""

from __future__ import annotations

from typing import Any

import pytest

from include.spec.errors import SpecError
from include.spec.places import parse_path, parse_positions
from tests.engine.builder import column, dataset

FIXED = {"type": "fixed", "positions": {"a": "1-3", "b": "4"}}


def problems(**form: Any) -> list[tuple[str, str]]:
    try:
        dataset(column("a"), column("b", "integer"), format=form)
    except SpecError as error:
        return [(problem.key, problem.message) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "form",
    [
        FIXED,
        {**FIXED, "width": 10, "null_values": ["-"]},
        {"type": "xml", "records": "order"},
        {"type": "xml", "records": "orders.order", "paths": {"a": "@id", "b": "x.y"}, "null_values": []},
        {"type": "json", "records": "data.rows"},
        {"type": "ndjson", "paths": {"a": "x"}, "rename": {"B": "b"}},
        {"type": "parquet", "paths": {"a": "x.y"}, "compression": "zip"},
        {"type": "avro", "unexpected_columns": "ignore"},
    ],
)
def test_what_belongs_to_a_type_is_taken(form: dict[str, Any]) -> None:
    assert problems(**form) == []


@pytest.mark.parametrize(
    ("form", "key", "says"),
    [
        ({"type": "ndjson", "delimiter": ";"}, "format.delimiter", "does not apply to type ndjson"),
        ({"type": "parquet", "header": False}, "format.header", "does not apply to type parquet"),
        ({"type": "avro", "max_record": "1MB"}, "format.max_record", "does not apply"),
        ({"type": "csv", "paths": {"a": "x"}}, "format.paths", "does not apply to type csv"),
        ({"type": "ndjson", "records": "rows"}, "format.records", "does not apply to type ndjson"),
        ({"type": "csv", "positions": {"a": "1"}}, "format.positions", "does not apply"),
        ({**FIXED, "rename": {"A": "a"}}, "format.rename", "does not apply to type fixed"),
        ({"type": "xml"}, "format", "which XML element"),
        ({"type": "fixed"}, "format.positions", "lacks the source column a"),
        ({**FIXED, "positions": {"a": "1-3"}}, "format.positions", "lacks the source column b"),
        ({**FIXED, "positions": {"a": "1-3", "b": "3"}}, "format.positions.b", "overlaps the positions of a"),
        ({**FIXED, "positions": {"a": "1-3", "b": "4", "c": "5"}}, "format.positions.c", "no source column"),
        ({**FIXED, "width": 3}, "format.positions.b", "ends after the line's width"),
        ({**FIXED, "positions": {"a": "0-3", "b": "4"}}, "format.positions.a", "counted from 1"),
        ({**FIXED, "positions": {"a": "3-1", "b": "4"}}, "format.positions.a", "before the first"),
        ({"type": "json", "paths": {"z": "x"}}, "format.paths.z", "no source column"),
        ({"type": "json", "paths": {"a": "x..y"}}, "format.paths.a", "one dot between two"),
        ({"type": "json", "paths": {"a": "x", "b": "x"}}, "format.paths.a", "more than one column"),
        ({"type": "json", "paths": {"a": "x"}, "rename": {"y": "a"}}, "format.paths.a", "format.rename"),
        ({"type": "parquet", "encoding": "utf-16"}, "format.encoding", "UTF-8 by definition"),
        ({"type": "avro", "encoding": "latin-1"}, "format.encoding", "UTF-8 by definition"),
        ({"type": "xml", "records": "r", "encoding": "utf-16"}, "format.encoding", "XML declaration says"),
    ],
)
def test_what_does_not_is_refused_with_its_key(form: dict[str, Any], key: str, says: str) -> None:
    found = problems(**form)
    assert key in [where for where, _ in found]
    assert any(says in message for _, message in found)


@pytest.mark.parametrize(
    ("text", "names"),
    [("a", ("a",)), ("a.b.@c", ("a", "b", "@c")), (r"a\.b.c\\", ("a.b", "c\\")), ("#text", ("#text",))],
)
def test_a_path_is_names_with_dots_between(text: str, names: tuple[str, ...]) -> None:
    assert parse_path(text) == names


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a\\", "a\\b", ".".join("a" * 51)])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_path(text)


def test_positions_become_a_slice() -> None:
    assert (parse_positions("1-3"), parse_positions("4")) == ((0, 3), (3, 4))

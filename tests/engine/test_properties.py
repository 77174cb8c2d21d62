"""What a contract says of the fields inside an object holds as it does for columns, in every format with objects."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.engine.errors import TerminalRuleError
from include.spec.dataset import Dataset
from include.spec.errors import SpecError
from tests.engine.builder import Result, column, dataset, lines, run

ADDRESS = column(
    "address",
    "object",
    properties=[
        column("zip", required=True, options={"pattern": "^[0-9]{5}$"}),
        column("floor", "integer", options={"minimum": 0}),
        column("since", "date"),
        column("kind", valid=["home", "work"]),
        column("geo", "object", properties=[column("lat", "number", required=True)]),
        column("tags", "array", items={"logicalType": "integer"}, options={"maxItems": 2}),
    ],
)
LINES = column(
    "lines",
    "array",
    items={
        "logicalType": "object",
        "properties": [
            column("sku", required=True),
            column("price", "number", physicalType="NUMERIC(6, 2)"),
            column("parts", "array", items={"logicalType": "object", "properties": [column("n", "integer")]}),
        ],
    },
)


def one(out: Path, prop: dict[str, Any], *values: Any, **rest: Any) -> Result:
    spec = dataset(column("id", "integer"), prop, format={"type": "ndjson"}, **rest)
    records = [json.dumps({"id": number, prop["name"]: value}) for number, value in enumerate(values)]
    return run(spec, out, lines(*records))


@pytest.mark.parametrize(
    ("value", "fails"),
    [
        ({"zip": "53111"}, []),
        (None, []),
        ({"zip": "53111", "floor": 1, "since": "2026-01-31", "kind": "home", "geo": {"lat": 50.7}, "tags": [1, 2]}, []),
        ({"zip": "53111", "floor": None, "geo": None, "unknown": {"a": []}}, []),
        ({"zip": 53111, "floor": "2"}, []),  # as in a column: a string counts by its characters, a number by its digits
        ({}, ["required:address.zip"]),
        ({"zip": None}, ["required:address.zip"]),
        ({"zip": "5311"}, ["pattern:address.zip"]),
        ({"zip": ["53111"]}, ["type:address.zip"]),
        ({"zip": "53111", "floor": "high"}, ["type:address.floor"]),
        ({"zip": "53111", "floor": 1.5}, ["type:address.floor"]),
        ({"zip": "53111", "floor": -1}, ["minimum:address.floor"]),
        ({"zip": "53111", "since": "2026-02-30"}, ["type:address.since"]),
        ({"zip": "53111", "kind": "den"}, ["valid_values:address.kind"]),
        ({"zip": "53111", "geo": {}}, ["required:address.geo.lat"]),
        ({"zip": "53111", "geo": {"lat": "1e400"}}, ["type:address.geo.lat"]),
        ({"zip": "53111", "geo": "50.7"}, ["type:address.geo"]),
        ({"zip": "53111", "geo": "{}"}, ["type:address.geo"]),
        ({"zip": "53111", "tags": ["x"]}, ["type:address.tags"]),
        ({"zip": "53111", "tags": [1, 2, 3]}, ["max_items:address.tags"]),
        ({"floor": "x", "geo": {"lat": "y"}}, ["required:address.zip", "type:address.floor", "type:address.geo.lat"]),
        ("text", ["type:address"]),
    ],
)
def test_the_fields_of_an_object_satisfy_the_contract(tmp_path: Path, value: Any, fails: list[str]) -> None:
    result = one(tmp_path, ADDRESS, {"zip": "00000"}, value, {"zip": "99999"})
    assert [row["id"] for row in result.good] == ([0, 2] if fails else [0, 1, 2])
    assert result.rules == ([fails] if fails else [])


@pytest.mark.parametrize(
    ("value", "fails"),
    [
        ([{"sku": "a", "price": 1.5}, {"sku": "b"}], []),
        ([], []),
        (None, []),
        ([{"sku": "a"}, {"price": 1}, {}], ["required:lines.sku"]),
        ([{"sku": "a", "price": 1.555}, {"price": 1}], ["required:lines.sku", "type:lines.price"]),
        ([{"sku": "a", "parts": [{"n": 1}, {"n": "x"}]}], ["type:lines.parts.n"]),
        ([{"sku": "a", "parts": [1]}], ["type:lines.parts"]),
        ([{"sku": "a"}, 5], ["type:lines"]),
    ],
)
def test_the_fields_of_each_object_in_an_array_satisfy_the_contract(
    tmp_path: Path, value: Any, fails: list[str]
) -> None:
    result = one(tmp_path, LINES, value)
    assert result.rules == ([fails] if fails else [])


def test_a_message_says_what_is_wrong_with_which_value(tmp_path: Path) -> None:
    result = one(tmp_path, ADDRESS, {"zip": "53111", "floor": "high"}, {"floor": {}})
    assert result.messages == [
        '"high" is no integer',
        "holds an object where the contract has one integer value",
        "is missing, and the contract requires it",
    ]


def test_what_is_stored_is_the_object_as_it_came(tmp_path: Path) -> None:
    spec = dataset(ADDRESS, format={"type": "ndjson"})
    record = '{"address": {"zip": "53111", "floor": "2", "n": 1.50}}'
    assert run(spec, tmp_path, lines(record)).values("address") == ['{"zip": "53111", "floor": "2", "n": 1.50}']


def test_objects_in_cells_of_csv_are_looked_into_once_they_are_cleaned(tmp_path: Path) -> None:
    spec = dataset(column("id", "integer"), ADDRESS, clean={"address": "REPLACE(address, \"'\", '\"')"})
    result = run(spec, tmp_path, lines("id,address", "1,{'zip': '53111'}", "2,{'zip': 'x'}", "3,{'zip'"))
    assert (result.values("id"), result.rules) == ([1], [["pattern:address.zip"], ["type:address"]])


def test_elements_inside_an_element_are_looked_into(tmp_path: Path) -> None:
    form = {"type": "xml", "records": "r", "null_values": ["-"]}
    spec = dataset(column("id", "integer"), ADDRESS, LINES, format=form)
    address = "<address><zip by='x'>53111</zip><floor>-</floor><tags>1</tags></address>"
    good = f"<r><id>1</id>{address}<lines><sku>a</sku></lines></r>"
    bad = "<r><id>2</id><address><zip/><geo><lat>north</lat></geo></address><lines><sku>-</sku></lines></r>"
    result = run(spec, tmp_path, f"<x>{good}{bad}</x>".encode())
    assert result.values("id") == [1]
    assert result.rules == [["pattern:address.zip", "type:address.geo.lat", "required:lines.sku"]]


def test_structs_of_a_parquet_file_are_looked_into(tmp_path: Path) -> None:
    spec = dataset(column("id", "integer"), ADDRESS, LINES, format={"type": "parquet"})
    table = pa.table({
        "id": [1, 2, 3],
        "address": [{"zip": "53111", "floor": 1}, {"zip": "5", "floor": -1}, None],
        "lines": [[{"sku": "a"}], [{"sku": None}], []],
    })  # fmt: skip
    file = io.BytesIO()
    pq.write_table(table, file)
    result = run(spec, tmp_path, file.getvalue())
    assert result.values("id") == [1, 3]
    assert result.rules == [["pattern:address.zip", "minimum:address.floor", "required:lines.sku"]]


def test_an_object_that_a_rule_makes_is_looked_into(tmp_path: Path) -> None:
    spec = dataset(column("a"), ADDRESS, derive={"address": "a"})
    result = run(spec, tmp_path, lines("a", '"{""zip"": ""53111""}"', "{}"))
    assert (len(result.good), result.rules) == (1, [["required:address.zip"]])


def test_failures_are_those_of_their_records_whatever_the_block(tmp_path: Path) -> None:
    values = [{"zip": "x" if n % 7 == 0 else "12345", "geo": {"lat": n}} for n in range(200)]
    spec = dataset(column("id", "integer"), ADDRESS, format={"type": "ndjson"})
    data = lines(*(json.dumps({"id": n, "address": value}) for n, value in enumerate(values)))
    for block in (100, 1 << 20):
        result = run(spec, tmp_path, data, block=block)
        assert [row["id"] for row in result.good] == [n for n in range(200) if n % 7]
        assert [row["record"] for row in result.records] == list(range(0, 200, 7))


def test_a_field_of_a_column_made_of_a_masked_one_is_not_quoted(tmp_path: Path) -> None:
    spec = dataset(column("a"), ADDRESS, derive={"address": "a"}, mask={"a": "sha256"}, format={"type": "csv"})
    result = run(spec, tmp_path, lines("a", '"{""zip"": ""secret""}"'))
    assert result.rules == [["pattern:address.zip"]]
    assert "secret" not in json.dumps(result.quarantine, default=str)


def test_a_format_that_is_not_checked_is_noted(tmp_path: Path) -> None:
    prop = column("o", "object", properties=[column("f", options={"format": "iban"})])
    assert one(tmp_path, prop, {"f": "x"}).file.notes == ("the format 'iban' of column o.f is not checked",)


@pytest.mark.parametrize(
    ("prop", "says"),
    [
        (column("a", properties=[column("b")]), "has properties, and is no object but string"),
        (column("a", "array", items={"logicalType": "string"}, properties=[column("b")]), "under its `items`"),
        (column("a", "object", properties=[{"name": "b"}]), "has no logicalType"),
        (
            column("a", "object", properties=[column("b", options={"minimum": 1})]),
            "does not apply to logicalType string",
        ),
        (column("a", "object", properties=[column("b", unique=True)]), "inside an object"),
        (column("a", "object", properties=[column("b"), column("b")]), "more than once in one object"),
        (column("a", "object", properties=[column("b", options={"pattern": "("})]), "no regular expression"),
        (
            column("a", "array", items={"logicalType": "object", "properties": [column("b", primaryKey=True)]}),
            "inside an object",
        ),
    ],
)
def test_what_cannot_be_enforced_is_refused(prop: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says.replace("`", ".")):
        dataset(prop)


def test_a_value_of_the_contract_that_is_none_of_its_type_ends_the_run(tmp_path: Path) -> None:
    prop = column("o", "object", properties=[column("n", "integer", valid=["x"])])
    spec: Dataset = dataset(prop)
    with pytest.raises(TerminalRuleError, match=r"o\.n"):
        run(spec, tmp_path, b"o\n{}\n")

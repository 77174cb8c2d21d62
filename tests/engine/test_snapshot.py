"""A table as reference: its values come out exactly as the table has them, and its name follows from its content."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.engine import snapshot
from include.engine.errors import TerminalReferenceError
from include.engine.snapshot import write_snapshot
from include.spec.dataset import Dataset
from tests.engine.builder import Result, column, dataset, lines, run

NAME = "table:crm.t"
TAKEN: dict[str, tuple[dict[str, Any], str, Any]] = {
    "text": (column("text"), "STRING", ' "quoted",\n\\N é😀 '),
    "empty": (column("empty"), "STRING", ""),
    "whole": (column("whole", "integer"), "INT64", -(2**63)),
    "money": (column("money", "number", physicalType="NUMERIC(12, 2)"), "NUMERIC(12, 2)", Decimal("1234567890.10")),
    "wide": (column("wide", "number", physicalType="BIGNUMERIC"), "BIGNUMERIC", Decimal("9" * 38 + "." + "1" * 38)),
    "real": (column("real", "number"), "FLOAT64", 0.1 + 0.2),
    "flag": (column("flag", "boolean"), "BOOL", False),
    "day": (column("day", "date", options={"format": "dd.MM.yyyy"}), "DATE", date(1, 2, 3)),
    "moment": (column("moment", "timestamp"), "TIMESTAMP", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    "local": (column("local", "timestamp", physicalType="DATETIME"), "DATETIME", datetime(2024, 2, 29, 1, 2, 3, 4)),
    "clock": (column("clock", "time"), "TIME", time(23, 59, 59, 1)),
    "tags": (column("tags", "array", items={"logicalType": "integer"}), "ARRAY<INT64>", [1, 2]),
    "more": (column("more", "object"), "JSON", {"a": [1, None, "é"], "b": {"c": 1.5}}),
    "raw": (column("raw", options={"format": "byte"}), "BYTES", b"\xff\x00"),
}


def spec(**columns: dict[str, Any]) -> Dataset:
    enrich = {"with": NAME, "on": "k", "take": list(columns)}
    return dataset(column("k"), *columns.values(), enrich=enrich)


def frozen(of: Dataset, types: dict[str, str], *rows: tuple[Any, ...]) -> bytes:
    names = ["k", *types]
    return write_snapshot("crm.t", [of.column(name) for name in names], {"k": "STRING", **types}, rows)


def enrich(of: Dataset, folder: Path, content: bytes, *keys: str) -> Result:
    folder.mkdir(exist_ok=True)
    path = folder / "snapshot"
    path.write_bytes(content)
    return run(of, folder / "out", lines("k", *keys), references={NAME: path})


def test_every_type_comes_out_as_the_table_has_it_and_so_does_null(tmp_path: Path) -> None:
    of = spec(**{name: prop for name, (prop, _, _) in TAKEN.items()})
    types = {name: type_ for name, (_, type_, _) in TAKEN.items()}
    content = frozen(of, types, ("a", *(value for _, _, value in TAKEN.values())), ("b", *[None] * len(TAKEN)))
    full, empty = enrich(of, tmp_path, content, "a", "b").good
    wanted = {name: value for name, (_, _, value) in TAKEN.items()}
    wanted |= {"more": '{"a": [1, null, "é"], "b": {"c": 1.5}}', "raw": "/wA="}
    assert {name: full[name] for name in TAKEN} == wanted
    assert {name: empty[name] for name in TAKEN} == dict.fromkeys(TAKEN)


SCALARS = {
    "STRING": (column("x"), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
    "INT64": (column("x", "integer"), st.integers(-(2**63), 2**63 - 1)),
    "FLOAT64": (column("x", "number"), st.floats(allow_nan=False, allow_infinity=False)),
    "NUMERIC": (column("x", "number", physicalType="NUMERIC"),
                st.decimals(-10**28, 10**28, places=9, allow_nan=False, allow_infinity=False)),
    "DATE": (column("x", "date"), st.dates()),
    "DATETIME": (column("x", "timestamp", physicalType="DATETIME"), st.datetimes()),
    "TIMESTAMP": (column("x", "timestamp"), st.datetimes(timezones=st.just(UTC))),
}  # fmt: skip


@pytest.mark.parametrize("type_", SCALARS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_values_of_a_type_come_out_as_they_are(type_: str, tmp_path: Path, data: st.DataObject) -> None:
    prop, values = SCALARS[type_]
    cells = data.draw(st.lists(st.none() | values, min_size=1, max_size=20))
    of = spec(x=prop)
    rows = [(f"k{number}", cell) for number, cell in enumerate(cells)]
    content = frozen(of, {"x": type_}, *data.draw(st.permutations(rows)))
    assert content == frozen(of, {"x": type_}, *rows), "the order in which rows are read is not in the content"
    assert enrich(of, tmp_path, content, *(key for key, _ in rows)).values("x") == cells


def test_another_value_type_or_row_is_another_content() -> None:
    of = spec(x=column("x"))
    rows = [("a", "1"), ("b", None)]
    contents = [frozen(of, {"x": "STRING"}, *rows), frozen(of, {"x": "INT64"}, *rows), frozen(of, {"x": "STRING"})]
    contents += [frozen(of, {"x": "STRING"}, ("a", "1"), ("b", "")), frozen(of, {"x": "STRING"}, *rows, *rows)]
    assert len(set(contents)) == len(contents)


@pytest.mark.parametrize(
    ("prop", "type_", "value", "says"),
    [
        (column("x"), "STRING", "a\0b", "NUL character"),
        (column("x"), "BYTES", b"\xff", "not UTF-8; declare it with"),
        (column("x"), "JSON", {"secret": 1}, "holds an object where the contract has one string value"),
        (column("x", "integer"), "ARRAY<INT64>", [1], "holds an array where the contract has one integer value"),
    ],
)
def test_what_is_no_text_is_refused_without_the_value(prop: Any, type_: str, value: Any, says: str) -> None:
    with pytest.raises(TerminalReferenceError, match=says) as caught:
        frozen(spec(x=prop), {"x": type_}, ("a", value))
    assert "table crm.t, column x" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_table_above_the_limits_is_refused_before_it_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    of, read = spec(x=column("x")), []

    def rows() -> Any:
        for number in range(1000):
            read.append(number)
            yield (f"{number}", "y" * 90)

    columns = [of.column(name) for name in ("k", "x")]
    monkeypatch.setattr(snapshot, "MAX_ROWS", 10)
    with pytest.raises(TerminalReferenceError, match=r"table crm\.t has more than 10 rows.*make a view"):
        write_snapshot("crm.t", columns, {"k": "STRING", "x": "STRING"}, rows())
    assert len(read) == 11
    monkeypatch.setattr(snapshot, "MAX_ROWS", 1000)
    monkeypatch.setattr(snapshot, "MAX_BYTES", 1000)
    with pytest.raises(TerminalReferenceError, match=r"table crm\.t, columns k, x: more than 1,000 bytes.*make a view"):
        write_snapshot("crm.t", columns, {"k": "STRING", "x": "STRING"}, rows())
    assert len(read) < 30


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("a", "1"), ("a", "2")], r'table:crm\.t: k "a" stands more than once.*name a view'),
        ([("a", "1"), (None, "2")], r"table:crm\.t: k is empty"),
        ([("a", "one")], r'table:crm\.t, k "a", x: "one" is no integer\. Mend the table'),
    ],
)
def test_a_table_that_cannot_serve_stops_the_run(tmp_path: Path, rows: list[Any], says: str) -> None:
    of = spec(x=column("x", "integer"))
    with pytest.raises(TerminalReferenceError, match=says):
        enrich(of, tmp_path, frozen(of, {"x": "STRING"}, *rows), "a")


def test_where_columns_are_masked_no_key_of_the_table_is_told(tmp_path: Path) -> None:
    of = dataset(
        column("k"), column("x", "integer"), column("y"), mask={"y": "redact"},
        enrich={"with": NAME, "on": "k", "take": ["x"]},
    )  # fmt: skip
    path = tmp_path / "snapshot"
    path.write_bytes(frozen(of, {"x": "STRING"}, ("Ada", "one")))
    with pytest.raises(TerminalReferenceError) as caught:
        run(of, tmp_path / "out", lines("k,y", "1,2"), references={NAME: path})
    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize("cut", [-1, -5])
def test_a_damaged_snapshot_is_told(tmp_path: Path, cut: int) -> None:
    of = spec(x=column("x"))
    content = frozen(of, {"x": "STRING"}, ("a", "1"), ("b", "2"))
    damaged = content[:cut] + b"?" if cut == -1 else content[:cut]
    with pytest.raises(TerminalReferenceError, match="is damaged"):
        enrich(of, tmp_path, damaged, "a")


def test_a_csv_file_can_stand_for_the_table(tmp_path: Path) -> None:
    of = spec(x=column("x", "integer"))
    assert enrich(of, tmp_path, b"k,x\na,1\nb,\n", "a", "b").values("x") == [1, None]


def test_an_empty_table_matches_nothing(tmp_path: Path) -> None:
    of = spec(x=column("x"))
    assert enrich(of, tmp_path, frozen(of, {"x": "STRING"}), "a").values("x") == [None]

"""What a table that is there already lets a contract change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.engine.account import EvolvedColumn, Manifest
from include.ledger.drift import TableColumn, TargetEvolved, alter_sql, find_drift, joined, record_of, union_sql
from include.ledger.tables import Ledger
from landfall.gcp.warehouse import Warehouse
from tests.engine.builder import column, dataset

LEDGER = Ledger("p", "ops")


def decimal(text: str) -> dict[str, Any]:
    return column("x", "number", physicalType=text)


@pytest.mark.parametrize(
    ("ours", "theirs", "change"),
    [
        (column("x"), TableColumn("x", "STRING"), ""),
        (column("x"), TableColumn("X", "STRING"), ""),
        (column("x", "integer", required=True), TableColumn("x", "INT64", True), ""),
        (column("x"), TableColumn("x", "STRING", True), "DROP NOT NULL"),
        (decimal("NUMERIC(10, 2)"), TableColumn("x", "NUMERIC(10, 2)"), ""),
        (decimal("NUMERIC(38, 9)"), TableColumn("x", "NUMERIC"), ""),
        (decimal("NUMERIC(12, 4)"), TableColumn("x", "NUMERIC(10, 2)"), "SET DATA TYPE NUMERIC(12, 4)"),
        (decimal("BIGNUMERIC(40, 10)"), TableColumn("x", "NUMERIC(10, 2)"), "SET DATA TYPE BIGNUMERIC(40, 10)"),
        (column("x", "array", items={"logicalType": "string"}), TableColumn("x", "ARRAY<STRING>"), ""),
    ],
)
def test_what_holds_every_value_of_the_table_is_taken(ours: dict[str, Any], theirs: TableColumn, change: str) -> None:
    drift = find_drift(dataset(ours), [theirs])
    assert drift.refused == ()
    assert [clause.partition("` ")[2] for clause in drift.changes] == ([change] if change else [])


@pytest.mark.parametrize(
    ("ours", "theirs", "both"),
    [
        (column("x", "integer"), TableColumn("x", "STRING"), ("STRING", "INT64")),
        (column("x"), TableColumn("x", "INT64"), ("INT64", "STRING")),
        (column("x", required=True), TableColumn("x", "STRING"), ("STRING", "STRING NOT NULL")),
        (decimal("NUMERIC(12, 2)"), TableColumn("x", "NUMERIC(12, 3)"), ("NUMERIC(12, 3)", "NUMERIC(12, 2)")),
        (decimal("NUMERIC(12, 4)"), TableColumn("x", "NUMERIC(12, 2)"), ("NUMERIC(12, 2)", "NUMERIC(12, 4)")),
        (decimal("NUMERIC(10, 2)"), TableColumn("x", "NUMERIC"), ("NUMERIC", "NUMERIC(10, 2)")),
        (decimal("NUMERIC(38, 9)"), TableColumn("x", "BIGNUMERIC"), ("BIGNUMERIC", "NUMERIC(38, 9)")),
        (column("x"), TableColumn("x", "ARRAY<STRING>"), ("ARRAY<STRING>", "STRING")),
    ],
)
def test_what_the_table_may_not_hold_is_refused_with_both_versions(
    ours: dict[str, Any], theirs: TableColumn, both: tuple[str, str]
) -> None:
    (refused,) = find_drift(dataset(ours), [theirs]).refused
    assert f"the table has {both[0]}, the contract {both[1]}:" in refused


def test_a_new_column_comes_unless_rows_that_are_there_would_need_a_value() -> None:
    there = [TableColumn("x", "STRING")]
    assert [c.name for c in find_drift(dataset(column("x"), column("y")), there).added] == ["y"]
    (refused,) = find_drift(dataset(column("x"), column("y", "integer", required=True)), there).refused
    assert refused.startswith("y: the contract has a new column INT64 NOT NULL")


def test_the_tables_own_columns_are_no_drift() -> None:
    ours = [TableColumn(f"_landfall_{name}", "STRING") for name in ("file_id", "record", "loaded_at")]
    assert find_drift(dataset(column("x")), [TableColumn("x", "STRING"), *ours]).changes == ()


def test_what_files_bring_is_added_once_and_known_afterwards() -> None:
    new = EvolvedColumn("note", "JSON", ('a "note"',), ("f1",))
    first = find_drift(dataset(column("x")), [TableColumn("x", "STRING")], [new])
    sql = 'ADD COLUMN IF NOT EXISTS `note` JSON OPTIONS(description="not in the contract; files call it a \\"note\\"");'
    assert alter_sql(dataset(column("x")), LEDGER, first) == f"ALTER TABLE `p.a.things` {sql}"
    table = [TableColumn("x", "STRING"), TableColumn("note", "STRING")]
    later = find_drift(dataset(column("x")), table, [new], {"note"})
    assert alter_sql(dataset(column("x")), LEDGER, later) == ""
    assert [(item.type, item.first) for item in later.evolved] == [("STRING", False)]


def test_all_new_columns_come_in_one_statement() -> None:
    spec = dataset(column("x"), column("y"), column("z", "integer"))
    sql = alter_sql(spec, LEDGER, find_drift(spec, [TableColumn("x", "STRING")]))
    assert sql == "ALTER TABLE `p.a.things` ADD COLUMN IF NOT EXISTS `y` STRING, ADD COLUMN IF NOT EXISTS `z` INT64;"


def test_what_files_bring_does_not_go_into_a_column_of_another_type() -> None:
    new = EvolvedColumn("n", "STRING", ("N",), ("f1",))
    (refused,) = find_drift(
        dataset(column("x")), [TableColumn("n", "INT64"), TableColumn("x", "STRING")], [new]
    ).refused
    assert "the table has INT64" in refused


def test_only_what_loaded_files_bring_counts() -> None:
    def manifest(*evolved: EvolvedColumn) -> Manifest:
        return Manifest("d", "b", 0, 0, 0, 0, 0, (), (), (), evolved=evolved)

    batches = {
        0: manifest(EvolvedColumn("a", "STRING", ("A",), ("f1", "f2"))),
        1: manifest(EvolvedColumn("a", "JSON", ("a",), ("f3",)), EvolvedColumn("b", "STRING", ("b",), ("f4",))),
    }
    found = joined(batches, ["f2", "f3"])
    assert found == (EvolvedColumn("a", "JSON", ("A", "a"), ("f2", "f3")),)
    drift = find_drift(dataset(column("x")), [], found)
    kept = {"column": "a", "type": "JSON", "sources": ["A"], "files": ["f2"], "first": True}
    assert record_of(batches[0], drift) == [kept]


def test_staging_tables_with_different_columns_make_one_source() -> None:
    assert union_sql({"`a`": ["n"]}, ["x"], ["n"]) == "`a`"
    joined_up = union_sql({"`a`": ["n"], "`b`": []}, ["x"], ["n"])
    assert joined_up == "(SELECT `x`, `n` FROM `a` UNION ALL SELECT `x`, CAST(NULL AS STRING) AS `n` FROM `b`)"


def test_bare_text_in_a_column_of_json_stays_as_it_was_written(warehouse: Warehouse) -> None:
    from include.ledger.commit import _evolved_value

    item = TargetEvolved(EvolvedColumn("note", "JSON", ("note",), ("f1",)), "JSON", missing=False, first=False)
    texts = ["1.50", "007", "1e400", "true", "null", "", '"quoted"', "{broken", '{"a": 1}', "[1]"]
    rows = warehouse.query(
        f"SELECT note, TO_JSON_STRING({_evolved_value(item)}) AS made FROM UNNEST(@texts) AS note", {"texts": texts}
    )
    made = {row["note"]: json.loads(row["made"]) for row in rows}
    assert made == {text: text for text in texts[:-2]} | {'{"a": 1}': {"a": 1}, "[1]": [1]}
    (nothing,) = warehouse.query(f"SELECT {_evolved_value(item)} AS made FROM (SELECT CAST(NULL AS STRING) AS note)")
    assert nothing["made"] is None

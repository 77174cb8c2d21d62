"""What the BigQuery emulator remembers of tables is never older than the last statement."""

from __future__ import annotations

import pytest

from landfall.errors import Missing
from landfall.gcp.warehouse import Warehouse


@pytest.fixture
def warehouse(in_cloud: object) -> Warehouse:
    made = Warehouse("google_cloud_default", "landfall-local", "US")
    made.ensure_dataset("remembered")
    return made


def test_the_next_statement_sees_what_the_last_did_to_a_table(warehouse: Warehouse) -> None:
    name = "remembered.changing"
    with pytest.raises(Missing):
        warehouse.columns(name)
    warehouse.query(f"CREATE TABLE {name} (n INT64 NOT NULL)")
    assert [(c.name, c.required) for c in warehouse.columns(name)] == [("n", True)]
    warehouse.query(f"INSERT INTO {name} VALUES (1), (2)")
    assert warehouse.row_count(name) == 2
    warehouse.query(f"ALTER TABLE {name} ADD COLUMN t STRING")
    assert [c.name for c in warehouse.columns(name)] == ["n", "t"]
    assert warehouse.query(f"SELECT n, t FROM {name} ORDER BY n") == [{"n": 1, "t": None}, {"n": 2, "t": None}]
    warehouse.query(f"DROP TABLE {name}")
    with pytest.raises(Missing):
        warehouse.query(f"SELECT n FROM {name}")


def test_what_a_transaction_took_back_is_not_remembered(warehouse: Warehouse) -> None:
    name = "remembered.undone"
    warehouse.query(f"CREATE TABLE {name} (n INT64)")
    warehouse.query(f"BEGIN TRANSACTION; INSERT INTO {name} VALUES (1); ROLLBACK TRANSACTION;")
    assert warehouse.row_count(name) == 0
    warehouse.query(f"BEGIN TRANSACTION; INSERT INTO {name} VALUES (1); COMMIT TRANSACTION;")
    assert warehouse.row_count(name) == 1


def test_a_result_has_the_columns_of_its_own_query(warehouse: Warehouse) -> None:
    assert warehouse.query("SELECT 1 AS a, 'x' AS b") == [{"a": 1, "b": "x"}]
    assert warehouse.query("SELECT 2 AS c; SELECT 3 AS d") == [{"d": 3}]

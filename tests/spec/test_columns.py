"""A contract's properties become columns with a BigQuery type and checks."""

from __future__ import annotations

from typing import Any

import pytest

from include.spec.columns import Column, ColumnError, resolve
from include.spec.contract import Property


def made(**parts: Any) -> Column:
    return resolve(Property.model_validate({"name": "x", "logicalType": "string", **parts}))


@pytest.mark.parametrize(
    ("logical", "physical", "kind", "bigquery"),
    [
        ("string", None, "string", "STRING"),
        ("string", "VARCHAR(20)", "string", "STRING"),
        ("integer", None, "integer", "INT64"),
        ("number", None, "float", "FLOAT64"),
        ("number", "DOUBLE", "float", "FLOAT64"),
        ("number", "NUMERIC", "decimal", "NUMERIC(38, 9)"),
        ("number", "decimal(10,2)", "decimal", "NUMERIC(10, 2)"),
        ("number", " NUMERIC ( 12 , 4 ) ", "decimal", "NUMERIC(12, 4)"),
        ("number", "NUMERIC(5)", "decimal", "NUMERIC(5, 0)"),
        ("number", "NUMERIC(38,0)", "decimal", "BIGNUMERIC(38, 0)"),
        ("number", "DECIMAL(20,10)", "decimal", "BIGNUMERIC(20, 10)"),
        ("number", "BIGNUMERIC", "decimal", "BIGNUMERIC(76, 38)"),
        ("number", "BIGDECIMAL(76,38)", "decimal", "BIGNUMERIC(76, 38)"),
        ("boolean", None, "boolean", "BOOL"),
        ("date", None, "date", "DATE"),
        ("time", None, "time", "TIME"),
        ("timestamp", None, "timestamp", "TIMESTAMP"),
        ("timestamp", "datetime", "datetime", "DATETIME"),
        ("object", None, "object", "JSON"),
    ],
)
def test_logical_and_physical_type_give_kind_and_bigquery_type(
    logical: str, physical: str | None, kind: str, bigquery: str
) -> None:
    column = made(logicalType=logical, physicalType=physical)
    assert (column.kind, column.bigquery_type) == (kind, bigquery)


def test_a_timestamp_without_zones_is_a_datetime() -> None:
    assert made(logicalType="timestamp", logicalTypeOptions={"timezone": False}).bigquery_type == "DATETIME"


@pytest.mark.parametrize(
    "physical", ["NUMERIC(0)", "NUMERIC(39,0)", "NUMERIC(77,38)", "NUMERIC(3,4)", "DECIMAL(60,39)"]
)
def test_a_decimal_that_bigquery_cannot_hold_is_refused(physical: str) -> None:
    with pytest.raises(ColumnError, match="no decimal of BigQuery") as caught:
        made(logicalType="number", physicalType=physical)
    assert caught.value.key == ("physicalType",)


def test_an_array_has_the_type_of_its_items() -> None:
    items = {"logicalType": "number", "physicalType": "NUMERIC(8,2)", "required": True}
    column = made(logicalType="array", items=items, logicalTypeOptions={"minItems": 1, "maxItems": 3})
    assert column.bigquery_type == "ARRAY<NUMERIC(8, 2)>"
    assert column.items is not None
    assert column.items.required
    assert (column.min_items, column.max_items) == (1, 3)


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        ({"logicalType": None}, ()),
        ({"logicalType": "array"}, ()),
        ({"logicalType": "array", "items": {"logicalType": "array", "items": {"logicalType": "string"}}}, ("items",)),
        ({"logicalType": "array", "items": {}}, ("items",)),
        ({"logicalType": "integer", "logicalTypeOptions": {"format": "i7"}}, ("logicalTypeOptions", "format")),
    ],
)
def test_types_that_make_no_column_are_refused_at_their_key(parts: dict[str, Any], key: tuple[str, ...]) -> None:
    with pytest.raises(ColumnError) as caught:
        made(**parts)
    assert caught.value.key == key
    assert caught.value.fix.endswith(".")


def test_the_physical_name_is_the_columns_name_in_the_table() -> None:
    assert made(name="Order id", physicalName="order_id").name == "order_id"
    assert made(name="order_id").name == "order_id"


def test_a_primary_keys_columns_are_required_though_not_said_so() -> None:
    column = made(primaryKey=True)
    assert column.required
    assert column.key_position == 1
    assert not made().required
    assert made().key_position == 0


@pytest.mark.parametrize(
    ("metric", "field"), [("nullValues", "required"), ("missingValues", "required"), ("duplicateValues", "unique")]
)
def test_a_check_that_allows_no_record_is_a_rule_on_the_record(metric: str, field: str) -> None:
    assert getattr(made(quality=[{"metric": metric, "mustBe": 0}]), field)
    assert not getattr(made(quality=[{"metric": metric, "mustBeLessThan": 5}]), field)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (["new", "paid"], ("new", "paid")),
        ([1, 2.5], ("1", "2.5")),
        ([True, False], ("true", "false")),
        (["a", None], ("a",)),
        ([], ()),
    ],
)
def test_valid_values_are_kept_as_they_are_written(values: list[Any], texts: tuple[str, ...]) -> None:
    check = {"metric": "invalidValues", "arguments": {"validValues": values}, "mustBe": 0}
    assert made(quality=[check]).valid_values == texts


def test_valid_values_that_some_records_may_miss_are_no_rule_on_the_record() -> None:
    check = {"metric": "invalidValues", "arguments": {"validValues": ["a"]}, "mustBeLessThan": 5}
    assert made(quality=[check]).valid_values == ()


@pytest.mark.parametrize("values", ["abc", 7, {"a": 1}, [["a"]]])
def test_valid_values_that_are_no_list_are_refused(values: Any) -> None:
    check = {"metric": "invalidValues", "arguments": {"validValues": values}, "mustBe": 0}
    with pytest.raises(ColumnError) as caught:
        made(quality=[check])
    assert caught.value.key == ("quality", 0, "arguments", "validValues")


def test_a_pattern_may_stand_in_the_options_or_in_a_check() -> None:
    check = {"metric": "invalidValues", "arguments": {"pattern": "^C"}, "mustBe": 0}
    assert made(quality=[check]).pattern == "^C"
    assert made(logicalTypeOptions={"pattern": "^A"}, quality=[check]).pattern == "^A"


def test_options_become_checks() -> None:
    column = made(
        logicalType="integer",
        logicalTypeOptions={"minimum": 0, "exclusiveMaximum": 10, "multipleOf": 5},
    )
    assert (column.minimum, column.exclusive_maximum, column.multiple_of) == ("0", "10", "5")
    assert (column.maximum, column.exclusive_minimum) == (None, None)


@pytest.mark.parametrize(
    ("width", "low", "high"),
    [("i8", "-128", "127"), ("u16", "0", "65535"), ("i64", str(-(2**63)), str(2**63 - 1)), ("u64", "0", None)],
)
def test_an_integers_width_bounds_it(width: str, low: str | None, high: str | None) -> None:
    column = made(logicalType="integer", logicalTypeOptions={"format": width})
    assert (column.minimum, column.maximum) == (low, high)


def test_formats_of_dates_come_from_the_options_and_from_a_custom_property() -> None:
    column = made(
        logicalType="date",
        logicalTypeOptions={"format": "dd.MM.yyyy"},
        customProperties=[{"property": "formats", "value": ["yyyyMMdd"]}],
    )
    assert column.formats == ("dd.MM.yyyy", "yyyyMMdd")
    assert made(logicalTypeOptions={"format": "email"}).string_format == "email"


def test_a_timestamps_zone_is_utc_unless_said() -> None:
    assert made(logicalType="timestamp").default_timezone == "UTC"
    options = {"defaultTimezone": "Europe/Vienna"}
    assert made(logicalType="timestamp", logicalTypeOptions=options).default_timezone == "Europe/Vienna"

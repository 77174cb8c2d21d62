"""What the contract asks of values: required, lengths, patterns, bounds, valid values, formats, items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.engine.errors import TerminalRuleError
from tests.engine.builder import column, dataset, lines, run
from tests.engine.test_cast import cast


@pytest.mark.parametrize(
    ("prop", "passes", "fails"),
    [
        (column("v", options={"minLength": 2, "maxLength": 3}), ["äö", "abc"], ["a", "abcd", ""]),
        (column("v", options={"pattern": "^[A-Z]{2}$"}), ["AB"], ["ab", "ABC", "xAB", "AB\n"]),
        (column("v", options={"pattern": "b"}), ["abc"], ["ac"]),
        (column("v", "integer", options={"minimum": 1, "maximum": 5}), ["1", "5"], ["0", "6"]),
        (column("v", "integer", options={"exclusiveMinimum": 1, "exclusiveMaximum": 5}), ["2", "4"], ["1", "5"]),
        (column("v", "integer", options={"minimum": 0.5, "maximum": 2.5}), ["1", "2"], ["0", "3"]),
        (column("v", "integer", options={"maximum": 10**20}), ["9223372036854775807"], []),
        (column("v", "integer", options={"multipleOf": 5}), ["0", "-10", "15"], ["7"]),
        (column("v", "number", options={"multipleOf": 0.1}), ["0.3", "1.7"], ["0.35"]),
        (column("v", "number", options={"minimum": 0}), ["0", "1e-9"], ["-0.1"]),
        (column("v", "number", physicalType="NUMERIC(10,2)", options={"minimum": 0.01}), ["0.01"], ["0.00", "-1"]),
        (column("v", "number", physicalType="NUMERIC(38,0)", options={"maximum": 0.5}), ["0", "-1"], ["1", "9" * 38]),
        (column("v", "number", physicalType="NUMERIC(10,2)", options={"multipleOf": 0.25}), ["0.75"], ["0.80"]),
        (
            column("v", "number", physicalType="BIGNUMERIC(76,38)", options={"minimum": -0.5, "maximum": 10**30}),
            ["-0.5", "0", "1" + "0" * 30],
            ["-0.50001", "1" + "0" * 29 + "1", "-1" + "0" * 30],
        ),
        (column("v", "date", options={"minimum": "2024-01-01"}), ["2024-01-01"], ["2023-12-31"]),
        (
            column("v", "date", options={"format": "dd.MM.yyyy", "maximum": "2024-01-01"}),
            ["01.01.2024"],
            ["02.01.2024"],
        ),
        (
            column("v", "timestamp", options={"minimum": "2024-01-01T00:00:00Z", "exclusiveMaximum": "2025-01-01"}),
            ["2024-01-01T00:00:00Z", "2024-12-31T23:59:59Z"],
            ["2024-01-01T00:00:00+01:00", "2025-01-01T00:00:00Z"],
        ),
        (column("v", valid=["a", "it's"]), ["a", "it's"], ["A", ""]),
        (column("v", missing=["", "N/A"]), ["a", "n/a"], ["", "N/A"]),
        (column("v", "integer", missing=["N/A", -1]), ["1"], ["-1", "N/A"]),
        (column("v", "date", missing=["1900-01-01"]), ["2024-01-01"], ["1900-01-01"]),
        (
            column("v", "object", options={"minProperties": 1, "maxProperties": 2}),
            ['{"a": {"x": 1}}', '{"a": 1, "b": 2}'],
            ["{}", '{"a": 1, "b": 2, "c": 3}', "[1]", "{", '{"a": 1,}'],
        ),
        (
            column("v", "object", options={"required": ["it's", "b"]}),
            ['{"it\'s": 1, "b": null}', '{"\\u0062": 1, "it\'s": {}}'],
            ["{}", '{"b": 1}', '{"a": {"b": 1}}', "x"],
        ),
        (
            column("v", "array", items={"logicalType": "integer"}, options={"uniqueItems": True}),
            ["[]", "[1, 2]"],
            ["[1, 1]", "[1, 2, 1]"],
        ),
        (
            column(
                "v",
                "array",
                items={"logicalType": "object", "logicalTypeOptions": {"required": ["a"]}},
                options={"uniqueItems": True},
            ),
            ['[{"a": 1}, {"a": 2}]'],
            ['[{"a": 1}, {"a":1}]', '[{"b": 1}]'],
        ),
        (column("v", "integer", valid=[1, 2]), ["1"], ["3"]),
        (column("v", "number", physicalType="NUMERIC(4,2)", valid=["1.5"]), ["1.50"], ["2"]),
        (column("v", options={"format": "email"}), ["a.b+c@d-e.org"], ["a", "a@", "@b", "a b@c", "a@b..c"]),
        (column("v", options={"format": "uuid"}), ["123E4567-e89b-12d3-a456-426614174000"], ["123e4567", "x"]),
        (column("v", options={"format": "uri"}), ["https://a.b/c?d#e", "urn:x:y"], ["a b", "/x", "http://a b"]),
        (column("v", options={"format": "hostname"}), ["a.example.org"], ["-a.b", "a_b", "a..b"]),
        (column("v", options={"format": "ipv4"}), ["127.0.0.1"], ["256.0.0.1", "1.2.3", "01.2.3.4"]),
        (
            column("v", options={"format": "ipv6"}),
            ["::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "fe80::1:2"],
            ["1.2.3.4", ":::", "1:2:3", "1:2:3:4:5:6:7:8:9", "g::"],
        ),
        (column("v", options={"format": "byte"}), ["YQ==", ""], ["Y", "Y Q="]),
        (
            column(
                "v",
                "array",
                items={"logicalType": "string", "logicalTypeOptions": {"maxLength": 1}},
                options={"minItems": 1, "maxItems": 2},
            ),
            ['["a"]', '["a", "b"]'],
            ["[]", '["a", "b", "c"]', '["ab"]'],
        ),
    ],
    ids=str,
)
def test_a_demand_is_met_or_not(tmp_path: Path, prop: dict[str, Any], passes: list[str], fails: list[str]) -> None:
    good, bad = cast(tmp_path, prop, [*passes, *fails])
    assert list(good) == passes
    assert sorted(bad) == sorted(fails)


def test_a_missing_value_breaks_only_required(tmp_path: Path) -> None:
    spec = dataset(
        column("n"),
        column("a", required=True, options={"minLength": 2}),
        column("b", options={"pattern": "^x"}),
        column("c", "integer", required=True),
    )
    result = run(spec, tmp_path, lines("n,a,b,c", "0,,,1", "1,aa,,1", "2,aa,,"))
    assert result.rules == [["required:a"], ["required:c"]]


def test_a_record_has_all_its_reasons(tmp_path: Path) -> None:
    spec = dataset(
        column("a", "integer", options={"minimum": 5}),
        column("b", required=True),
        column("c", options={"maxLength": 2, "pattern": "^x"}),
    )
    result = run(spec, tmp_path, lines("a,b,c", "1,,abc", "x,y,xx"))
    assert result.rules == [["minimum:a", "required:b", "max_length:c", "pattern:c"], ["type:a"]]
    assert result.manifest.rules == {
        "max_length.c": 1, "minimum.a": 1, "pattern.c": 1, "required.b": 1, "type.a": 1
    }  # fmt: skip


def test_a_contract_that_cannot_be_checked_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(TerminalRuleError, match="column v: 'one' in the contract is no value of its type integer"):
        run(dataset(column("v", "integer", valid=["one"])), tmp_path, lines("v", "1"))


def test_a_string_format_that_is_not_known_is_noted(tmp_path: Path) -> None:
    result = run(dataset(column("v", options={"format": "phone"})), tmp_path, lines("v", "1"))
    assert result.file.notes == ("the format 'phone' of column v is not checked",)

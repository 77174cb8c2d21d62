"""Strict casts: what each logical type takes, and what it refuses rather than round, cut or guess."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.engine.builder import Result, column, dataset, lines, run


def cast(out: Path, prop: dict[str, Any], texts: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the typed value of each text that is taken, and the message of each that is refused."""
    spec = dataset(column("n"), prop)
    cells = ['"' + text.replace('"', '""') + '"' for text in texts]
    result = run(spec, out, lines("n,v", *(f"{n},{cell}" for n, cell in enumerate(cells))))
    good = {texts[int(row["n"])]: row["v"] for row in result.good}
    bad = {texts[row["record"]]: row["reasons"][0]["message"] for row in result.records}
    return good, bad


@pytest.mark.parametrize(
    ("prop", "taken", "refused"),
    [
        (
            column("v", "integer"),
            {"0": 0, "-7": -7, "9223372036854775807": 2**63 - 1, "-9223372036854775808": -(2**63), "-0": 0},
            [
                "",
                " 1",
                "1 ",
                "+1",
                "007",
                "1.5",
                "1.0",
                "1e3",
                "0x1F",
                "9223372036854775808",
                "1_000",
                "1,000",
                "一",
                "NaN",
            ],
        ),
        (
            column("v", "number", physicalType="NUMERIC(10,2)"),
            {
                "0": Decimal(0),
                "-1.5": Decimal("-1.50"),
                "99999999.99": Decimal("99999999.99"),
                "12.3400": Decimal("12.34"),
            },
            ["12.345", "100000000", "1e2", ".5", "5.", "+1", "00.1", "1,5", "NaN", "Infinity", "--1", "", "1 "],
        ),
        (
            column("v", "number", physicalType="NUMERIC(38,9)"),
            {"1234567890123456.15290": Decimal("1234567890123456.152900000")},
            ["123456789012345678901234567890"],
        ),
        (
            column("v", "number", physicalType="NUMERIC(4,4)"),
            {"0.1234": Decimal("0.1234"), "-0.5": Decimal("-0.5")},
            ["1.0", "0.12345"],
        ),
        (
            column("v", "number", physicalType="BIGNUMERIC(76,38)"),
            {f"{'9' * 38}.{'9' * 38}": Decimal(f"{'9' * 38}.{'9' * 38}"), "-0.5000": Decimal("-0.5")},
            [f"1{'0' * 38}", f"0.{'1' * 39}", "x"],
        ),
        (
            column("v", "number"),
            {"0": 0.0, "-1.5": -1.5, "1e5": 1e5, "2.5E-3": 0.0025, "12345678901234567890": 12345678901234567890.0},
            ["NaN", "nan", "Infinity", "-inf", "1e400", ".5", "1.", "0x10", "1,5", "", "١"],
        ),
        (
            column("v", "boolean"),
            {"true": True, "TRUE": True, "False": False},
            ["1", "0", "yes", "no", "t", "f", "y", "on", "", " true"],
        ),
        (
            column("v", "string"),
            {
                "": "",
                " 00501 ": " 00501 ",
                "=1+1": "=1+1",
                "@x": "@x",
                "-": "-",
                'a"b,c\nd': 'a"b,c\nd',
                "null": "null",
            },
            [],
        ),
        (
            column("v", "object"),
            {'{"a": 1.10}': '{"a": 1.10}', " {} ": " {} "},
            ["", "[1]", "1", '{"a":1,}', '{"a":NaN}', '{"a":1,"a":2}', "{"],
        ),
        (
            column("v", "array", items={"logicalType": "integer"}),
            {"[]": [], "[1, 2]": [1, 2], '["3"]': [3]},
            ["", "1", "[1.5]", "[null]", '["x"]', "[1,]", "[[1]]", "{}"],
        ),
        (
            column("v", "array", items={"logicalType": "date"}),
            {'["2024-01-05"]': [date(2024, 1, 5)]},
            ['["2024-1-5"]'],
        ),
        (
            column("v", "array", items={"logicalType": "number", "physicalType": "NUMERIC(30,10)"}),
            {"[12345678901234567.1529]": [Decimal("12345678901234567.1529000000")]},
            ["[1e5]"],
        ),
    ],
    ids=str,
)
def test_a_type_takes_its_values_and_nothing_else(
    tmp_path: Path, prop: dict[str, Any], taken: dict[str, Any], refused: list[str]
) -> None:
    good, bad = cast(tmp_path, prop, [*taken, *refused])
    assert good == taken
    assert sorted(bad) == sorted(refused)


@pytest.mark.parametrize(
    ("prop", "text", "says"),
    [
        (column("v", "integer"), "007", "leading zeros"),
        (column("v", "integer"), "9223372036854775808", "does not fit 64 bits"),
        (column("v", "number"), "NaN", "is no finite number"),
        (column("v", "number"), "1e400", "too large for a double"),
        (column("v", "number", physicalType="NUMERIC(10,2)"), "12.345", "more digits after the point"),
        (column("v", "number", physicalType="NUMERIC(10,2)"), "123456789", "more digits before the point"),
        (column("v", "number", physicalType="NUMERIC(10,2)"), "1e2", "exponent"),
        (column("v", "boolean"), "yes", "neither true nor false"),
        (column("v", "timestamp"), "2024-01-01T23:59:60Z", "leap seconds"),
        (column("v", "timestamp"), "2024-01-01T00:00:00.1234567Z", "more than six decimals"),
        (column("v", "date"), "2024-02-30", "does not exist in the calendar"),
    ],
)
def test_a_refusal_says_why(tmp_path: Path, prop: dict[str, Any], text: str, says: str) -> None:
    _, bad = cast(tmp_path, prop, [text])
    assert says in bad[text]
    assert f'"{text}"' in bad[text]


def test_a_number_of_a_hundred_thousand_digits_is_refused_and_quoted_in_short(tmp_path: Path) -> None:
    for kind in ("integer", "number"):
        _, bad = cast(tmp_path, column("v", kind), ["1" * 100_000])
        assert all(len(message) < 200 for message in bad.values())
        assert len(bad) == 1


def test_unquoted_null_values_are_null_and_quoted_ones_are_text(tmp_path: Path) -> None:
    spec = dataset(column("a"), column("b", "integer"), format={"type": "csv", "null_values": ["", "NA"]})
    result: Result = run(spec, tmp_path, lines("a,b", ",", '"",1', "NA,NA", '"NA",2', 'x,""'))
    assert [(row["a"], row["b"]) for row in result.good] == [(None, None), ("", 1), (None, None), ("NA", 2)]
    assert result.rules == [["type:b"]]

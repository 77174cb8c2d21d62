"""Clean, filter, derive and enrich; a rule that fails on a record quarantines that record alone."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.engine.errors import TerminalReferenceError
from include.spec.errors import SpecError
from tests.engine.builder import column, dataset, lines, run

# Beyond 500 of a block, why a rule fails is not told of each record; a shard is a block of its own, and tells more.
SAYS_MORE = True


def reference(folder: Path, *records: str) -> dict[str, Path]:
    path = folder / "r.csv"
    path.write_bytes(lines(*records))
    return {"reference/r.csv": path}


def test_clean_works_on_raw_text_before_the_cast(tmp_path: Path) -> None:
    spec = dataset(column("a", "integer"), column("b"), clean={"a": "REPLACE(a, '.', '')", "b": "NULLIF(TRIM(b), '')"})
    result = run(spec, tmp_path, lines("a,b", "1.234, x ", "7,  "))
    assert [(row["a"], row["b"]) for row in result.good] == [(1234, "x"), (7, None)]


def test_clean_rules_see_the_text_of_the_file_not_one_anothers_results(tmp_path: Path) -> None:
    spec = dataset(column("a"), column("b"), clean={"a": "UPPER(a)", "b": "CONCAT(a, b)"})
    assert run(spec, tmp_path, lines("a,b", "x,y")).values("b") == ["xy"]


def test_a_record_for_which_the_filter_is_not_true_is_counted_as_filtered(tmp_path: Path) -> None:
    spec = dataset(column("a", "integer"), filter="a > 1")
    result = run(spec, tmp_path, lines("a", "1", "2", '""', "3", "-5"))
    null = run(dataset(column("a", "integer"), column("b"), filter="a > 1"), tmp_path, lines("a,b", ",x"))
    assert (result.file.loaded, result.file.filtered, result.file.quarantined) == (2, 2, 1)
    assert (null.file.loaded, null.file.filtered) == (0, 1)


def test_a_rule_that_fails_on_a_record_quarantines_it_with_the_rules_name(tmp_path: Path) -> None:
    spec = dataset(
        column("n", "integer"),
        column("a", "integer"),
        column("t"),
        column("share", "number"),
        clean={"t": "CAST(CAST(t AS INT64) + 1 AS STRING)"},
        filter="n / a > 0",
        derive={"share": "100 / (n - 5)"},
    )
    result = run(spec, tmp_path, lines("n,a,t", "1,1,1", "2,0,1", "3,1,x", "5,1,1", "6,2,3"))
    assert [row["n"] for row in result.good] == [1, 6]
    assert result.rules == [["filter:"], ["clean.t:t"], ["derive.share:share"]]
    assert result.manifest.rules == {"clean.t": 1, "derive.share": 1, "filter": 1}
    assert result.messages[0].endswith('for n = "2", a = "0": division by zero')


def test_rules_that_fail_do_so_alone_in_a_block_of_thousands(tmp_path: Path) -> None:
    spec = dataset(column("n", "integer"), column("half", "integer"), derive={"half": "DIV(100, MOD(n, 7))"})
    result = run(spec, tmp_path, lines("n", *(str(n) for n in range(5000))), is_function_only=SAYS_MORE)
    assert [row["record"] for row in result.records] == list(range(0, 5000, 7))
    assert result.values("half") == [100 // (n % 7) for n in range(5000) if n % 7]


def failing(out: Path, rule: str, rows: list[str], *, is_function_only: bool = False) -> list[str]:
    """Why a rule over `n` and `t` fails on each record."""
    spec = dataset(column("n", "integer"), column("t"), column("r", "number"), derive={"r": rule})
    result = run(spec, out, lines("n,t", *rows), is_function_only=is_function_only)
    assert not result.good
    return [message.rpartition(": ")[2] for message in result.messages]


ZERO, CONVERTED = "division by zero", "a value cannot be converted to the type that the rule needs"
RANGE = "a number or a date is out of range"


@pytest.mark.parametrize(
    ("rule", "kinds", "records"),
    [
        ("100 / (n - n)", [("{},x", ZERO)], 2000),
        ("CAST(t AS INT64) + 0.0", [("{},x{}", CONVERTED), ("{},99999999999999999999", CONVERTED)], 2000),
        ("IF(n < 100, n / 0, CAST(t AS FLOAT64))", [("7,x", ZERO), ("{},y{}", CONVERTED)], 2000),
        ("CAST('CAST(' || t AS INT64) / 1", [("{},1", CONVERTED)], 2000),
        # What fails in two ways is run one by one, and fails in the first of them.
        ("CAST(t AS INT64) / (n - n)", [("{},x{}", CONVERTED), ("{},1", ZERO)], 800),
        ("n / (n - n) + LENGTH(SUBSTR(t, 1, 0 - n))", [("{},x", ZERO)], 400),
    ],
)
def test_each_of_many_failures_says_why(tmp_path: Path, rule: str, kinds: list[tuple[str, str]], records: int) -> None:
    forms = [kinds[number % len(kinds)] for number in range(records)]
    rows = [form.format(200 + number, number) for number, (form, _) in enumerate(forms)]
    assert failing(tmp_path, rule, rows) == [reason for _, reason in forms]


def test_overflows_say_why_for_as_many_different_inputs_as_are_run_again(tmp_path: Path) -> None:
    few = [f"{2**62 + number % 50},x" for number in range(3000)]
    assert failing(tmp_path, "n * 4 + 0.0", few) == [RANGE] * 3000
    rows = [f"{2**62 + number},x" for number in range(600)]
    many = failing(tmp_path, "n * 4 + 0.0", rows, is_function_only=SAYS_MORE)
    assert many[:500] == [RANGE] * 500


def test_a_derived_value_that_does_not_fit_its_column_is_not_rounded(tmp_path: Path) -> None:
    spec = dataset(
        column("a", "number", physicalType="NUMERIC(10,3)"),
        column("b", "number", physicalType="NUMERIC(10,2)"),
        derive={"b": "a * 2"},
    )
    result = run(spec, tmp_path, lines("a", "1.005", "1.0001", "0.0005", "1.111"))
    assert result.values("b") == [Decimal("2.01")]
    assert result.rules == [["type:a"], ["type:a"], ["derive.b:b"]]
    assert "NUMERIC(10, 2)" in result.messages[-1]


def test_a_derive_rule_sees_the_columns_derived_before_it(tmp_path: Path) -> None:
    spec = dataset(
        column("a", "integer"),
        column("b", "integer"),
        column("c"),
        derive={"b": "a + 1", "c": "CAST(b * 10 AS STRING)"},
    )
    assert run(spec, tmp_path, lines("a", "1")).values("c") == ["20"]


def test_derived_columns_are_checked(tmp_path: Path) -> None:
    spec = dataset(
        column("a", "integer"),
        column("b", "integer", required=True, options={"maximum": 10}),
        derive={"b": "NULLIF(a, 3) * 2"},
    )
    result = run(spec, tmp_path, lines("a", "1", "3", "9"))
    assert result.values("b") == [2]
    assert result.rules == [["required:b"], ["maximum:b"]]


def test_enrich_takes_columns_by_key_and_leaves_null_without_a_match(tmp_path: Path) -> None:
    spec = dataset(
        column("k", "integer"),
        column("name"),
        column("since", "date"),
        enrich={"with": "reference/r.csv", "on": "k", "take": ["name", "since"]},
    )
    files = reference(tmp_path, "name,k,since,more", "one,1,2024-01-01,", '"t,wo",2,,')
    result = run(spec, tmp_path / "out", lines("k", "2", "1", "3", '""', ""), references=files)
    assert [(row["k"], row["name"], str(row["since"])) for row in result.good] == [
        (2, "t,wo", "None"), (1, "one", "2024-01-01"), (3, None, "None")
    ]  # fmt: skip


def test_enrich_can_quarantine_what_has_no_match(tmp_path: Path) -> None:
    spec = dataset(
        column("k"),
        column("name"),
        enrich={"with": "reference/r.csv", "on": "k", "take": ["name"], "missing": "quarantine"},
    )
    result = run(spec, tmp_path / "out", lines("k", "a", "b"), references=reference(tmp_path, "k,name", "a,x"))
    assert result.rules == [["enrich:k"]]
    assert result.messages == ['"b" has no match in reference/r.csv']


def test_enrich_can_give_a_default_to_what_has_no_match(tmp_path: Path) -> None:
    default = {"name": "nobody", "rate": "0.10", "since": "2020-02-02"}
    spec = dataset(
        column("k", "integer"), column("name"), column("rate", "number", physicalType="NUMERIC(5, 2)"),
        column("since", "date"), column("left"),
        enrich={"with": "reference/r.csv", "on": "k", "take": ["name", "rate", "since", "left"],
                "missing": {"default": default}},
    )  # fmt: skip
    references = reference(tmp_path, "k,name,rate,since,left", "1,one,1.5,2026-01-01,x")
    result = run(spec, tmp_path / "o", lines("k", "1", "2", "7"), references=references)
    assert result.values("name") == ["one", "nobody", "nobody"]
    assert [str(rate) for rate in result.values("rate")] == ["1.50", "0.10", "0.10"]
    assert [str(day) for day in result.values("since")] == ["2026-01-01", "2020-02-02", "2020-02-02"]
    assert result.values("left") == ["x", None, None]


def test_a_default_that_is_cast_wrongly_stops_the_run_and_not_the_records(tmp_path: Path) -> None:
    spec = dataset(
        column("k", "integer"), column("rate", "number", physicalType="NUMERIC(5, 2)"),
        enrich={"with": "reference/r.csv", "on": "k", "take": ["rate"], "missing": {"default": {"rate": "0.125"}}},
    )  # fmt: skip
    with pytest.raises(TerminalReferenceError, match=r"enrich.missing.default.rate"):
        run(spec, tmp_path / "o", lines("k", "1"), references=reference(tmp_path, "k,rate", "1,1"))


@pytest.mark.parametrize("given", [{"rate": "much"}, {"rate": True}, {"k": 1}, {"other": 1}])
def test_a_default_of_another_type_or_column_is_refused_when_the_dataset_is_read(given: dict[str, Any]) -> None:
    enrich = {"with": "reference/r.csv", "on": "k", "take": ["rate"], "missing": {"default": given}}
    with pytest.raises(SpecError, match=r"enrich\.missing\.default"):
        dataset(column("k", "integer"), column("rate", "integer"), enrich=enrich)


def test_enriched_columns_are_checked(tmp_path: Path) -> None:
    spec = dataset(
        column("k"),
        column("name", required=True, options={"maxLength": 1}),
        enrich={"with": "reference/r.csv", "on": "k", "take": ["name"]},
    )
    files = reference(tmp_path, "k,name", "a,x", "b,yy")
    result = run(spec, tmp_path / "out", lines("k", "a", "b", "c"), references=files)
    assert result.rules == [["max_length:name"], ["required:name"]]


@pytest.mark.parametrize(
    ("records", "says"),
    [
        (("k,name", "1,x", "1,y"), "must be unique"),
        (("k,name", "x,y"), "line 2, k"),
        (("k,name", ",y"), "is empty"),
        (("k", "1"), "lacks the columns name"),
        (("k,name", "1"), "line 2: 1 cells"),
        (("k,name", '1,"x'), "line 2: a quoted cell"),
        ((), "lacks the columns"),
    ],
)
def test_a_reference_that_cannot_be_used_stops_the_run(tmp_path: Path, records: tuple[str, ...], says: str) -> None:
    spec = dataset(
        column("k", "integer"), column("name"), enrich={"with": "reference/r.csv", "on": "k", "take": ["name"]}
    )
    with pytest.raises(TerminalReferenceError, match=says):
        run(spec, tmp_path / "out", lines("k", "1"), references=reference(tmp_path, *records))


def test_a_reference_that_is_not_there_stops_the_run(tmp_path: Path) -> None:
    spec = dataset(column("k"), column("name"), enrich={"with": "reference/r.csv", "on": "k", "take": ["name"]})
    with pytest.raises(TerminalReferenceError, match="was not handed to the engine"):
        run(spec, tmp_path, lines("k", "1"))


def test_a_rule_cannot_read_a_file() -> None:
    from include.engine.database import Database

    with Database() as database:
        for sql in ("SELECT * FROM read_text('/etc/hostname')", "SET enable_external_access = true", "INSTALL httpfs"):
            with pytest.raises(database.error):
                database.query(sql)


def test_a_filter_that_gives_no_truth_value_is_refused_when_the_dataset_is_read() -> None:
    with pytest.raises(SpecError, match="filter"):
        dataset(column("a", "integer"), filter="a + 1")

"""A rule is refused, with place, reason and remedy, unless all of it stands on the allow-list."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from include.spec.columns import Column
from include.spec.rule_table import FUNCTIONS, OPERATORS, PARTS, signatures
from include.spec.rules import MAX_CHAIN, MAX_CHARACTERS, MAX_DEPTH, MAX_TOKENS, check_rule

COLUMNS = {
    "Sku": None,
    "price": Column(name="price", kind="decimal", precision=10, scale=2),
    "quantity": Column(name="quantity", kind="integer"),
    "rate": Column(name="rate", kind="float"),
    "day": Column(name="day", kind="date"),
    "at": Column(name="at", kind="timestamp"),
    "payload": Column(name="payload", kind="object"),
    "giant": Column(name="giant", kind="decimal", precision=76, scale=38),
}


@pytest.mark.parametrize(
    "expression",
    [
        "UPPER(TRIM(sku))",
        "NULLIF(TRIM(SKU), '')",
        "quantity > 0",
        "IF(price > 50, ROUND(price * NUMERIC '0.1', 2), NUMERIC '0')",
        "quantity * price",
        "`price` + 1",
        "DATE_DIFF(day, '2024-01-01', WEEK(MONDAY)) BETWEEN 0 AND 5",
        "CASE quantity WHEN 1 THEN 'one' WHEN 2 THEN 'two' END",
        "SPLIT(sku, '-')[SAFE_OFFSET(1)]",
        r"REGEXP_CONTAINS(sku, r'^\d{3}$')",
        "payload IS NOT NULL",
        "NOT (quantity IN (1, 2) OR rate < -1.5e3)",
        "\"double quoted\" || '''tripled'''",
    ],
)
def test_a_row_rule_is_accepted(expression: str) -> None:
    assert check_rule(expression, COLUMNS) is None
    assert check_rule(expression, list(COLUMNS)) is None


@pytest.mark.parametrize(
    ("expression", "place", "message"),
    [
        ("UPPER(nope)", "character 7", "`nope` is no column that this rule can see"),
        ("price > 1 AND\n  nope", "line 2, character 3", "`nope` is no column"),
        ("1 + NOPE(price)", "character 5", "NOPE is no function that a rule may use"),
        ("net.host(sku)", "character 5", "is not allowed in a rule"),
        ("SAFE.SUBSTR(sku, 1)", "character 6", "is not allowed in a rule"),
        ("other.price", "character 1", "`other.price` is no column"),
        ("RAND()", "character 1", "RAND answers differently each time"),
        ("quantity + GENERATE_UUID()", "character 12", "answers differently each time"),
        ("day < CURRENT_DATE", "character 7", "CURRENT_DATE answers differently each time"),
        ("day < CURRENT_DATE()", "character 7", "CURRENT_DATE answers differently each time"),
        ("SESSION_USER()", "character 1", "answers differently each time"),
        ("SUM(price)", "character 1", "SUM looks at more than one record"),
        ("COUNT(*) > 1", "character 1", "COUNT looks at more than one record"),
        ("SUM(price) OVER (PARTITION BY sku)", "character 1", "a window function is not allowed"),
        ("(SELECT MAX(price) FROM t)", "character", "a subquery is not allowed"),
        ("quantity IN (SELECT 1)", "character 1", "IN takes a list in brackets"),
        ("quantity IN UNNEST([1])", "character 1", "IN takes a list in brackets"),
        ("EXISTS(SELECT 1)", "character", "is not allowed in a rule"),
        ("price AS p", "character 1", "is not allowed in a rule"),
        ("price; DROP TABLE orders", "character 6", "`;` does not belong in a rule"),
        ("price -- > 1", "character 1", "holds a comment"),
        ("price # > 1", "character 1", "holds a comment"),
        ("price /* */ > 1", "character 1", "holds a comment"),
        ("@parameter", "character 1", "`@` does not belong in a rule"),
        ("price = ?", "character 9", "`?` does not belong in a rule"),
        ("{{ price }}", "character 1", "does not belong in a rule"),
        ("price::INT64", "character 6", "`::` does not belong in a rule"),
        ("quantity = 1 = 2", "character 1", "comparisons cannot be chained"),
        ("STRUCT(1, 2)", "character 1", "is no function that a rule may use"),
        ("[1, 2]", "character 2", "is not allowed in a rule"),
        ("DATE_ADD(day, INTERVAL 1 HOUR)", "character 1", "DATE_ADD knows no HOUR"),
        ("DATE_TRUNC(day, DECADE)", "character 17", "DATE_TRUNC knows no DECADE"),
        ("UPPER(sku", "character", "is no GoogleSQL expression"),
        ("UPPER(sku))", "character 11", "is no GoogleSQL expression"),
        ("'unclosed", "character", "is no GoogleSQL expression"),
        ("", "character 1", "is empty"),
        ("   ", "character 1", "is empty"),
        ("0x1F", "character 1", "does not belong in a rule"),
        ("b'bytes'", "character 1", "does not belong in a rule"),
        (r"'\q'", "character 1", "holds an escape that GoogleSQL does not know"),
        ("9223372036854775808", "character 1", "is too large for INT64"),
        ("1e999", "character 1", "is no number"),
        ("DATE '2024-02-30'", "character 6", "'2024-02-30' is no DATE"),
        ("NUMERIC 'x'", "character 9", "'x' is no NUMERIC"),
        ("REGEXP_CONTAINS(sku, '(')", "character 22", "holds no regular expression"),
        ("REGEXP_CONTAINS(sku, '(?=a)')", "character 22", "look-around"),
        ("REGEXP_EXTRACT(sku, '(a)(b)')", "character 21", "more than one capturing group"),
        ("REGEXP_EXTRACT(sku, '(a)?b')", "character 21", "need not take part"),
        ("REGEXP_EXTRACT(sku, 'b|(a)')", "character 21", "need not take part"),
        ("REGEXP_EXTRACT(sku, '(?:x(a))*b')", "character 21", "need not take part"),
        ("REGEXP_REPLACE(sku, 'a', r'\\1')", "character 26", "the replacement holds"),
        ("PARSE_DATE('%Q', sku)", "character 12", "PARSE_DATE knows no %Q"),
        ("FORMAT_DATE('%H', day)", "character 13", "a date has no time of day"),
        ("LPAD(sku, 5, '')", "character 14", "empty text"),
        ("LEFT(sku, -1)", "character", "cannot take -1 characters"),
        ("SPLIT(sku)[0]", "character 1", "addressed by a constant whole number"),
        ("SPLIT(sku)[ORDINAL(0)]", "character 1", "no array has such an element"),
        ("CAST(sku AS STRUCT<a INT64>)", "character", "is no type of a rule"),
        ("CAST(sku AS NUMERIC(40, 2))", "character 6", "is no type of BigQuery"),
        ("EXTRACT(DAY FROM at AT TIME ZONE 'Asia/Tokyo')", "character", "rules are in UTC"),
        ("MD5(sku)", "character 1", "gives BYTES, which no column holds"),
    ],
)
def test_what_is_no_rule_is_refused_at_its_place(expression: str, place: str, message: str) -> None:
    problem = check_rule(expression, COLUMNS)
    assert problem is not None
    assert problem.message.startswith(f"at {place}")
    assert message in problem.message
    assert problem.fix


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("price + sku", "+ does not take NUMERIC, STRING"),
        ("UPPER(price)", "UPPER does not take NUMERIC"),
        ("price > 'x'", "needs operands of one type, not NUMERIC, STRING"),
        ("IF(quantity, 1, 2)", "IF does not take INT64"),
        ("COALESCE(price, 'none')", "needs operands of one type"),
        ("CASE WHEN quantity THEN 1 END", "INT64 stands where BOOL is needed"),
        ("price * 0.1", "0.1 is FLOAT64, and would make a decimal inexact"),
        ("ROUND(rate, 2)", "ROUND does not take FLOAT64, INT64"),
        ("CAST(rate AS STRING)", "a FLOAT64 cannot be cast to STRING"),
        ("giant + 1", "has a type that rules cannot compute with"),
        ("day > '2024-13-01'", "is no DATE"),
        ("payload = payload", "= does not take JSON"),
        ("SUBSTR(sku, '1')", "SUBSTR does not take STRING, STRING"),
        ("LEFT(sku, quantity)", "LEFT does not take STRING, INT64"),
    ],
)
def test_operands_of_another_type_are_refused_where_types_are_known(expression: str, message: str) -> None:
    problem = check_rule(expression, COLUMNS)
    assert problem is not None
    assert message in problem.message


def test_the_type_of_the_result_can_be_demanded() -> None:
    problem = check_rule("quantity + 1", COLUMNS, result="BOOL")
    assert problem is not None
    assert problem.message == "at character 1: gives INT64, not BOOL"
    assert check_rule("quantity > 1", COLUMNS, result="BOOL") is None
    assert check_rule("quantity > 1", list(COLUMNS), result="BOOL") is None


def test_a_refusal_lists_what_is_allowed() -> None:
    problem = check_rule("FARM_FINGERPRINT(sku)", COLUMNS)
    assert problem is not None
    assert all(name in problem.fix for name in FUNCTIONS)


def test_a_call_with_wrong_arguments_is_told_the_right_ones() -> None:
    problem = check_rule("DATE_TRUNC(day)", COLUMNS)
    assert problem is not None
    assert problem.message == "at character 1: DATE_TRUNC takes other arguments"
    assert problem.fix.startswith("Write DATE_TRUNC(DATE, PART). Parts are: DAY, WEEK,")


@pytest.mark.parametrize(
    "expression",
    [
        "ABS(" * 60 + "quantity" + ")" * 60,
        "'" + "x" * MAX_CHARACTERS + "'",
        " + ".join(["quantity"] * MAX_TOKENS),
        "(" * 500 + "quantity" + ")" * 500,
        "ABS(" * (MAX_DEPTH + 1) + "quantity" + ")" * (MAX_DEPTH + 1),
        "NOT " * 400 + "TRUE",
        "- " * 400 + "quantity",
        "CASE WHEN TRUE THEN " * 30 + "1" + " END" * 30,
    ],
)
def test_size_and_depth_are_bounded(expression: str) -> None:
    problem = check_rule(expression, COLUMNS)
    assert problem is not None
    assert "more than" in problem.message or "longer than" in problem.message


@pytest.mark.parametrize("operator", ["+", "AND", "OR", "||"])
def test_the_longest_chain_that_is_allowed_is_read_and_no_longer_one(operator: str) -> None:
    operand = {"+": "quantity", "||": "sku"}.get(operator, "quantity > 1")
    assert check_rule(f" {operator} ".join([operand] * (MAX_CHAIN - 5)), COLUMNS) is None
    problem = check_rule(f" {operator} ".join([operand] * (MAX_CHAIN + 5)), COLUMNS)
    assert problem is not None
    assert problem.message == "at character 1: chains more than 100 operations"


def test_the_table_of_the_allow_list_can_be_read() -> None:
    kinds = {"STRING", "INT64", "FLOAT64", "NUMERIC", "BOOL", "DATE", "TIMESTAMP", "DATETIME", "TIME", "BYTES", "T"}
    kinds |= {"ANY", "PART", "INTERVAL", "ARRAY<STRING>"}
    for name in (*OPERATORS, *FUNCTIONS):
        for form in signatures(name):
            assert {form.result, *(p.kind for p in form.parameters)} <= kinds
    assert {name.split()[0] for name in PARTS} <= set(FUNCTIONS)


def test_importing_the_module_leaves_sqlglot_alone() -> None:
    code = "import sys; import include.spec.rules; sys.exit('sqlglot' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_checking_the_rules_of_a_dataset_costs_little_beside_reading_them() -> None:
    import sqlglot

    rules = [
        "UPPER(TRIM(sku))", "LOWER(sku)", "NULLIF(TRIM(sku), '')", "quantity > 0",
        "IF(price > 50, ROUND(price * NUMERIC '0.1', 2), NUMERIC '0')",
    ]  # fmt: skip

    def seconds(work: object) -> float:
        best = float("inf")
        for _ in range(20):
            begin = time.perf_counter()
            for rule in rules:
                work(rule)  # type: ignore[operator]
            best = min(best, time.perf_counter() - begin)
        return best

    plain = seconds(lambda rule: sqlglot.parse_one(rule, read="bigquery"))
    assert seconds(lambda rule: check_rule(rule, COLUMNS)) < 4 * plain

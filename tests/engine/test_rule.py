"""Every function of the allow-list gives BigQuery's documented answer in DuckDB.

The answers stand in rule_answers*.py, with the pages that they are from.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from include.engine.rule import compile_rule, failure_reason, rule_type
from include.spec.columns import Column
from include.spec.rule_table import CASTS, FUNCTIONS, OPERATORS
from tests.engine import rule_answers, rule_answers_dates
from tests.engine.rule_answers import FAILS

if TYPE_CHECKING:
    import duckdb

D = Decimal
GOLDEN = rule_answers.GOLDEN | rule_answers_dates.GOLDEN

COLUMNS: dict[str, tuple[Column | None, Any]] = {
    # name: (column, its value in the one record that every rule here sees)
    "raw": (None, " Ab1 "),
    "text": (Column(name="text", kind="string"), "apple"),
    "empty": (Column(name="empty", kind="string"), ""),
    "no_text": (Column(name="no_text", kind="string"), None),
    "one": (Column(name="one", kind="integer"), 1),
    "zero": (Column(name="zero", kind="integer"), 0),
    "minus": (Column(name="minus", kind="integer"), -7),
    "huge": (Column(name="huge", kind="integer"), 9223372036854775807),
    "least_int": (Column(name="least_int", kind="integer"), -9223372036854775808),
    "no_int": (Column(name="no_int", kind="integer"), None),
    "half": (Column(name="half", kind="float"), 2.5),
    "nan": (Column(name="nan", kind="float"), float("nan")),
    "inf": (Column(name="inf", kind="float"), float("inf")),
    "vast": (Column(name="vast", kind="float"), 1.7e308),
    "no_float": (Column(name="no_float", kind="float"), None),
    "price": (Column(name="price", kind="decimal", precision=10, scale=2), D("19.99")),
    "cost": (Column(name="cost", kind="decimal", precision=12, scale=4), D("12345678.1234")),
    "nothing": (Column(name="nothing", kind="decimal", precision=10, scale=2), D("0.00")),
    "wide": (Column(name="wide", kind="decimal"), D("12345678901234567890123456789.123456789")),
    "no_price": (Column(name="no_price", kind="decimal", precision=10, scale=2), None),
    "yes": (Column(name="yes", kind="boolean"), True),
    "no": (Column(name="no", kind="boolean"), False),
    "no_bool": (Column(name="no_bool", kind="boolean"), None),
    "day": (Column(name="day", kind="date"), date(2024, 2, 29)),
    "no_day": (Column(name="no_day", kind="date"), None),
    "moment": (Column(name="moment", kind="timestamp"), datetime(2024, 2, 29, 23, 59, 58, 123456, UTC)),
    "old": (Column(name="old", kind="timestamp"), datetime(1969, 12, 31, 23, 59, 58, 500000, UTC)),
    "no_moment": (Column(name="no_moment", kind="timestamp"), None),
    "local": (Column(name="local", kind="datetime"), datetime(2024, 2, 29, 23, 59, 58, 5)),
    "clock": (Column(name="clock", kind="time"), time(23, 59, 58, 123456)),
    "tags": (Column(name="tags", kind="array", items=Column(name="item", kind="string")), ["a", "b"]),
}
TYPES = {name: column for name, (column, _) in COLUMNS.items()}
SQL_TYPES = {
    "string": "VARCHAR", "integer": "BIGINT", "float": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE", "time": "TIME",
    "timestamp": "TIMESTAMPTZ", "datetime": "TIMESTAMP", "array": "VARCHAR[]",
}  # fmt: skip


def _sql_type(column: Column | None) -> str:
    if column and column.kind == "decimal":
        return f"DECIMAL({column.precision},{column.scale})"
    return SQL_TYPES[column.kind if column else "string"]


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    with duckdb.connect() as connection:
        # As in the engine: DuckDB would compute what stands twice outside of TRY.
        connection.execute("SET disabled_optimizers = 'common_subexpressions'")
        # Another zone than UTC: rules must not depend on the session's.
        connection.execute("SET TimeZone = 'America/New_York'")
        types = [f'"{name}" {_sql_type(column)}' for name, column in TYPES.items()]
        connection.execute(f"CREATE TABLE record ({', '.join(types)})")
        connection.execute(
            f"INSERT INTO record VALUES ({', '.join('?' * len(TYPES))})", [value for _, value in COLUMNS.values()]
        )
        yield connection


def answer(database: duckdb.DuckDBPyConnection, expression: str) -> Any:
    import duckdb

    try:
        row = database.execute(f"SELECT {compile_rule(expression, TYPES)} FROM record").fetchone()
    except duckdb.Error:
        return FAILS
    assert row is not None
    return row[0].astimezone(UTC) if isinstance(row[0], datetime) and row[0].tzinfo else row[0]


@pytest.mark.parametrize(
    ("expression", "expected"), [pytest.param(e, x, id=e) for cases in GOLDEN.values() for e, x in cases]
)
def test_a_rule_answers_as_bigquery_documents(
    database: duckdb.DuckDBPyConnection, expression: str, expected: Any
) -> None:
    given = answer(database, expression)
    assert given == expected
    assert type(given) is type(expected)


def test_every_name_of_the_allow_list_has_golden_answers() -> None:
    assert set(GOLDEN) == {*OPERATORS, *FUNCTIONS, "CASE", "CAST", "SAFE_CAST", "ELEMENT"}


def test_every_cast_of_the_allow_list_compiles() -> None:
    values = {"STRING": "text", "INT64": "one", "NUMERIC": "price", "FLOAT64": "half", "BOOL": "yes", "DATE": "day"}
    values |= {"DATETIME": "local", "TIMESTAMP": "moment", "TIME": "clock"}
    for given, wanted in ((g, w) for g, ws in CASTS.items() for w in ws):
        assert compile_rule(f"CAST({values[given]} AS {wanted})", TYPES)


def test_what_fails_is_null_as_a_whole_where_one_asks_for_safety(database: duckdb.DuckDBPyConnection) -> None:
    for cases in GOLDEN.values():
        for expression, expected in cases:
            if any(name in expression for name in TYPES):
                sql = compile_rule(expression, TYPES, safe=True)
                row = database.execute(f"SELECT {sql} AS outcome FROM record").fetchone()
                assert row is not None
                assert (row[0] is None) == (expected == FAILS), expression


def test_one_bad_record_does_not_take_the_others_with_it(database: duckdb.DuckDBPyConnection) -> None:
    sql = compile_rule("10 / n", {"n": Column(name="n", kind="integer")}, safe=True)
    rows = database.execute(
        f"SELECT s.value, s IS NULL FROM (SELECT {sql} AS s FROM (VALUES (2::BIGINT), (0), (NULL), (5)) AS t(n))"
    ).fetchall()
    assert rows == [(5.0, False), (None, True), (None, False), (2.0, False)]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("one / zero", "division by zero"),
        ("DIV(huge, zero)", "division by zero"),
        ("huge + 1", "a number or a date is out of range"),
        ("CAST(text AS INT64)", "a value cannot be converted to the type that the rule needs"),
        ("CAST('9223372036854775808' || text AS INT64)", "a value cannot be converted to the type that the rule needs"),
        ("DATE_ADD('9999-12-31', INTERVAL one DAY)", "a date is out of range"),
        ("SUBSTR(text, 1, minus)", "SUBSTR got a negative length"),
    ],
)
def test_the_reason_of_a_failure_holds_no_data(
    database: duckdb.DuckDBPyConnection, expression: str, reason: str
) -> None:
    import duckdb

    with pytest.raises(duckdb.Error) as raised:
        database.execute(f"SELECT {compile_rule(expression, TYPES)} FROM record").fetchone()
    assert failure_reason(raised.value) == reason


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("ROUND(price * NUMERIC '0.1', 2)", "DECIMAL(11,2)"),
        ("one * cost", "DECIMAL(31,4)"),
        ("price + 1", "DECIMAL(11,2)"),
        ("wide * wide", "DECIMAL(38,9)"),
        ("price / 3", "DECIMAL(38,9)"),
        ("IF(yes, price, 0)", "DECIMAL(10,2)"),
        ("one + 1", "BIGINT"),
        ("one / 2", "DOUBLE"),
        ("DATE_ADD(day, INTERVAL 1 MONTH)", "DATE"),
        ("TIMESTAMP_TRUNC(moment, DAY)", "TIMESTAMP WITH TIME ZONE"),
        ("SPLIT(text)", "VARCHAR[]"),
    ],
)
def test_the_type_that_a_rule_promises_is_the_one_it_gives(
    database: duckdb.DuckDBPyConnection, expression: str, kind: str
) -> None:
    assert rule_type(expression, TYPES) == kind
    row = database.execute(f"SELECT typeof({compile_rule(expression, TYPES)}) FROM record").fetchone()
    assert row == (kind,)


def test_every_golden_rule_gives_the_type_that_it_promises(database: duckdb.DuckDBPyConnection) -> None:
    for cases in GOLDEN.values():
        for expression, expected in cases:
            if expected not in (FAILS, None):
                row = database.execute(f"SELECT typeof({compile_rule(expression, TYPES)}) FROM record").fetchone()
                assert row == (rule_type(expression, TYPES),), expression


def test_a_column_is_found_without_regard_to_case_and_written_as_the_contract_has_it() -> None:
    assert compile_rule("PRICE > 1", {"Price": TYPES["price"]}) == "(\"Price\" > CAST('1' AS DECIMAL(10,2)))"


def test_a_decimal_keeps_every_digit(database: duckdb.DuckDBPyConnection) -> None:
    columns = {
        "on_hand": Column(name="on_hand", kind="integer"),
        "unit_cost": Column(name="unit_cost", kind="decimal", precision=12, scale=4),
    }
    sql = compile_rule("on_hand * unit_cost", columns)
    row = database.execute(
        f"SELECT {sql} FROM (SELECT 99999999999::BIGINT AS on_hand, 99999999.9999::DECIMAL(12,4) AS unit_cost)"
    )
    assert row.fetchone() == (D(99999999999) * D("99999999.9999"),)


def test_upper_and_lower_follow_unicode_for_every_character(database: duckdb.DuckDBPyConnection) -> None:
    columns = {"letter": Column(name="letter", kind="string")}
    letters = [chr(n) for n in range(1, 0x1F000) if not 0xD800 <= n < 0xE000]
    database.execute("CREATE OR REPLACE TEMP TABLE letters AS SELECT unnest(?::VARCHAR[]) AS letter", [letters])
    upper, lower = (compile_rule(f"{function}(letter)", columns) for function in ("UPPER", "LOWER"))
    found = database.execute(f"SELECT letter, {upper}, {lower} FROM letters").fetchall()
    wrong = [row for row in found if row[1:] != (row[0].upper(), row[0].lower())]
    assert not wrong


@pytest.mark.parametrize("places", range(-3, 4))
def test_rounding_and_division_agree_with_exact_decimals(database: duckdb.DuckDBPyConnection, places: int) -> None:
    from decimal import ROUND_DOWN, ROUND_HALF_UP

    columns = {name: Column(name=name, kind="decimal", precision=14, scale=4) for name in ("a", "b")}
    numbers = [
        D(n) / 10000 for n in (0, 1, 4999, 5000, 5001, 15000, 25000, 99999999, 123455000, -5000, -14999, -99999999)
    ]
    rounded, cut = (compile_rule(f"{f}(a, {places})", columns) for f in ("ROUND", "TRUNC"))
    divided = compile_rule("a / b", columns)
    for a in numbers:
        b = D("-3.7") if places % 2 else D("0.7")
        row = database.execute(
            f"SELECT {rounded}, {cut}, {divided} FROM (SELECT ?::DECIMAL(14,4) AS a, ?::DECIMAL(14,4) AS b)", [a, b]
        ).fetchone()
        unit = D(1).scaleb(-places)
        assert row == (
            (a / unit).quantize(D(1), ROUND_HALF_UP) * unit,
            (a / unit).quantize(D(1), ROUND_DOWN) * unit,
            (a / b).quantize(D("1e-9"), ROUND_HALF_UP),
        )


@pytest.mark.parametrize("expression", [" AND ".join(["price > 1"] * 90), "ABS(" * 24 + "price" + ")" * 24])
def test_the_longest_rules_run(database: duckdb.DuckDBPyConnection, expression: str) -> None:
    assert answer(database, expression) in (True, D("19.99"))


def test_a_long_rule_stays_linear_in_size() -> None:
    expression = "price"
    for _ in range(8):
        expression = f"ROUND(({expression} + 1) / 3, 2)"
    assert len(compile_rule(expression, TYPES)) < 20_000

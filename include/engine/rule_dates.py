"""DuckDB's SQL for the functions of days and instants; everything is in UTC, from year 1 to 9999."""

from __future__ import annotations

import re
from collections.abc import Callable

from include.engine.rule_sql import BLANKS, Call, Scope, quoted, tested
from include.spec.rule_literals import READ, WRITTEN, split_format

_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
_MICROS = {
    "MICROSECOND": 1, "MILLISECOND": 1_000, "SECOND": 1_000_000, "MINUTE": 60_000_000, "HOUR": 3_600_000_000,
    "DAY": 86_400_000_000,
}  # fmt: skip
_STEPS = {
    "DAY": "CAST({n} AS INTEGER)", "WEEK": "CAST({n} * 7 AS INTEGER)", "MONTH": "to_months(CAST({n} AS INTEGER))",
    "QUARTER": "to_months(CAST({n} * 3 AS INTEGER))", "YEAR": "to_months(CAST({n} * 12 AS INTEGER))",
}  # fmt: skip
# Day of the week on which a week begins, counted from 1970-01-01, which was a Thursday.
_BEGINS = {
    "WEEK": 3, "WEEK(SUNDAY)": 3, "WEEK(MONDAY)": 4, "ISOWEEK": 4, "WEEK(TUESDAY)": 5, "WEEK(WEDNESDAY)": 6,
    "WEEK(THURSDAY)": 0, "WEEK(FRIDAY)": 1, "WEEK(SATURDAY)": 2,
}  # fmt: skip
# A multiple of 7 that makes every day since year 1 positive.
_LIFT = 770_000
_FIELDS = {
    "DAYOFWEEK": "dayofweek({0}) + 1", "DAY": "day({0})", "DAYOFYEAR": "dayofyear({0})", "MONTH": "month({0})",
    "QUARTER": "quarter({0})", "YEAR": "year({0})", "ISOWEEK": "week({0})", "ISOYEAR": "isoyear({0})",
    "HOUR": "hour({0})", "MINUTE": "minute({0})", "SECOND": "second({0})", "MILLISECOND": "millisecond({0}) % 1000",
    "MICROSECOND": "microsecond({0}) % 1000000",
}  # fmt: skip
_TRUNCATED = {"ISOWEEK": "week"}


def _day(scope: Scope, sql: str) -> str:
    def wrong(x: str) -> str:
        return f"{x} < DATE '0001-01-01' OR {x} > DATE '9999-12-31'"

    return tested(scope, f"CAST({sql} AS DATE)", wrong, "a date is out of range", "DATE")


def _instant(scope: Scope, micros: str) -> str:
    def wrong(x: str) -> str:
        return f"{x} < {_FIRST_US} OR {x} > {_LAST_US}"

    inner = tested(scope, micros, wrong, "a timestamp is out of range", "BIGINT")
    return f"make_timestamptz({inner})"


def _utc(instant: str) -> str:
    return f"({instant} AT TIME ZONE 'UTC')"


def _date(call: Call) -> str:
    scope, node = call.scope, call.node
    parts = call.operands
    if len(parts) == 3:
        return _day(scope, f"make_date({', '.join(parts)})")
    return f"CAST({_utc(parts[0]) if node.arguments[0].kind.name == 'TIMESTAMP' else parts[0]} AS DATE)"


def _signed(count: str, sign: int) -> str:
    return count if sign > 0 else f"(CAST(0 AS BIGINT) - {count})"


def _moved_day(sign: int) -> Callable[[Call], str]:
    def emit(call: Call) -> str:
        scope, node = call.scope, call.node
        day, interval = call.operands
        step = _STEPS[str(node.arguments[1].value)].format(n=_signed(interval, sign))
        return _day(scope, f"({day} + {step})")

    return emit


def _moved_instant(sign: int) -> Callable[[Call], str]:
    def emit(call: Call) -> str:
        scope, node = call.scope, call.node
        instant, interval = call.operands
        unit = _MICROS[str(node.arguments[1].value)]
        return _instant(scope, f"(epoch_us({instant}) + {_signed(interval, sign)} * CAST({unit} AS BIGINT))")

    return emit


def _number(day: str) -> str:
    return f"date_diff('day', DATE '1970-01-01', {day})"


def _difference(call: Call) -> str:
    node = call.node
    later, earlier, _part = call.operands
    name = str(node.arguments[2].value)
    if name in _BEGINS:
        begin = _BEGINS[name]
        later, earlier = (f"(({_number(d)} - {begin} + {_LIFT}) // 7)" for d in (later, earlier))
        return f"({later} - {earlier})"
    if name == "ISOYEAR":
        return f"(isoyear({later}) - isoyear({earlier}))"
    return f"date_diff('{name.lower()}', {earlier}, {later})"


def _truncated(call: Call) -> str:
    scope, node = call.scope, call.node
    day, _part = call.operands
    name = str(node.arguments[1].value)
    if name == "DAY":
        return day

    def week(x: str, begin: int) -> str:
        return f"({x} - CAST(({_number(x)} - {begin} + {_LIFT}) % 7 AS INTEGER))"

    if name in _BEGINS:
        return _day(scope, scope.let(day, lambda x: week(x, _BEGINS[name])))
    if name == "ISOYEAR":
        fourth = f"make_date(isoyear({day}), CAST(1 AS BIGINT), CAST(4 AS BIGINT))"
        return _day(scope, scope.let(fourth, lambda x: week(x, _BEGINS["ISOWEEK"])))
    return f"CAST(date_trunc('{name.lower()}', {day}) AS DATE)"


def _last_day(call: Call) -> str:
    day = call.operands[0]
    part = call.operand(1, "'MONTH'")
    months = {"'MONTH'": 1, "'QUARTER'": 3, "'YEAR'": 12}[part]
    return f"(CAST(date_trunc({part.lower()}, {day}) + to_months({months}) AS DATE) - 1)"


def _field(call: Call) -> str:
    node = call.node
    _part, value = call.operands
    moment = _utc(value) if node.arguments[1].kind.name == "TIMESTAMP" else value
    return f"CAST({_FIELDS[str(node.arguments[0].value)].format(moment)} AS BIGINT)"


def _elapsed(call: Call) -> str:
    node = call.node
    later, earlier, _part = call.operands
    return f"((epoch_us({later}) - epoch_us({earlier})) // CAST({_MICROS[str(node.arguments[2].value)]} AS BIGINT))"


def _truncated_instant(call: Call) -> str:
    scope, node = call.scope, call.node
    instant, _part = call.operands
    name = str(node.arguments[1].value)
    begin = f"date_trunc('{_TRUNCATED.get(name, name.lower())}', {_utc(instant)})"

    def wrong(x: str) -> str:
        return f"{x} < TIMESTAMP '0001-01-01 00:00:00'"

    return f"({tested(scope, begin, wrong, 'a timestamp is out of range', 'TIMESTAMP')} AT TIME ZONE 'UTC')"


def _of_epoch(unit: int) -> Callable[[Call], str]:
    def emit(call: Call) -> str:
        scope = call.scope
        count = call.operands[0]
        return _instant(scope, f"({count} * CAST({unit} AS BIGINT))")

    return emit


def _to_epoch(part: str, unit: int) -> Callable[[Call], str]:
    def emit(call: Call) -> str:
        instant = call.operands[0]
        return f"(epoch_us(date_trunc('{part}', {_utc(instant)})) // CAST({unit} AS BIGINT))"

    return emit


def _written(call: Call) -> str:
    node = call.node
    _form, moment = call.operands
    # DuckDB knows neither %F nor %T: they are written out.
    pieces = split_format(str(node.arguments[0].value), WRITTEN)
    plain = "".join(f"%{text}" if kind == "element" else text for kind, text in pieces)
    value = _utc(moment) if node.arguments[1].kind.name == "TIMESTAMP" else moment
    return f"strftime({value}, {quoted(plain)})"


def _pattern(form: str) -> tuple[str, list[str]]:
    """Return the pattern of what a format reads, and its elements in the order of the pattern's groups."""
    pieces, letters = split_format(form, READ), []
    pattern = f"^{BLANKS}"
    for number, (kind, text) in enumerate(pieces):
        if kind == "text":
            spaced = [re.escape(run) for run in re.split(r"[ \t\n\v\f\r]+", text)]
            pattern += BLANKS.replace("*", "+").join(spaced)
            continue
        letters.append(text)
        digits = READ[text]
        # BigQuery takes as many digits as it can and never gives one back; so an element that another follows has all.
        if number + 1 < len(pieces) and pieces[number + 1][0] == "element":
            digits = digits.replace("{1,", "{")
        pattern += f"({digits})"
    return pattern + f"{BLANKS}$", letters


def _read(call: Call) -> str:
    scope, node = call.scope, call.node
    _form, text = call.operands
    pattern, letters = _pattern(str(node.arguments[0].value))
    names = ", ".join(f"'{letter}{number}'" for number, letter in enumerate(letters))
    places = {letter: f"{letter}{number}" for number, letter in enumerate(letters)}
    instant = node.name == "PARSE_TIMESTAMP"

    def field(x: str, letter: str, default: int) -> str:
        return f"CAST({x}.{places[letter]} AS BIGINT)" if letter in places else f"CAST({default} AS BIGINT)"

    def made(x: str) -> str:
        day = ", ".join(field(x, letter, default) for letter, default in (("Y", 1970), ("m", 1), ("d", 1)))
        if not instant:
            return f"make_date({day})"
        clock = ", ".join(field(x, letter, 0) for letter in "HM")
        return f"make_timestamp({day}, {clock}, CAST({field(x, 'S', 0)} AS DOUBLE))"

    groups = f"regexp_extract({text}, {quoted(pattern)}, [{names}])"
    value = scope.let(groups, lambda x: f"CASE WHEN {x} IS NOT NULL THEN {made(x)} END")
    if not instant:
        return _day(scope, value)
    return f"({_bounded(scope, value)} AT TIME ZONE 'UTC')"


def _bounded(scope: Scope, value: str) -> str:
    def wrong(x: str) -> str:
        return f"{x} < TIMESTAMP '0001-01-01 00:00:00' OR {x} >= TIMESTAMP '10000-01-01 00:00:00'"

    return tested(scope, value, wrong, "a timestamp is out of range", "TIMESTAMP")


DATES: dict[str, str | Callable[[Call], str]] = {
    "DATE": _date,
    "DATE_ADD": _moved_day(1),
    "DATE_SUB": _moved_day(-1),
    "DATE_DIFF": _difference,
    "DATE_TRUNC": _truncated,
    "LAST_DAY": _last_day,
    "FORMAT_DATE": _written,
    "PARSE_DATE": _read,
    "UNIX_DATE": f"{_number('{0}')}",
    "EXTRACT": _field,
    "TIMESTAMP_ADD": _moved_instant(1),
    "TIMESTAMP_SUB": _moved_instant(-1),
    "TIMESTAMP_DIFF": _elapsed,
    "TIMESTAMP_TRUNC": _truncated_instant,
    "FORMAT_TIMESTAMP": _written,
    "PARSE_TIMESTAMP": _read,
    "TIMESTAMP_SECONDS": _of_epoch(1_000_000),
    "TIMESTAMP_MILLIS": _of_epoch(1_000),
    "TIMESTAMP_MICROS": _of_epoch(1),
    "UNIX_SECONDS": _to_epoch("second", 1_000_000),
    "UNIX_MILLIS": _to_epoch("milliseconds", 1_000),
    "UNIX_MICROS": "epoch_us({0})",
}

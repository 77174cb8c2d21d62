"""The quick ways give the very answer of the full ones, whatever the values, or leave the record to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.engine.check import FORMATS
from include.engine.database import Database
from include.engine.frame import LineFramer
from include.engine.parse_json import JsonParser
from include.engine.quick import quick_columns
from include.engine.show import Shower
from include.engine.verify import Verifier
from tests.engine.builder import column, dataset

DIGITS = st.text("0123456789.-+eE x", max_size=24)
DATES = st.from_regex(r"\A[0-9]{4}-[0-3][0-9]-[0-3][0-9]\Z")
TIMES = st.from_regex(r"\A[ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,8})?(Z|[+-][0-2][0-9]:[0-6][0-9])?\Z")
REAL = st.one_of(st.dates().map(str), st.datetimes().map(lambda when: f"{when.isoformat()}Z"))
TRUTHS = st.sampled_from(["true", "FALSE", "True", "tRUE", "yes", "1"])
WORDS = st.sampled_from(["a", "b", "abc", "a\nb", "ä", "日本語", "a@b.cd", "12:30", "::1", "1.2.3.4", "abc ", "",
                         "0", "-0"])  # fmt: skip
TEXTS = st.one_of(
    DIGITS, st.integers().map(str), st.decimals(allow_nan=True).map(str), st.floats().map(str), DATES, REAL, TRUTHS,
    WORDS, st.builds("{}{}".format, DATES, TIMES), st.none(),
    st.text(max_size=12).filter(lambda text: "\0" not in text),
)  # fmt: skip
COLUMNS = [
    column("v"),
    column("v", options={"pattern": "^a.b$", "maxLength": 5, "minLength": 1}, required=True),
    column("v", valid=["a", "b", "日本語"]),
    *(column("v", options={"format": name}) for name in FORMATS),
    column("v", "integer", options={"minimum": -3, "exclusiveMaximum": 10_000}),
    column("v", "number", physicalType="NUMERIC(5, 2)", options={"minimum": 0.01}),
    column("v", "number", physicalType="NUMERIC(38, 9)"),
    column("v", "number", physicalType="NUMERIC(2, 2)"),
    column("v", "number", physicalType="NUMERIC(9)"),
    column("v", "number", physicalType="FLOAT64"),
    column("v", "boolean"),
    column("v", "date"),
    column("v", "timestamp"),
]


@pytest.fixture(scope="module")
def database() -> Any:
    with Database(threads=1) as made:
        yield made


@pytest.mark.parametrize("prop", COLUMNS, ids=lambda prop: json.dumps({**prop, "name": ""})[12:60])
@given(st.lists(TEXTS, min_size=1, max_size=40))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_quick_way_is_sure_of_the_full_way_says_too(
    database: Database, prop: dict[str, Any], texts: list[str | None]
) -> None:
    spec = dataset(prop)
    verifier = Verifier(spec.source_columns, typed=False, shower=Shower(spec), database=database)
    block = pa.table({"v": pa.array(texts, pa.string())})
    values, sure = quick_columns(spec.source_columns)["v"](block.column("v").combine_chunks())
    typed, failing = verifier._judge(block)
    sure = np.ones(len(texts), np.bool_) if sure is None else sure
    assert not (sure & failing).any()
    kept = pa.array(sure)
    assert values.filter(kept).equals(typed.column("v").combine_chunks().filter(kept))


@pytest.mark.parametrize("prop", COLUMNS, ids=lambda prop: json.dumps({**prop, "name": ""})[12:60])
def test_usual_values_need_no_other_way(prop: dict[str, Any]) -> None:
    usual = {"integer": "17", "number": "0.25", "boolean": "true", "date": "2024-01-31",
             "timestamp": "2024-01-31T10:00:00Z"}  # fmt: skip
    texts = pa.array([usual.get(prop["logicalType"], "a") if prop.get("physicalType") != "NUMERIC(9)" else "7"])
    formats = {"email": "a@b.cd", "uuid": "00000000-0000-0000-0000-000000000000", "uri": "a:b", "hostname": "a",
               "ipv4": "1.2.3.4", "ipv6": "::1", "byte": "YWJj"}  # fmt: skip
    options = prop.get("logicalTypeOptions", {})
    texts = pa.array([formats[options["format"]]]) if "format" in options else texts
    texts = pa.array(["a\u00e4b"]) if "pattern" in options else texts
    _, sure = quick_columns(dataset(prop).source_columns)["v"](texts)
    assert sure is None


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)  # fmt: skip
RAW = st.one_of(
    SCALARS.map(json.dumps), SCALARS.map(lambda value: json.dumps(value, ensure_ascii=False)),
    st.sampled_from(["1.50", "-0", "01", "1e400", "+1", ".5", "1.", "tru", "nul", '"a, "', '"}"', '"a"b"', '"\\u0000"',
                     '"\\ud800"', '"\t"', '"a\\"b"', "", "1 ", '"x": 1', "Infinity", '"a"}', '"\x01"', "{}", "-"]),
)  # fmt: skip
DEEP = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
NESTED = st.one_of(
    *(DEEP.map(partial(json.dumps, ensure_ascii=ascii_, separators=separators))
      for ascii_ in (True, False) for separators in ((", ", ": "), (",", ":"))),
    st.sampled_from(['{"x": 1.50}', '{"x": 1, "x": 2}', "[NaN]", "[1,2", '{"x"}', '{"x": "\\ud800"}', '["\\u0000"]',
                     '{"x": {"y": "}"}}', '[[[", "]]]', '{"x": "\\\\"}', "[" * 99 + "]" * 99, "[" * 100 + "]" * 100,
                     '["a\\", "b"]', "{}", "[ ]", "[01]", "[1e400]", "[12345678901234567890.10]", '"[" : {"x": "]"}']),
)  # fmt: skip
PLAIN = dataset(
    column("a"), column("b", "integer"), column("c"),
    format={"type": "ndjson", "unexpected_columns": "ignore", "rename": {"ä": "c"}},
)  # fmt: skip
DEEPER = dataset(
    column("a", "object"), column("b", "array", items={"logicalType": "string"}), column("c"), clean={"c": "UPPER(c)"},
    format={"type": "ndjson", "unexpected_columns": "ignore", "rename": {"ä": "c"}},
)  # fmt: skip
RECORD = st.tuples(RAW, RAW, RAW)
SHAPES = ['{{"a": {}, "b": {}, "c": {}}}', '{{"a":{},"b":{},"c":{}}}', '{{ "a" : {},  "b" : {}, "c" : {} }}',
          '{{"b": {}, "a": {}, "c": {}}}', '{{"a": {}, "b": {}, "a": {}}}', '{{"a": {}, "b": {}, "d": {}}}',
          '{{"b": {}, "c": {}, "e": {}}}', '{{"a": {0}, "c": {1}}}', '{{"a": {0}}}', '{{ "a": {}, "b": {}, "c": {}}} ',
          '{{"a": {}, "b": {}}} {}', '{{"a": {}, "ä": {}, "b": {}}}', '\r{{"a": {}, "b": {}, "c": {}}}']  # fmt: skip


def split_twice(spec: Any, lines: list[str], ending: str) -> None:
    """Split lines in the quick way and one by one, and compare."""
    data = ending.join(lines).encode("utf-8", "surrogatepass")
    quick, full = JsonParser(spec), JsonParser(spec)
    full._splitter._accepts = lambda _: False
    read = iter([data])
    for frame in LineFramer(lambda _: next(read, b""), block=max(len(data) + 9, 64), limit=1 << 20).frames():
        ours, theirs = quick.parse(frame), full.parse(frame)
        assert ours[0].to_pydict() == theirs[0].to_pydict()
        assert ours[1].tolist() == theirs[1].tolist()
        assert ours[2] == theirs[2]
    assert quick.unexpected == full.unexpected


@pytest.mark.parametrize("unexpected", ["ignore", "quarantine", "fail"])
@given(
    st.lists(st.tuples(st.sampled_from(SHAPES[:1] * 6 + SHAPES), RECORD), max_size=25),
    st.sampled_from(SHAPES),
    st.sampled_from(["\n", "\r\n", "\n\n", "\n \n"]),
)
@settings(max_examples=60, deadline=None)
def test_lines_are_split_as_if_each_were_read(
    unexpected: str, records: list[tuple[str, tuple[str, str, str]]], first: str, ending: str
) -> None:
    form = {"type": "ndjson", "unexpected_columns": unexpected, "rename": {"ä": "c"}}
    spec = dataset(column("a"), column("b", "integer"), column("c"), format=form)
    lines = [first.format("1", '"x"', "null")] * 16 + [shape.format(*values) for shape, values in records]
    split_twice(spec, lines, ending)


@pytest.mark.parametrize("spec", [PLAIN, DEEPER], ids=["plain", "nested"])
@given(
    st.lists(st.tuples(st.sampled_from(SHAPES), st.tuples(*[st.one_of(NESTED, RAW)] * 3)), max_size=12),
    st.lists(st.sampled_from(SHAPES), min_size=1, max_size=4),
)
@settings(max_examples=100, deadline=None)
def test_lines_of_several_layouts_with_nested_values_are_split_as_if_each_were_read(
    spec: Any, records: list[tuple[str, tuple[str, str, str]]], shapes: list[str]
) -> None:
    usual = ['{"x": [1, "é"]}', '["a", "b"]', '"x"', "null"]
    lines = [shape.format(*usual[number % 2 :]) for number in range(20) for shape in shapes]
    split_twice(spec, lines + [shape.format(*values) for shape, values in records] + lines, "\n")


@pytest.mark.parametrize(
    "make",
    [
        lambda n: {"a": {"x": n, "y": [n, "z, ", {}]}, "b": ["s", "é"], "c": 'say "hi", then'},
        lambda n: {"a": {"x": n}} if n % 3 else {"a": {"x": n}, "b": ["t"], "c": None},
        lambda n: {"a": {"x": n}, "c": "x"} if n % 2 else {"c": "x", "b": [], "a": {"x": n}},
    ],
    ids=["nested", "lacking", "two orders"],
)
@pytest.mark.parametrize("style", [{}, {"ensure_ascii": False}, {"separators": (",", ":")}], ids=json.dumps)
def test_usual_lines_are_not_read_one_by_one(make: Callable[[int], Any], style: dict[str, Any]) -> None:
    parser = JsonParser(DEEPER)
    parser._read = None  # type: ignore[assignment, method-assign]
    data = "".join(json.dumps(make(n), **style) + "\n" for n in range(100)).encode()
    read = iter([data])
    (frame,) = LineFramer(lambda _: next(read, b""), block=1 << 20, limit=1 << 20).frames()
    table, rows, failures = parser.parse(frame)
    assert (len(rows), failures) == (100, {})
    assert [json.loads(text) for text in table.column("a").to_pylist()] == [make(n)["a"] for n in range(100)]
    assert table.column("c").to_pylist() == [make(n).get("c") for n in range(100)]


def test_lines_like_the_first_are_not_read_one_by_one() -> None:
    spec = dataset(column("a"), column("b", "integer"), format={"type": "ndjson"})
    parser = JsonParser(spec)
    parser._read = None  # type: ignore[assignment, method-assign]
    data = "".join(f'{{"a": "x{n}, y", "b": {n}}}\n' for n in range(100)).encode()
    read = iter([data])
    (frame,) = LineFramer(lambda _: next(read, b""), block=1 << 20, limit=1 << 20).frames()
    table, rows, failures = parser.parse(frame)
    assert (table.column("a")[99].as_py(), table.column("b")[7].as_py()) == ("x99, y", "7")
    assert (len(rows), failures) == (100, {})

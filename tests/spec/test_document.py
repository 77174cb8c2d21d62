"""YAML is read as people mean it; what could mislead or exhaust is refused with its line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.spec.document import line_of, parse_yaml, value_at
from include.spec.errors import Problem, SpecError


def refused(text: str | bytes) -> Problem:
    raw = text.encode() if isinstance(text, str) else text
    with pytest.raises(SpecError) as caught:
        parse_yaml(raw, "orders/contract.yaml")
    (problem,) = caught.value.problems
    assert problem.file == "orders/contract.yaml"
    assert problem.fix
    return problem


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("09:30", "09:30"),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        (".inf", ".inf"),
        ("5m", "5m"),
        ("010", 10),
        ("-7", -7),
        ("1e5", 100000.0),
        ("0.10", 0.1),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("'true'", "true"),
        ("gs://{landing}/*.csv", "gs://{landing}/*.csv"),
        ("'*'", "*"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = parse_yaml(f"key: {text}".encode(), "f")["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text_whatever_they_look_like() -> None:
    assert parse_yaml(b"on: 1\n2024: 2\n010: 3\ntrue: 4\n<<: 5", "f") == {
        "on": 1,
        "2024": 2,
        "010": 3,
        "true": 4,
        "<<": 5,
    }


def test_a_repeated_key_is_refused_with_its_line() -> None:
    problem = refused("a: 1\nload:\n  mode: merge\n  table: x.y\n  mode: append\n")
    assert problem.line == 5
    assert "'mode' stands twice" in problem.message


def test_the_same_key_in_two_mappings_is_no_repetition() -> None:
    assert parse_yaml(b"a: {x: 1}\nb: {x: 2}", "f") == {"a": {"x": 1}, "b": {"x": 2}}


@pytest.mark.parametrize(
    "text",
    ["a: &x 1\nb: *x\n", "a: &x 1\nb: [*x]\n", "a: &x 1\nb: {c: *x}\n", "a: &x 1\nb:\n  - *x\n", "a: &x 1\n*x : 2\n"],
)
def test_an_alias_is_refused_with_its_line(text: str) -> None:
    problem = refused(text)
    assert "aliases are not read" in problem.message
    assert problem.value == "*x"
    assert problem.line == text[: text.index("*x")].count("\n") + 1


def test_a_billion_laughs_are_refused_before_they_are_told() -> None:
    lines = ["l0: &l0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert refused("\n".join(lines)).line == 2


def test_a_star_in_text_is_no_alias() -> None:
    text = "description: |\n  wanted:\n  - *all* files\nfilter: price * 2 > 1 # *note\n"
    assert parse_yaml(text.encode(), "f")["filter"] == "price * 2 > 1"


@pytest.mark.parametrize("text", ["a: " + "[" * 60 + "]" * 60, "a: " + "{b: " * 60 + "1" + "}" * 60])
def test_nesting_beyond_need_is_refused(text: str) -> None:
    assert "nested more than 50 deep" in refused(text).message


def test_a_bomb_of_brackets_is_refused_rather_than_crashing() -> None:
    assert "nested more than 50 deep" in refused(b"a:\n  " + b"[" * 900_000).message
    assert "nested more than 50 deep" in refused(b'{"a":' * 100_000).message


def test_too_large_a_file_is_refused_unread() -> None:
    problem = refused(b"a: " + b"x" * 1_000_000)
    assert (problem.message, problem.value) == ("is too large", "1000003 bytes")


def test_bytes_that_are_not_utf_8_are_refused_with_their_line() -> None:
    problem = refused("a: 1\nb: caf\u00e9\n".encode("latin-1"))
    assert (problem.line, problem.message) == (2, "is not UTF-8")


def test_a_byte_order_mark_is_no_trouble() -> None:
    assert parse_yaml("\ufeffa: 1".encode(), "f") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: [1, 2\nb: 3\n", 2, "is not valid YAML"),
        ("a: 1\nb: 'open\n", 2, "is not valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "is not valid YAML"),
        ("a: 1\nb: \x00\n", 2, "is not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "is not valid YAML"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "could not determine a constructor"),
        ("a: !!timestamp never\n", 1, "could not determine a constructor"),
        ("a: !!int x\n", 1, "'x' is no whole number"),
        ("a: 1\nb: 1e999\n", 2, "is no number"),
        ("a: " + "9" * 5000, 1, "is no whole number"),
        ("- a\n- b\n", 1, "must hold a mapping"),
        ("", 1, "must hold a mapping"),
        ("just text", 1, "must hold a mapping"),
        ("tolerate: {", 1, "is not valid YAML"),
    ],
)
def test_what_is_no_yaml_mapping_is_refused_with_a_line_of_the_file(text: str, line: int, message: str) -> None:
    problem = refused(text)
    assert problem.line == line
    assert message in problem.message


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_json_is_read_exactly(data: dict[str, Any]) -> None:
    # Datasets travel to other processes as JSON; YAML would stumble over "\ud83d\ude00" and fold "\u2028".
    for ascii_only in (True, False):
        assert (
            parse_yaml(json.dumps(data, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"), "f") == data
            or not data
        )


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": 1e999}'])
def test_json_is_held_to_the_same_rules(text: str) -> None:
    assert refused(text).line == 1


TEXT = b"kind: x\nschema:\n  - name: a\n    properties:\n      - name: p\n      - {name: q, required: true}\nend: 1\n"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("kind",), 1),
        (("schema",), 2),
        (("schema", 0), 3),
        (("schema", 0, "properties"), 4),
        (("schema", 0, "properties", 0, "name"), 5),
        (("schema", 0, "properties", 1, "required"), 6),
        (("end",), 7),
        (("schema", 0, "properties", 1, "absent"), 6),
        (("schema", 0, "absent", "deeper"), 3),
        (("schema", 7), 2),
        (("absent",), 1),
    ],
)
def test_a_key_is_found_on_its_line_and_a_missing_one_on_that_of_its_parent(
    path: tuple[str | int, ...], line: int
) -> None:
    assert line_of(TEXT, path) == line


def test_the_value_at_a_path_is_found_and_a_missing_one_is_none() -> None:
    data = parse_yaml(TEXT, "f")
    assert value_at(data, ("schema", 0, "properties", 1, "name")) == "q"
    assert value_at(data, ("schema", 3, "name")) is None
    assert value_at(data, ("kind", "deeper")) is None


def test_a_line_is_what_an_editor_shows_as_one() -> None:
    text = "a: 1\nb: 'x\u2028y\x85z'\nc: 3\n"
    assert line_of(text.encode(), ("c",)) == 3

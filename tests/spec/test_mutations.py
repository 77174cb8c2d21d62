"""Whatever is done to a shipped file, reading it gives a dataset or problems that a person can act on."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.spec.dataset import Dataset, build_dataset
from include.spec.document import parse_yaml
from include.spec.errors import Problem, SpecError
from include.spec.settings import DATASETS

FILES = ("contract.yaml", "pipeline.yaml")
SHIPPED = {
    name: {file: (DATASETS / name / file).read_bytes() for file in FILES} for name in ("events", "inventory", "orders")
}
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["", "0s", "9" * 5000, "gs://{x}/*", "(?=a)", "a{99999}", "on", "[", "${x}", "\u2028", "😀"]),
)
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.one_of(st.text(max_size=8), st.integers(), st.booleans()), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every key and item below data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [found for key, value in items for found in ((*path, key), *places(value, (*path, key)))]


def parent(data: Any, path: tuple[Any, ...]) -> Any:
    for part in path[:-1]:
        data = data[part]
    return data


def assert_readable(name: str, texts: dict[str, bytes], *, rules: bool = True) -> None:
    """Assert that the texts make a dataset, or problems with file, line, message and fix."""
    try:
        dataset = build_dataset(name, texts, rules=rules)
        assert Dataset.from_wire(dataset.to_wire()) == dataset
    except SpecError as error:
        assert_actionable(name, texts, error.problems)


def assert_actionable(name: str, texts: dict[str, bytes], problems: tuple[Problem, ...]) -> None:
    assert problems
    for problem in problems:
        file = problem.file.removeprefix(f"{name}/")
        assert file in FILES
        assert 0 <= problem.line <= texts[file].count(b"\n") + 1
        assert problem.message
        assert "\n" not in problem.message
        assert problem.fix.endswith((".", "?"))
        assert str(problem).startswith(problem.file)


@pytest.mark.parametrize("name", SHIPPED)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_key_or_value_deleted_replaced_or_renamed_never_brings_another_exception(
    name: str, data: st.DataObject
) -> None:
    file = data.draw(st.sampled_from(FILES))
    parsed = copy.deepcopy(parse_yaml(SHIPPED[name][file], file))
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places(parsed)))
        holder = parent(parsed, path)
        act = data.draw(st.sampled_from(["delete", "replace", "rename", "add"]))
        if act == "delete":
            del holder[path[-1]]
        elif act == "replace" or isinstance(holder, list):
            holder[path[-1]] = data.draw(ANYTHING)
        elif act == "rename":
            holder[data.draw(st.text(min_size=1, max_size=8))] = holder.pop(path[-1])
        else:
            holder[data.draw(st.text(max_size=8))] = data.draw(ANYTHING)
    text = yaml.safe_dump(parsed, sort_keys=False, allow_unicode=True).encode("utf-8", "replace")
    assert_readable(name, {**SHIPPED[name], file: text})


@pytest.mark.parametrize("name", SHIPPED)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bytes_cut_doubled_or_overwritten_never_bring_another_exception(name: str, data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(FILES))
    raw = SHIPPED[name][file]
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 60)))
    junk = data.draw(
        st.sampled_from([b"", raw[start:end] * 2, b"\x00", b"\xff", b"*a", b"!!set ", b"&a ", b"\t", b"- "])
    )
    assert_readable(name, {**SHIPPED[name], file: raw[:start] + junk + raw[end:]})

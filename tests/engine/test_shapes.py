"""Patterns of one width are answered as RE2 answers them; all others are left to RE2."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.engine.check import FORMATS
from include.engine.shapes import of_fixed_shape

FIXED = ["^[A-Z]{3}-[0-9]{4}$", "^C[0-9]{6}$", "^[a-f_.]$", "^[@.:/-]{2}x[A-z]$", f"\\A(?:{FORMATS['uuid']})\\z"]
OTHER = ["[a-z]{3}", "^[a-z]{3}", "[a-z]{3}$", "^[a-z]{1,3}$", "^[^a]{3}$", "^a.b$", "^a+$", "^a|b$", "^ä$", "^$",
         "^a{0}$", r"^\d{3}$", "^[[:alpha:]]{2}$", "^(?:ab)$", "^[a-c-e]$", r"^[\d]$", "^a{2}{3}$", "^a?$", "^a{65}$",
         "^(a)$", r"^a\.$", "^[]a]$"]  # fmt: skip
TEXTS = st.one_of(
    st.none(), st.text("ABCx09-_@.:/`z\n ä", max_size=8), st.text(max_size=4), st.uuids().map(str),
    *(st.from_regex(shape.replace(r"\z", r"\Z")) for shape in FIXED),
)  # fmt: skip


@pytest.mark.parametrize("pattern", FIXED)
@given(st.lists(TEXTS, max_size=20), st.integers(0, 3))
def test_a_pattern_of_one_width_matches_what_re2_matches(pattern: str, texts: list[str | None], first: int) -> None:
    matches = of_fixed_shape(pattern)
    assert matches is not None
    column = pa.array(texts, pa.string()).slice(first)
    assert matches(column).tolist() == pc.match_substring_regex(column, pattern).fill_null(True).to_pylist()


@pytest.mark.parametrize("pattern", OTHER)
def test_no_other_pattern_is_taken(pattern: str) -> None:
    assert of_fixed_shape(pattern) is None

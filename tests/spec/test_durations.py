"""Durations and sizes are read as people write them."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.spec.durations import parse_duration, parse_size, parse_sla


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("3650d", 315_360_000)]
)
def test_a_duration_is_a_sum_of_numbers_and_units(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", "5M", "-5m", "1.5h", "5m ", "0s", "0m0s", "3651d", "9" * 9 + "d", "5m\n"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration is"):
        parse_duration(text)


@given(st.text(alphabet="0123456789smhd .", max_size=40))
def test_any_text_is_a_duration_above_zero_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_duration(text) > timedelta(0)


@pytest.mark.parametrize(
    ("text", "size"), [("1B", 1), ("500KB", 500_000), ("64MB", 64_000_000), ("2 gb", 2 * 10**9), ("1TB", 10**12)]
)
def test_a_size_is_a_number_and_a_power_of_ten(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5", "MB", "5MiB", "-1MB", "1.5GB", "0MB", "1PB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a size is"):
        parse_size(text)


@pytest.mark.parametrize(
    ("value", "unit", "hours"), [(1, "h", 1), (30, "minutes", 0.5), (1.5, "Days", 36), (1, " w ", 168)]
)
def test_an_sla_is_a_value_and_a_unit_of_the_standard(value: float, unit: str, hours: float) -> None:
    assert parse_sla(value, unit) == timedelta(hours=hours)


@pytest.mark.parametrize(("value", "unit"), [(1, "y"), (1, "months"), (1, None), (0, "h"), (-1, "h"), (1e300, "d")])
def test_what_is_no_fixed_span_is_none(value: float, unit: str | None) -> None:
    assert parse_sla(value, unit) is None

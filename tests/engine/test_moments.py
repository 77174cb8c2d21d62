"""Dates and moments are read by their digits as the standard library reads them, or left to the full way."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.engine.moments import days, moments
from include.engine.quick import quick_columns
from tests.engine.builder import column, dataset

EPOCH = datetime.datetime(1970, 1, 1)
MICROSECOND = datetime.timedelta(microseconds=1)
FIRST, LAST = datetime.datetime(1000, 1, 1), datetime.datetime(2999, 12, 31, 23, 59, 59, 999_999)


def table(texts: list[bytes]) -> Any:
    return np.frombuffer(b"".join(texts), np.uint8).reshape(len(texts), -1)


def test_every_day_of_two_thousand_years_is_known_and_no_other() -> None:
    texts = [b"%04d-%02d-%02d" % (y, m, d) for y in range(996, 3004) for m in range(14) for d in range(34)]
    found, right = days(table(texts))
    real = np.arange("1000-01-01", "3000-01-01", dtype="datetime64[D]")
    assert found[right].tolist() == real.astype(np.int64).tolist()
    assert [text.decode() for text, sure in zip(texts, right, strict=True) if sure] == real.astype(str).tolist()


@given(st.datetimes(FIRST, LAST), st.integers(0, 6), st.sampled_from("T "), st.booleans())
def test_a_moment_is_read_to_the_microsecond(moment: datetime.datetime, digits: int, between: str, zoned: bool) -> None:
    step = 10 ** (6 - digits)
    moment = moment.replace(microsecond=moment.microsecond // step * step)
    text = moment.isoformat(between, "microseconds")[: 20 + digits if digits else 19] + "Z" * zoned
    found, right = moments(table([text.encode()]), zoned=zoned)
    assert (right.all(), int(found[0])) == (True, (moment - EPOCH) // MICROSECOND)


@given(st.integers(0, 26), st.integers(0, 255), st.booleans())
def test_an_octet_that_is_out_of_place_is_found(at: int, octet: int, zoned: bool) -> None:
    text = bytearray(b"2024-02-29T23:59:59.123456" + b"Z" * zoned)
    text[min(at, len(text) - 1)] = octet
    _, right = moments(table([bytes(text)]), zoned=zoned)
    try:
        real = datetime.datetime.fromisoformat(text.decode("ascii"))
        is_real = (real.tzinfo is not None) == zoned and text[10:11] in (b"T", b" ") and text[19:20] == b"."
    except ValueError:
        is_real = False
    assert right.tolist() == [is_real]


@pytest.mark.parametrize("kind", ["date", "timestamp"])
def test_the_29th_of_february_and_a_few_odd_texts_do_not_take_the_others_from_the_quick_way(kind: str) -> None:
    end = "" if kind == "date" else "T10:00:00Z"
    usual: list[str | None] = [f"2024-02-29{end}", None] * 20
    texts = pa.array([*usual, "2024-2-1", f"2023-02-29{end}", ""])
    values, sure = quick_columns(dataset(column("v", kind)).source_columns)["v"](texts)
    assert sure is not None
    assert sure.tolist() == [True] * 40 + [False] * 3
    assert values.null_count == 23


def test_texts_of_many_widths_are_sure_too() -> None:
    texts = pa.array(["2024-01-31T10:00:00Z", "2024-01-31T10:00:00.5Z", "2024-01-31T10:00:00+02:00"] * 9)
    values, sure = quick_columns(dataset(column("v", "timestamp")).source_columns)["v"](texts)
    assert sure is None
    assert [value.microsecond for value in values.to_pylist()[:3]] == [0, 500_000, 0]


@pytest.mark.parametrize("kind", ["date", "timestamp"])
def test_a_column_of_nulls_is_sure(kind: str) -> None:
    values, sure = quick_columns(dataset(column("v", kind)).source_columns)["v"](pa.array([None, None], pa.string()))
    assert (values.null_count, sure) == (2, None)

"""Dates, times and timestamps: ISO 8601 or the contract's patterns, zones, and the calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from include.engine.errors import TerminalRuleError
from tests.engine.builder import column, dataset, lines, run
from tests.engine.test_cast import cast


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("prop", "taken", "refused"),
    [
        (
            column("v", "date"),
            {"2024-02-29": date(2024, 2, 29), "0001-01-01": date(1, 1, 1), "9999-12-31": date(9999, 12, 31)},
            [
                "2024-1-5",
                "2023-02-29",
                "0000-01-01",
                "10000-01-01",
                "2024-01-01T00:00:00",
                "20240101",
                "01.02.2024",
                "-2024-01-01",
                "2024-01-01 (BC)",
                "infinity",
                "epoch",
                "today",
                "",
            ],
        ),
        (
            column("v", "timestamp"),
            {
                "2024-01-01T00:00:00Z": at(2024, 1, 1),
                "2024-01-01 00:00:00": at(2024, 1, 1),
                "2024-01-01T00:00:00.123456+05:30": at(2023, 12, 31, 18, 30, 0, 123456),
                "2024-01-01T00:00:00.5-01:00": at(2024, 1, 1, 1, 0, 0, 500000),
                "2024-01-01T00:00:00.120000000Z": at(2024, 1, 1, 0, 0, 0, 120000),
                "9999-12-31T23:59:59.999999Z": at(9999, 12, 31, 23, 59, 59, 999999),
                "0001-01-01T00:00:00Z": at(1, 1, 1),
            },
            [
                "2024-01-01",
                "2024-01-01T00:00Z",
                "2024-01-01T24:00:00Z",
                "2024-01-01T23:59:60Z",
                "2024-01-01T00:00:00.1234567Z",
                "2024-01-01T00:00:00+0100",
                "2024-01-01T00:00:00+24:00",
                "2024-01-01t00:00:00z",
                "2024-01-01T00:00:00 Z",
                "2024-01-01T00:00:00 UTC",
                "9999-12-31T23:59:59-01:00",
                "0001-01-01T00:00:00+01:00",
                "2024-02-30T00:00:00Z",
                "1704067200",
                "2024-01-01T00:00:00,5Z",
                "infinity",
            ],
        ),
        (
            column("v", "timestamp", options={"defaultTimezone": "Europe/Berlin"}),
            {
                "2024-01-01T00:00:00": at(2023, 12, 31, 23),
                "2024-07-01T00:00:00": at(2024, 6, 30, 22),
                "2024-10-27T02:30:00": at(2024, 10, 27, 1, 30),
                "2024-07-01T00:00:00Z": at(2024, 7, 1),
            },
            ["2024-03-31T02:30:00"],
        ),
        (
            column("v", "timestamp", physicalType="DATETIME"),
            {"2024-01-01T10:00:00.5": datetime(2024, 1, 1, 10, 0, 0, 500000)},
            ["2024-01-01T10:00:00Z", "2024-01-01"],
        ),
        (
            column("v", "time"),
            {"10:00:00": time(10), "23:59:59.999999": time(23, 59, 59, 999999)},
            ["24:00:00", "10:00", "10:60:00", "1:00:00", "10:00:00Z", "10:00:00.1234567", ""],
        ),
        (
            column("v", "date", options={"format": "dd.MM.yyyy"}),
            {"05.11.2024": date(2024, 11, 5)},
            ["5.11.2024", "2024-11-05", "31.02.2024", "05/11/2024", "05.11.24"],
        ),
        (
            column("v", "date", options={"format": "d/M/yy"}),
            {"5/1/24": date(2024, 1, 5), "15/12/99": date(2099, 12, 15)},
            ["5/1/2024", "32/1/24"],
        ),
        (
            column("v", "date", options={"format": "EEE, dd MMM yyyy"}),
            {"Tue, 05 Nov 2024": date(2024, 11, 5)},
            ["Tue, 05 Nov", "05 Nov 2024", "Tue, 05 Nvo 2024"],
        ),
        (
            column("v", "timestamp", options={"format": "yyyy/MM/dd HH:mm"}),
            {"2001/01/01 00:47": at(2001, 1, 1, 0, 47)},
            ["2001/01/01 24:00", "2001-01-01 00:47", "2001/01/01 00:47:00"],
        ),
        (
            column("v", "timestamp", options={"format": "MMMM d, yyyy h:mm a"}),
            {"January 5, 2024 12:05 AM": at(2024, 1, 5, 0, 5), "May 15, 2024 1:30 pm": at(2024, 5, 15, 13, 30)},
            ["January 5, 2024 13:05 AM"],
        ),
        (
            column("v", "timestamp", options={"format": "yyyy-MM-dd'T'HH:mm:ss.SSSXX"}),
            {
                "2024-01-05T10:00:00.250+0130": at(2024, 1, 5, 8, 30, 0, 250000),
                "2024-01-05T10:00:00.250Z": at(2024, 1, 5, 10, 0, 0, 250000),
            },
            ["2024-01-05T10:00:00.25Z", "2024-01-05T10:00:00.250"],
        ),
        (
            column("v", "time", options={"format": "HH:mm"}),
            {"10:05": time(10, 5)},
            ["10:05:00", "25:00"],
        ),
        (
            column("v", "date", customProperties=[{"property": "formats", "value": ["yyyy-MM-dd", "dd.MM.yyyy"]}]),
            {"2024-11-05": date(2024, 11, 5), "05.11.2024": date(2024, 11, 5)},
            ["11/05/2024"],
        ),
    ],
)
def test_a_form_takes_its_values_and_nothing_else(
    tmp_path: Path, prop: dict[str, Any], taken: dict[str, Any], refused: list[str]
) -> None:
    good, bad = cast(tmp_path, prop, [*taken, *refused])
    assert good == taken
    assert sorted(bad) == sorted(refused)


@pytest.mark.parametrize("pattern", ["yyyy-MM-dd[ HH:mm]", "YYYY-MM-dd", "dd.MM", "yyyy-MM-dd dd", "VV yyyy-MM-dd"])
def test_a_pattern_that_is_not_known_stops_the_run(tmp_path: Path, pattern: str) -> None:
    spec = dataset(column("v", "date", options={"format": pattern}))
    with pytest.raises(TerminalRuleError, match="column v: the pattern"):
        run(spec, tmp_path, lines("v", "2024-01-01"))

"""How long to wait before something is tried again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from include.backoff import MOST_ASKED, Backoff, retry_after

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def test_the_delay_doubles_from_the_base_and_chance_adds_up_to_the_jitter() -> None:
    backoff = Backoff(base=2.0, jitter=5.0, cap=1_000.0)
    assert [backoff.delay(n, draw=lambda low, _: low) for n in (1, 2, 3, 4)] == [2.0, 4.0, 8.0, 16.0]
    assert [backoff.delay(n, draw=lambda _, high: high) for n in (1, 2, 3, 4)] == [7.0, 9.0, 13.0, 21.0]


def test_the_delay_is_capped_however_many_tries_there_were() -> None:
    assert Backoff(base=1.0, jitter=1.0, cap=8.0).delay(10_000) == 8.0


def test_what_the_service_asks_for_is_the_least() -> None:
    backoff = Backoff(base=1.0, jitter=0.0, cap=8.0)
    assert backoff.delay(1, asked=20.0) == 20.0
    assert backoff.delay(3, asked=2.0) == 4.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0), (" 7 ", 7.0), ("0", 0.0),
        ("Thu, 01 Jan 2026 12:01:30 GMT", 90.0), ("Thursday, 01-Jan-26 12:01:30 GMT", 90.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("99999999999999999999", MOST_ASKED), ("Fri, 01 Jan 2027 12:00:00 GMT", MOST_ASKED),
        ("-5", 0.0), ("1.5", 0.0), ("soon", 0.0), ("", 0.0), (None, 0.0), ("\u0663", 0.0),
        ("Thu, 99 Jan 2026 12:01:30 GMT", 0.0),
    ],
)  # fmt: skip
def test_a_retry_after_is_seconds_or_a_date_and_nonsense_is_nothing(header: str | None, seconds: float) -> None:
    assert retry_after(header, NOW) == seconds

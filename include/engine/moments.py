"""Reads dates and times by their digits, for a whole column at once, where all texts have one width."""

from __future__ import annotations

from typing import Final

import numpy as np

from include.engine.frame import Bools, Ints, Octets

_DASH, _COLON, _POINT, _ZERO, _Z = b"-:.0Z"
DATE: Final = 10
SECOND: Final = 19
_NO_PAIR: Final = 255


def _pairs() -> Octets:
    """For each two octets, read as one number, the number that they write."""
    pairs = np.full(1 << 16, _NO_PAIR, np.uint8)
    for number in range(100):
        pairs[np.frombuffer(b"%02d" % number, np.uint16)] = number
    return pairs


_PAIRS: Final = _pairs()
# Years whose beginning and end no zone moves out of the calendar.
_FIRST_CENTURY, _LAST_CENTURY = 10, 29
_MONTHS: Final = np.arange("1000-01", "3000-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)


def days(table: Octets) -> tuple[Ints, Bools]:
    """Read what begins with `yyyy-mm-dd`.

    Args:
        table: a text a row.

    Returns:
        days since 1970, and which are sure to be in the calendar.
    """
    century, year, month, day = (_pair(table, at) for at in (0, 2, 5, 8))
    right = (century >= _FIRST_CENTURY) & (century <= _LAST_CENTURY) & (year < _NO_PAIR)
    right &= (month >= 1) & (month <= 12) & (day >= 1) & (day < _NO_PAIR)
    right &= (table[:, 4] == _DASH) & (table[:, 7] == _DASH)
    months = (century.astype(np.int64) - _FIRST_CENTURY) * 1200 + year * np.int64(12) + month - 1
    months = months if right.all() else np.where(right, months, 0)
    found = _MONTHS[months] + day - 1
    return found, right & (found < _MONTHS[months + 1])


def moments(table: Octets, *, zoned: bool) -> tuple[Ints, Bools]:
    """Read `yyyy-mm-dd hh:mm:ss`, a `T` or a blank between, with up to six decimals and, where zoned, a `Z` behind.

    Args:
        table: a text a row.

    Returns:
        microseconds since 1970, and which are sure to be right.
    """
    found, right = days(table)
    hour, minute, second = (_pair(table, at) for at in (11, 14, 17))
    right &= (hour < 24) & (minute < 60) & (second < 60)
    right &= (table[:, 13] == _COLON) & (table[:, 16] == _COLON) & ((table[:, 10] == ord("T")) | (table[:, 10] == 32))
    found = found * 86_400 + hour * np.int64(3_600) + minute * np.int64(60) + second
    end = table.shape[1] - zoned
    if zoned:
        right &= table[:, end] == _Z
    micro = np.zeros(len(table), np.int64)
    if end > SECOND:
        right &= table[:, SECOND] == _POINT
    for at in range(SECOND + 1, end):
        digit = table[:, at] - np.uint8(_ZERO)
        right &= digit <= 9
        micro = micro * 10 + digit
    return found * 1_000_000 + micro * 10 ** max(6 - max(end - SECOND - 1, 0), 0), right


def _pair(table: Octets, at: int) -> Octets:
    count, width = table.shape
    found: Octets = np.take(_PAIRS, np.ndarray(count, np.uint16, table, at, (width,)))
    return found

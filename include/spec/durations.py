"""Durations and sizes as people write them: ``5m``, ``1h30m``, ``64MB``."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SLA_UNITS = {
    "s": 1, "sec": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400,
    "w": 604800, "week": 604800, "weeks": 604800,
}  # fmt: skip
_LONGEST_S = 3650 * 86400
_SIZES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4}


def parse_duration(text: str) -> timedelta:
    """Read ``90s``, ``5m``, ``1h30m`` or ``2d``.

    Raises:
        ValueError: the text is none of these, is not above zero, or is above ten years.
    """
    if not re.fullmatch(r"(?:\d{1,9}[smhd])+", text):
        raise ValueError("a duration is a number and a unit: 30s, 5m, 1h30m, 2d")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))
    if not 0 < seconds <= _LONGEST_S:
        raise ValueError("a duration is above zero and at most 3650d")
    return timedelta(seconds=seconds)


def parse_sla(value: float, unit: str | None) -> timedelta | None:
    """Read an ODCS SLA value and unit; None where they are no fixed span from above zero to ten years."""
    seconds = value * _SLA_UNITS.get((unit or "").strip().lower(), 0)
    return timedelta(seconds=seconds) if 0 < seconds <= _LONGEST_S else None


def parse_size(text: str) -> int:
    """Read ``64MB`` or ``1GB`` (powers of ten) into bytes.

    Raises:
        ValueError: the text is not a number and a unit, or is no bytes at all.
    """
    found = re.fullmatch(r"(\d{1,9})\s*(B|KB|MB|GB|TB)", text.upper())
    if not found:
        raise ValueError("a size is a number and a unit: 500KB, 64MB, 2GB")
    size = int(found.group(1)) * _SIZES[found.group(2)]
    if not size:
        raise ValueError("a size is above zero")
    return size

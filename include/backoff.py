"""How long to wait before something is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Nobody who asks for more is waited for: a task of ours is not to sleep because of a header for a day.
MOST_ASKED = 3_600.0
# 2 ** 30 seconds are 34 years; past that a float only overflows.
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double from try to try, spread at random so that those who failed together do not come back together.

    Args:
        base: seconds after the first try.
        jitter: the most seconds that chance adds.
        cap: the longest delay, in seconds.
    """

    base: float
    jitter: float
    cap: float

    def delay(
        self,
        attempt: int,
        *,
        asked: float = 0.0,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> float:
        """Return base * 2^(attempt-1) + random(0, jitter), capped, and no less than was asked for; seconds.

        Args:
            attempt: the try that failed, from 1.
            asked: seconds that the service asked for (`retry_after`); they are not capped.
            draw: what draws a number between two.
        """
        doubled = self.base * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS)
        return max(min(doubled + draw(0.0, self.jitter), self.cap), asked)


def retry_after(value: str | None, now: datetime | None = None) -> float:
    """Return the seconds that a Retry-After header asks for, at most an hour; 0 where it is missing or nonsense.

    Args:
        value: whole seconds, or an HTTP date (RFC 9110, section 10.2.3).
        now: the time to count from; the clock's if left out.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), MOST_ASKED)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max((date - (now or datetime.now(UTC))).total_seconds(), 0.0), MOST_ASKED)

"""Tests of calls that fail do not wait as long as a task does."""

from __future__ import annotations

import math

import pytest

from landfall.gcp import calls

TRIES = 3


class NoDelay:
    """Delays of nothing, and after so many tries one that is longer than anybody waits: no test depends on time."""

    def delay(self, attempt: int, *, asked: float = 0.0) -> float:
        return asked if attempt < TRIES else math.inf


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "BACKOFF", NoDelay())

"""Tests of calls that fail do not wait as long as a task does."""

from __future__ import annotations

import pytest

from include.backoff import Backoff
from landfall.gcp import calls


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "BACKOFF", Backoff(base=0.01, jitter=0.0, cap=1.0))
    monkeypatch.setattr(calls, "SECONDS", 0.05)

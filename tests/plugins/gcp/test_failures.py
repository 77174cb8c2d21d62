"""Which failures of a batch are its own, so that they count against its files."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from landfall.errors import Failure, ServiceDown, TerminalFailure, TransientFailure
from landfall.gcp.failures import is_the_batch

OUTAGE = TransientFailure("the platform answered 500", outage=True)


@pytest.mark.parametrize(
    ("failure", "up", "own"),
    [
        (TerminalFailure("no", code="bad_rule"), True, True),
        (TransientFailure("no", code="out_of_memory"), True, True),
        (TransientFailure("no", code="internal"), True, True),
        (TerminalFailure("no", code="input_changed"), True, False),
        (TerminalFailure("no", code="redeployed"), True, False),
        (TerminalFailure("no", code="storage_refused"), True, False),
        (TransientFailure("no", code="storage_unavailable"), True, False),
        (TerminalFailure("the platform answered 403"), True, False),
        (OUTAGE, False, False),
        (OUTAGE, True, True),
        (TransientFailure("nothing answers", outage=True, delivered=False), True, False),
        (TransientFailure("slow down"), True, False),
        (ServiceDown("the breaker is open"), True, False),
    ],
)
def test_a_failure_counts_where_the_function_said_so_or_falls_over_this_batch_alone(
    monkeypatch: pytest.MonkeyPatch, failure: Failure, up: bool, own: bool
) -> None:
    monkeypatch.setattr("landfall.gcp.function.answers", lambda _: up)
    site: Any = SimpleNamespace(settings=SimpleNamespace(function_url="http://f"))
    assert is_the_batch(site, failure) is own

"""What people are told when a service goes down and when it answers again."""

from __future__ import annotations

import logging

import pytest

from include.breaker import State
from include.spec.dataset import load_dataset
from include.spec.settings import DATASETS
from landfall.notifiers.breaker import tell_breaker

OPEN = State(phase="open", since=1_767_268_800.0, probe_at=1_767_268_830.0, reason="list gs://l/x: answered 503")


@pytest.mark.parametrize(
    ("up", "subject", "reason"),
    [
        (False, "[landfall] orders: service down: BigQuery is down", "Last outage: list gs://l/x: answered 503"),
        (True, "[landfall] orders: service up: BigQuery answers again", "it was down since 2026-01-01 12:00:00 UTC"),
    ],
)
def test_each_channel_is_told_what_is_down_and_that_it_is_up(
    caplog: pytest.LogCaptureFixture, up: bool, subject: str, reason: str
) -> None:
    dataset = load_dataset(DATASETS / "orders")
    with caplog.at_level(logging.ERROR):
        assert tell_breaker(dataset, "BigQuery", OPEN, up=up) >= 1  # the log, which every dataset has
    assert subject in caplog.text
    assert reason in caplog.text

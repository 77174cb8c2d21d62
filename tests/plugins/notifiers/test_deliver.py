"""Every channel is told once, whatever the others do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from include.spec.pipeline import Notify
from landfall.notifiers.alert import Alert
from landfall.notifiers.deliver import deliver

GOOD = Notify(type="webhook", connection="good")
BROKEN = Notify(type="webhook", connection="broken")
SLACK_WITHOUT_A_CONNECTION = Notify(type="slack", to="#data")


@pytest.fixture(autouse=True)
def connections(receiver: Any, connect: Callable[..., None]) -> None:
    connect("good", conn_type="http", host=f"{receiver.url}/good")
    connect("broken", conn_type="http", host="http://localhost:1/s3cr3t")


def test_a_broken_channel_does_not_keep_the_next_from_being_told(
    alert: Alert, receiver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "landfall.notifiers"):
        assert deliver(alert, [BROKEN, GOOD]) == 1
    assert [request.path for request in receiver.requests] == ["/good"]
    assert f"Alert {alert.alert_id} was not delivered by webhook: WebhookError: no answer from localhost" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_a_channel_whose_connection_is_missing_is_logged_by_its_kind(
    alert: Alert, receiver: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", '{"conn_type": "slack"}')
    with caplog.at_level(logging.ERROR, "landfall.notifiers"):
        assert deliver(alert, [SLACK_WITHOUT_A_CONNECTION, GOOD]) == 1
    assert len(receiver.requests) == 1
    assert "was not delivered by slack: AirflowNotFoundException: Connection ID 'slack_api_default'" in caplog.text


def test_a_channel_that_stands_twice_is_told_once(alert: Alert, receiver: Any) -> None:
    assert deliver(alert, [GOOD, GOOD]) == 1
    assert len(receiver.requests) == 1


def test_a_channel_that_hangs_is_left_behind(
    alert: Alert, receiver: Any, tls_receiver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.hold = threading.Event()
    prompt = Notify(type="webhook", to=f"{tls_receiver.url}/prompt")
    with caplog.at_level(logging.ERROR, "landfall.notifiers"):
        assert deliver(alert, [GOOD, prompt], budget=2) == 1
    assert [request.path for request in tls_receiver.requests] == ["/prompt"]
    assert "was not delivered by webhook: no answer within 1 s" in caplog.text


def test_no_channels_is_no_trouble(alert: Alert) -> None:
    assert deliver(alert, []) == 0

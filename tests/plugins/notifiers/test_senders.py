"""Each channel tells a real receiver, through its provider's hook and a connection from the environment."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import pytest

from include.spec.pipeline import Notify
from landfall.notifiers import to_email, to_log, to_pagerduty, to_slack, to_webhook
from landfall.notifiers.alert import Alert
from landfall.notifiers.to_webhook import WebhookError

Connect = Callable[..., None]


def test_the_log_gets_the_alert(alert: Alert, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        to_log.send(alert, Notify(type="log"))
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage() == f"{alert.subject}\n{alert.text}"


def test_slack_gets_the_alert_in_the_channel_named(alert: Alert, receiver: Any, connect: Connect) -> None:
    connect("slack_api_default", conn_type="slack", password="xoxb-1", extra={"base_url": f"{receiver.url}/api/"})
    to_slack.send(alert, Notify(type="slack", to="#data"))
    (request,) = receiver.requests
    assert request.path == "/api/chat.postMessage"
    assert request.headers["Authorization"] == "Bearer xoxb-1"
    assert request.body["channel"] == "#data"
    assert request.body["text"] == f"*{alert.subject}*\n{alert.text}"


def test_slack_is_reached_through_the_connection_named(alert: Alert, receiver: Any, connect: Connect) -> None:
    connect("slack_shop", conn_type="slack", password="xoxb-2", extra={"base_url": f"{receiver.url}/"})
    to_slack.send(alert, Notify(type="slack", to="#shop", connection="slack_shop"))
    assert receiver.requests[0].headers["Authorization"] == "Bearer xoxb-2"


def test_a_file_name_cannot_call_everybody_in_slack(alert: Alert, receiver: Any, connect: Connect) -> None:
    connect("slack_api_default", conn_type="slack", password="xoxb-1", extra={"base_url": f"{receiver.url}/"})
    nasty = dataclasses.replace(alert, files=("gs://landing/<!channel>&.csv",))
    to_slack.send(nasty, Notify(type="slack", to="#data"))
    assert "gs://landing/&lt;!channel&gt;&amp;.csv" in receiver.requests[0].body["text"]


def test_a_refusal_by_slack_is_an_error(alert: Alert, receiver: Any, connect: Connect) -> None:
    from slack_sdk.errors import SlackApiError

    connect("slack_api_default", conn_type="slack", password="xoxb-1", extra={"base_url": f"{receiver.url}/"})
    receiver.answer = {"ok": False, "error": "channel_not_found"}
    with pytest.raises(SlackApiError, match="channel_not_found"):
        to_slack.send(alert, Notify(type="slack", to="#gone"))


def test_mail_arrives_with_subject_text_and_one_id_per_failure(alert: Alert, mailbox: Any, connect: Connect) -> None:
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "landfall@example.com"}
    connect("smtp_default", conn_type="smtp", host="127.0.0.1", port=mailbox.port, extra=extra)
    nasty = dataclasses.replace(alert, files=("gs://landing/<b>.csv",))
    to_email.send(nasty, Notify(type="email", to="data@example.com"))
    (mail,) = mailbox.mails
    assert mail["To"] == "data@example.com"
    assert mail["From"] == "landfall@example.com"
    assert mail["Subject"].replace("\r\n", "") == alert.subject
    assert mail["Message-ID"] == f"<{alert.alert_id}@landfall.invalid>"
    body = mail.get_payload(0).get_payload(decode=True).decode()
    assert "gs://landing/&lt;b&gt;.csv" in body
    assert "Try: 3 of 3" in body


def test_a_mail_server_that_is_not_there_is_an_error(alert: Alert, connect: Connect) -> None:
    connect("smtp_default", conn_type="smtp", host="localhost", port=1, extra={"disable_ssl": True})
    with pytest.raises(OSError, match="refused"):
        to_email.send(alert, Notify(type="email", to="data@example.com"))


@pytest.fixture
def pagerduty(tls_receiver: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    # The provider's hook hands its client no address, so the client's default is the place to redirect it;
    # all else, TLS included, is real.
    import pagerduty as client

    monkeypatch.setattr(client.EventsApiV2Client, "default_base_url", tls_receiver.url)
    tls_receiver.status = 202
    tls_receiver.answer = {"status": "success", "dedup_key": "x"}
    return tls_receiver


def test_pagerduty_gets_an_event_that_a_repeat_joins(alert: Alert, pagerduty: Any, connect: Connect) -> None:
    connect("pagerduty_events_default", conn_type="pagerduty_events", password="R0UT1NGKEY")
    to_pagerduty.send(alert, Notify(type="pagerduty"))
    to_pagerduty.send(alert, Notify(type="pagerduty"))
    first, second = (request.body for request in pagerduty.requests)
    assert first["routing_key"] == "R0UT1NGKEY"
    assert first["event_action"] == "trigger"
    assert first["dedup_key"] == second["dedup_key"] == alert.alert_id
    assert first["payload"]["summary"] == alert.subject
    assert first["payload"]["severity"] == "error"
    assert first["payload"]["custom_details"]["files"] == ["gs://landing/orders/orders-7.csv.gz"]
    assert first["links"] == [{"href": alert.log_url, "text": "Airflow"}]


def test_a_missed_deadline_is_a_warning_in_pagerduty(alert: Alert, pagerduty: Any, connect: Connect) -> None:
    connect("on_call", conn_type="pagerduty_events", password="R0UT1NGKEY")
    late = dataclasses.replace(alert, kind="deadline_missed", task_id="", log_url="")
    to_pagerduty.send(late, Notify(type="pagerduty", connection="on_call"))
    (request,) = pagerduty.requests
    assert request.body["payload"]["severity"] == "warning"
    assert "links" not in request.body


def test_a_webhook_gets_json_at_the_connections_address(alert: Alert, receiver: Any, connect: Connect) -> None:
    connect("hook", conn_type="http", host=f"{receiver.url}/in", extra={"X-Token": "t"})
    to_webhook.send(alert, Notify(type="webhook", connection="hook"))
    (request,) = receiver.requests
    assert request.path == "/in"
    assert request.body == alert.to_json()
    assert request.headers["Idempotency-Key"] == alert.alert_id
    assert request.headers["X-Token"] == "t"


def test_a_webhook_may_name_a_path_below_the_connections_address(alert: Alert, receiver: Any, connect: Connect) -> None:
    connect("hook", conn_type="http", host=receiver.url)
    to_webhook.send(alert, Notify(type="webhook", to="alerts/orders", connection="hook"))
    assert receiver.requests[0].path == "/alerts/orders"


def test_a_webhook_address_needs_no_connection(alert: Alert, tls_receiver: Any) -> None:
    to_webhook.send(alert, Notify(type="webhook", to=f"{tls_receiver.url}/in"))
    assert tls_receiver.requests[0].body["dataset"] == "orders"


@pytest.mark.parametrize("status", [301, 404, 500])
def test_a_webhook_that_does_not_accept_is_an_error(alert: Alert, receiver: Any, connect: Connect, status: int) -> None:
    connect("hook", conn_type="http", host=f"{receiver.url}/s3cr3t")
    receiver.status = status
    with pytest.raises(WebhookError, match=f"localhost answered {status}"):
        to_webhook.send(alert, Notify(type="webhook", connection="hook"))


def test_a_webhooks_error_never_quotes_its_path(alert: Alert) -> None:
    with pytest.raises(WebhookError) as caught:
        to_webhook.send(alert, Notify(type="webhook", to="https://localhost:1/s3cr3t"))
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__suppress_context__

"""Tells a Slack channel, as the app whose token the connection holds."""

from __future__ import annotations

from include.spec.pipeline import Notify
from landfall.notifiers.alert import Alert

CONNECTION = "slack_api_default"
_TIMEOUT_S = 5


def send(alert: Alert, channel: Notify) -> None:
    """Post the alert to the channel `to`, through the Slack provider's hook.

    Raises:
        slack_sdk.errors.SlackApiError: Slack refuses it, for example because the app is not in the channel.
    """
    from airflow.providers.slack.hooks.slack import SlackHook

    hook = SlackHook(slack_conn_id=channel.connection or CONNECTION, timeout=_TIMEOUT_S)
    text = f"*{_escape(alert.subject)}*\n{_escape(alert.text)}"
    hook.call("chat.postMessage", json={"channel": channel.to, "text": text, "unfurl_links": False})


def _escape(text: str) -> str:
    # Without this a file named `<!channel>` would call everybody: https://api.slack.com/reference/surfaces/formatting
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""Tells an address of the user's own, with a JSON body."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from include.spec.pipeline import Notify
from landfall.notifiers.alert import Alert

if TYPE_CHECKING:
    from requests import Session

_TIMEOUT_S = 5


class WebhookError(RuntimeError):
    """A webhook that could not be reached or did not accept the alert; names its host only."""


def send(alert: Alert, channel: Notify) -> None:
    """POST the alert as JSON: to the address `to`, or to the one that the HTTP connection holds.

    A connection brings its authentication and headers along. Redirects are not followed: a POST that is
    redirected arrives as a GET without its body.

    Raises:
        WebhookError: there was no answer, or one other than 2xx.
    """
    from requests import RequestException

    session, url = _target(channel)
    host = urlsplit(url).hostname
    try:
        answer = session.post(
            url,
            json=alert.to_json(),
            headers={"Idempotency-Key": alert.alert_id},
            timeout=_TIMEOUT_S,
            allow_redirects=False,
        )
    except RequestException as error:
        # Its text quotes the path, and in many services' webhooks the path is the secret.
        raise WebhookError(f"no answer from {host} ({type(error).__name__}); check the address") from None
    finally:
        session.close()
    if not 200 <= answer.status_code < 300:
        raise WebhookError(f"{host} answered {answer.status_code}; check the address and what it expects")


def _target(channel: Notify) -> tuple[Session, str]:
    if not channel.connection:
        from requests import Session

        return Session(), channel.to
    from airflow.providers.http.hooks.http import HttpHook

    hook = HttpHook(method="POST", http_conn_id=channel.connection)
    session = hook.get_conn()
    url = channel.to if "://" in channel.to else hook.url_from_endpoint(channel.to or None)
    return session, str(url)

"""What every service has in common: connections, tokens, and the answers that HTTP itself explains."""

from __future__ import annotations

import http.client
from typing import Any

from include.backoff import retry_after
from landfall.errors import Failure, Missing, TerminalFailure, TransientFailure

_SHOWN = 1_000


def classify_transport(error: Exception, what: str) -> Failure | None:
    """Tell what an error means that came up before or instead of an answer; None: it is no such error.

    Args:
        error: of google-auth, requests, urllib3 or the standard library.
        what: what was tried, for a person.
    """
    return _of_token(error, what) or _of_connection(error, what)


def _of_token(error: Exception, what: str) -> Failure | None:
    from google.auth import exceptions as auth

    if not isinstance(error, auth.GoogleAuthError):
        return None
    passing = (auth.TransportError, auth.TimeoutError, auth.ResponseError)
    inner = [error, error.__cause__, *error.args]
    if error.retryable or any(isinstance(each, passing) for each in inner):
        # The token server's fault, and not that of the service, which was not asked.
        return TransientFailure(f"{what}: no token was given out: {said(error)}", delivered=False)
    fix = "give the Airflow connection or the environment credentials that work"
    return TerminalFailure(f"{what}: the credentials are refused: {said(error)}; {fix}")


def _of_connection(error: Exception, what: str) -> Failure | None:
    import requests
    import urllib3

    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return TerminalFailure(f"{what}: the server's certificate is not trusted; look at the address and the proxy")
    broken = (
        requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError, requests.exceptions.JSONDecodeError,
        urllib3.exceptions.HTTPError, http.client.HTTPException, ConnectionError, TimeoutError,
    )  # fmt: skip
    if isinstance(error, broken):
        # Not its text: urllib3 quotes the whole address, and a signed one is a secret.
        text = f"{what}: no whole answer came ({type(error).__name__})"
        return TransientFailure(text, outage=True, delivered=not _never_connected(error))
    if isinstance(error, requests.RequestException):
        return TerminalFailure(f"{what}: {type(error).__name__}; look at the address")
    return None


def _never_connected(error: Exception) -> bool:
    import requests
    import urllib3

    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, urllib3.exceptions.NewConnectionError)


def classify_status(status: int, text: str, asked: float) -> Failure:
    """Tell what a status means where nothing else is known.

    Args:
        status: of HTTP.
        text: what was tried and what was said, for a person.
        asked: seconds that the service asked to wait.
    """
    if status in (429, 408):
        # Slow down, which is not: down. The breaker counts only what tells that a service does not work.
        return TransientFailure(text, retry_after=asked)
    if status >= 500 and status != http.client.NOT_IMPLEMENTED:
        return TransientFailure(text, retry_after=asked, outage=True)
    if status == http.client.NOT_FOUND:
        return Missing(text)
    if status in (401, 403):
        return TerminalFailure(f"{text}. Give the service account of the task the permission, or mend its credentials")
    return TerminalFailure(text)


def asked_to_wait(answer: Any) -> float:  # noqa: ANN401 - a response of requests, or none
    """Return the seconds that an answer's Retry-After asks for; 0 where there is none."""
    headers = getattr(answer, "headers", None)
    return retry_after(headers.get("Retry-After")) if headers is not None else 0.0


def said(error: Exception) -> str:
    """Return what an error says, cut: an answer's body can be a whole page."""
    text = str(getattr(error, "message", None) or error) or type(error).__name__
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"

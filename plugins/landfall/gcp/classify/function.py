"""What an answer of the transform function means, or that there was none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landfall.errors import Failure, Missing, TerminalFailure, TransientFailure
from landfall.gcp.classify.transport import asked_to_wait, classify_status, classify_transport

if TYPE_CHECKING:
    from requests import Response


def classify_function(error: Exception, what: str) -> Failure | None:
    """Tell what it means that no answer came; None: it is no such error."""
    return classify_transport(error, what)


def failure_of(answer: Response, url: str) -> Failure:
    """Tell what an answer means that is no success.

    | answer | means |
    |---|---|
    | our own error body | what its `retryable` says; the function is up |
    | 429 of the platform | transient, and no instance got the call: it may be repeated |
    | 5xx of the platform | transient: an outage |
    | 401, 403, 404 and every other of the platform | terminal: the address or the invoker's permission |

    Args:
        answer: of the function, or of the platform in its place.
        url: the function's address.
    """
    status, asked = answer.status_code, asked_to_wait(answer)
    told = failure_told(content_of(answer), f"the function answered {status}", asked)
    if told is not None:
        return told
    text = f"the platform answered {status} in place of the function at {url}"
    if status == 429:
        text = f"{text}: no instance is free; raise its most instances if that goes on"
        return TransientFailure(text, retry_after=asked, delivered=False)
    found = classify_status(status, text, asked)
    if isinstance(found, TransientFailure):
        return TransientFailure(str(found), retry_after=asked, outage=found.outage)
    if isinstance(found, Missing) or status < 400:
        return TerminalFailure(f"{text}; look at LANDFALL_FUNCTION_URL")
    return TerminalFailure(str(found))


def failure_told(content: Any, who: str, asked: float = 0.0) -> Failure | None:  # noqa: ANN401 - whatever JSON holds
    """Tell what our own error body means (`include.functions.protocol.ErrorResponse`); None: it is none.

    Args:
        content: what its JSON holds.
        who: who says so, for a person.
        asked: seconds that the service asked to wait.
    """
    error = content.get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("retryable"), bool):
        return None
    code = str(error.get("code", ""))
    text = f"{who} {code}: {error.get('message', 'no reason was given')}"
    if error["retryable"]:
        return TransientFailure(text, retry_after=asked, code=code)
    return TerminalFailure(text, code=code)


def content_of(answer: Response) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what an answer's JSON holds; None where it is none."""
    try:
        return answer.json()
    except ValueError:
        return None

"""What the transform function is: the engine and the keys that its answers come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from landfall.errors import TerminalFailure, TransientFailure
from landfall.gcp.transform import authorization

# A cold start, and a slow network.
_PATIENCE = (10, 60)


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deployed function says of itself.

    Args:
        engine: its engine's version.
        keys: `mask` and `raw` to the names of its keys; one that is not set is not there.
    """

    engine: str
    keys: dict[str, str]


def ask_function(url: str) -> Deployed:
    """Ask the function which engine and which keys it has.

    Raises:
        TransientFailure: it cannot be reached, or answers that it cannot answer now.
        TerminalFailure: its address is not set, or what answers is not the function.
    """
    import requests

    if not url:
        raise TerminalFailure("LANDFALL_FUNCTION_URL is not set; give it the transform function's address")
    try:
        answer = requests.get(url, headers=authorization(url), timeout=_PATIENCE)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise TransientFailure(f"the function at {url} did not answer: {type(error).__name__}") from error
    if answer.status_code >= 500 or answer.status_code == 429:
        raise TransientFailure(f"the function at {url} answered {answer.status_code}")
    return _read(url, answer.status_code, _json(answer))


def _json(answer: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return answer.json()
    except ValueError:
        return None


def _read(url: str, status: int, content: Any) -> Deployed:  # noqa: ANN401
    if status != 200 or not isinstance(content, dict) or not isinstance(content.get("engine_version"), str):
        message = f"what answers at {url} ({status}) is not the transform function; look at LANDFALL_FUNCTION_URL"
        raise TerminalFailure(message)
    keys = content.get("keys") or {}
    return Deployed(content["engine_version"], {str(name): str(named) for name, named in keys.items()})

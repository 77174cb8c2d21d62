"""What the transform function is: the engine and the keys that its answers come from; and how it is called."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from include.breaker import Breaker
from landfall.errors import TerminalFailure, TransientFailure
from landfall.gcp.calls import Calls
from landfall.gcp.classify.function import classify_function, content_of, failure_of

if TYPE_CHECKING:
    from requests import Response

# Seconds to connect and to answer: a cold start and a slow network; and a batch, for which a second-generation
# function may take an hour. Past that the platform has ended it.
_PATIENCE = (10, 60)
_BATCH_PATIENCE = (10, 3_600)


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deployed function says of itself.

    Args:
        engine: its engine's version.
        keys: `mask` and `raw` to the names of its keys; one that is not set is not there.
    """

    engine: str
    keys: dict[str, str]


def ask_function(url: str, breaker: Breaker | None = None) -> Deployed:
    """Ask the function which engine and which keys it has.

    Args:
        url: its address.
        breaker: of the service; one for this call alone if left out.

    Raises:
        TransientFailure: it cannot be reached, or answers that it cannot answer now.
        TerminalFailure: its address is not set, or what answers is not the function.
    """
    _check(url)
    call = Calls(classify_function, breaker or Breaker("the transform function"))
    return call(f"ask the function at {url} for its version", lambda: _ask(url))


def post_batch(
    url: str, body: dict[str, Any], key: str, files: Sequence[str] = (), breaker: Breaker | None = None
) -> dict[str, Any]:
    """Have the function transform one batch; return where the manifest lies, and the counts.

    A call that may have arrived is not made again: two would write below one path. Airflow's next try has its own.

    Args:
        url: the function's address.
        body: the batch, as `include.functions.protocol` has it.
        key: names the try.
        files: addresses of the batch's files, for the failure.
        breaker: of the service; one for this call alone if left out.

    Raises:
        TransientFailure, TerminalFailure: there is no manifest.
    """
    _check(url)
    # A batch takes too long to probe with: nobody else could call for an hour.
    call = Calls(classify_function, breaker or Breaker("the transform function"), probe=lambda: _ask(url))
    try:
        return call(f"post a batch to the function at {url}", lambda: _post(url, body, key), repeatable=False)
    except (TerminalFailure, TransientFailure) as failure:
        failure.files = tuple(files)
        raise


def answers(url: str) -> bool:
    """Whether the function answers now; one call, of which nothing is counted."""
    import requests

    try:
        _ask(url)
    except (TerminalFailure, TransientFailure, requests.RequestException):
        return False
    return True


def _ask(url: str) -> Deployed:
    import requests

    answer = requests.get(url, headers=authorization(url), timeout=_PATIENCE)
    if answer.status_code != 200:
        raise failure_of(answer, url)
    return _read(url, answer.status_code, content_of(answer))


def _post(url: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    import requests

    headers = {"Idempotency-Key": key, **authorization(url)}
    answer: Response = requests.post(url, json=body, headers=headers, timeout=_BATCH_PATIENCE)
    content = content_of(answer)
    if answer.status_code == 200 and isinstance(content, dict) and "manifest" in content:
        return content
    raise failure_of(answer, url)


def _check(url: str) -> None:
    if not url:
        raise TerminalFailure("LANDFALL_FUNCTION_URL is not set; give it the transform function's address")


def _read(url: str, status: int, content: Any) -> Deployed:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(content, dict) or not isinstance(content.get("engine_version"), str):
        message = f"what answers at {url} ({status}) is not the transform function; look at LANDFALL_FUNCTION_URL"
        raise TerminalFailure(message)
    keys = content.get("keys") or {}
    return Deployed(content["engine_version"], {str(name): str(named) for name, named in keys.items()})


def authorization(url: str) -> dict[str, str]:
    """An identity token for the function's address; none on the loopback, where nobody could give one."""
    if is_loopback(url):
        return {}
    from airflow.providers.google.common.utils.id_token_credentials import get_default_id_token_credentials
    from google.auth.transport.requests import Request

    credentials = get_default_id_token_credentials(target_audience=url)
    credentials.refresh(Request())
    return {"Authorization": f"Bearer {credentials.token}"}


def is_loopback(url: str) -> bool:
    """Whether an address is of the machine itself, or of a host of the local compose network."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or "." not in host

"""What an answer of the function means for the task."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from landfall.errors import TerminalFailure, TransientFailure
from landfall.gcp.function import is_loopback, post_batch

GOOD = {"manifest": "gs://w/m.json", "records": 1}


@pytest.fixture
def function() -> Iterator[Callable[[int, str], str]]:
    """A server that gives one answer to every POST; returns its address."""
    servers = []

    def start(status: int, body: str) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(url: str) -> dict[str, Any]:
    return post_batch(url, {}, "key", ["gs://l/a.csv"])


def error(code: str, retryable: bool) -> str:
    return json.dumps({"error": {"code": code, "message": "said so", "retryable": retryable}})


def test_a_good_answer_is_returned(function: Any) -> None:
    assert ask(function(200, json.dumps(GOOD))) == GOOD


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, error("input_changed", False), TerminalFailure),
        (503, error("storage_unavailable", True), TransientFailure),
        (500, error("internal", True), TransientFailure),
        (500, error("bad_dataset", False), TerminalFailure),
        (502, "<html>Bad gateway</html>", TransientFailure),
        (429, "", TransientFailure),
        (404, "", TerminalFailure),
        (403, "Forbidden", TerminalFailure),
        (200, "not json", TerminalFailure),
        (200, "[]", TerminalFailure),
    ],
)
def test_an_error_says_whether_trying_again_can_help(
    function: Any, status: int, body: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        ask(function(status, body))
    assert caught.value.files == ("gs://l/a.csv",)  # type: ignore[attr-defined]


def test_a_function_that_is_not_there_may_come_back() -> None:
    with pytest.raises(TransientFailure, match="no whole answer came"):
        ask("http://127.0.0.1:9")


def test_an_address_that_was_never_set_is_said_plainly() -> None:
    with pytest.raises(TerminalFailure, match="LANDFALL_FUNCTION_URL"):
        ask("")


@pytest.mark.parametrize(
    ("url", "local"),
    [("http://127.0.0.1:80", True), ("http://[::1]:8", True), ("http://localhost:1", True),
     ("http://function:8080", True),
     ("https://transform-abc-ew.a.run.app", False), ("http://10.0.0.1", False)],
)  # fmt: skip
def test_a_token_is_asked_for_off_the_machine_only(url: str, local: bool) -> None:
    assert is_loopback(url) is local

"""Serves Cloud Storage from a folder: python -m local.storage_emulator --folder DIR --port N [--host H].

Run by the emulators' interpreter; STORAGE_DIR names the folder of the buckets inside it.
"""

from __future__ import annotations

import argparse
import logging
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gcp_storage_emulator import server

from local.storage_emulator.conditions import Refused
from local.storage_emulator.handlers import Answer, carry_out
from local.storage_emulator.state import State

_read_body = server._read_raw_data


class CutOff(Exception):
    """A request ended before all of it was there."""


def _read_whole(handler: Any) -> bytes | None:  # noqa: ANN401 - the emulator's own
    """Read a request's body, and take no part for the whole."""
    raw: bytes | None = _read_body(handler)
    if len(raw or b"") != int(handler.headers.get("Content-Length") or len(raw or b"")):
        raise CutOff
    return raw


server._read_raw_data = _read_whole


class Handler(server.RequestHandler):
    """Answers requests, several to a connection and several connections at once."""

    protocol_version = "HTTP/1.1"
    # An answer goes out in one piece and at once, or each would wait for the one before to be acknowledged.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        request = server.Request(self, self.headers.get("x-http-method-override") or self.command)
        response = Answer(self, request.base_url)
        try:
            _ = request.data  # read now, so that a slow client keeps nobody waiting
        except (CutOff, ConnectionError):
            self.close_connection = True
            return
        except (ValueError, IndexError) as error:
            response.status = HTTPStatus.BAD_REQUEST
            response.json(Refused(HTTPStatus.BAD_REQUEST, "parseError", f"Parse Error: {error}").body())
        else:
            carry_out(request, response, self.storage)
        response.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names that http.server calls


class Server(ThreadingHTTPServer):
    """A server for many clients at once."""

    request_queue_size = 1024


def main() -> None:
    """Run until stopped."""
    parser = argparse.ArgumentParser(prog="python -m local.storage_emulator")
    parser.add_argument("--folder", type=Path, required=True, help="absolute folder of all data")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    options = parser.parse_args()
    # The emulator's request log would be most of the disk it uses.
    logging.disable(logging.ERROR)
    with Server((options.host, options.port), partial(Handler, State(options.folder))) as serving:
        serving.serve_forever()


if __name__ == "__main__":
    main()

"""A small Dataflow: the REST calls that a launch needs, with jobs in states that a test sets.

There is no emulator of Dataflow. The provider's hook and Google's discovery client are the real ones; only the host in
their requests is another. The triggerer's client speaks gRPC, so that the trigger is tested by what it is given.
"""

from __future__ import annotations

import http.server
import json
import re
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httplib2

_LAUNCH = re.compile(r"/v1b3/projects/([^/]+)/locations/([^/]+)/flexTemplates:launch$")
_JOBS = re.compile(r"/v1b3/projects/([^/]+)/locations/([^/]+)/jobs$")
ENDED = {"JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"}


class Dataflow:
    """Jobs, newest last; `launched` are the bodies of the launches that arrived, `lists` the queries for jobs.

    `lost` makes the answers of so many launches fail that were carried out; `refuse` answers launches with a status.
    """

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.launched: list[dict[str, Any]] = []
        self.lists: list[dict[str, list[str]]] = []
        self.lost = 0
        self.refuse = 0
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*service.list(self.path))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(*service.launch(urlsplit(self.path).path, body))

            def _answer(self, status: int, content: Any) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, name: str, state: str) -> dict[str, Any]:
        """Add a job in a state."""
        number = len(self.jobs) + 1
        job = {
            "id": f"2026-{number}",
            "name": name,
            "currentState": state,
            "createTime": f"2026-11-21T00:00:{number:02}Z",
        }
        self.jobs.append(job)
        return job

    def launch(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Begin a job, unless one of its name is active."""
        assert _LAUNCH.match(path), path
        self.launched.append(body)
        if self.refuse:
            return _error(self.refuse)
        name = body["launchParameter"]["jobName"]
        if any(job["name"] == name and job["currentState"] not in ENDED for job in self.jobs):
            return _error(409)
        job = self.add(name, "JOB_STATE_QUEUED")
        if self.lost:
            self.lost -= 1
            return _error(503)
        return 200, {"job": job}

    def list(self, target: str) -> tuple[int, Any]:
        """List jobs by name, one a page."""
        url = urlsplit(target)
        assert _JOBS.match(url.path), url.path
        query = parse_qs(url.query)
        self.lists.append(query)
        found = [job for job in self.jobs if job["name"] == query["name"][0]]
        at = int(query.get("pageToken", ["0"])[0])
        more = {"nextPageToken": str(at + 1)} if at + 1 < len(found) else {}
        return 200, {"jobs": found[at : at + 1], **more} if found else {}


class Redirected(httplib2.Http):
    """Sends what is for Google to another host."""

    def __init__(self, port: int) -> None:
        super().__init__(timeout=10)
        self.port = port

    def request(self, uri: str, *arguments: Any, **named: Any) -> Any:
        assert uri.startswith("https://dataflow.googleapis.com/"), uri
        there = uri.replace("https://dataflow.googleapis.com", f"http://127.0.0.1:{self.port}")
        return super().request(there, *arguments, **named)


def _error(status: int) -> tuple[int, Any]:
    return status, {"error": {"code": status, "message": f"the answer is {status}", "status": "NO"}}

"""A file that fails every time is put aside and its neighbours load; a person brings it back; whole Airflow runs."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.dags.test_runs import SKIPPED, SUCCESS, case

__all__ = ["case"]

HEADER = "id,day,name\n"
runner = CliRunner()


class Poisoned:
    """The real function behind a door at which a worker dies of every batch with the file poison.csv, until mended."""

    def __init__(self, url: str) -> None:
        self.url, self.mended, self.posts = url, False, 0

    def answer(self, method: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if method == "POST":
            self.posts += 1
            if b"poison.csv" in body and not self.mended:
                return 500, b"upstream connect error"
        request = urllib.request.Request(self.url, body or None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()


@pytest.fixture
def poisoned(in_cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Poisoned]:
    door = Poisoned(in_cloud.environ()["LANDFALL_FUNCTION_URL"])

    class Handler(http.server.BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = {n: v for n, v in self.headers.items() if n in ("Content-Type", "Idempotency-Key")}
            status, content = door.answer(self.command, body, kept)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _pass_on  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("LANDFALL_FUNCTION_URL", f"http://127.0.0.1:{server.server_port}")
    yield door
    server.shutdown()
    server.server_close()


def put_aside(landing: Any, dataset: str) -> dict[str, Any]:
    """Names of the dataset's dead letters and envelopes, without their generation, to the objects."""
    found = landing.client.bucket("landfall-archive").list_blobs(prefix=f"{dataset}/dead-letter/")
    return {blob.name.split("/", 3)[3]: blob for blob in found}


def more_attempts(root: Path, name: str, attempts: int) -> None:
    path = root / name / "pipeline.yaml"
    path.write_text(path.read_text().replace("{attempts: 1}", f"{{attempts: {attempts}, base: 1s}}"))


def test_the_worker_that_one_file_kills_keeps_no_other_file_out(
    case: Any, poisoned: Poisoned, landing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    it = case()
    more_attempts(it.root, it.name, 2)
    for number, name in enumerate(("a", "poison", "z")):
        it.land(f"{name}.csv", f"{HEADER}{number},2026-01-01,{name}\n")

    together = it.run()
    assert (together.state, together.tasks["transform"]) == ("failed", ["failed"])
    assert set(it.files().values()) == {"seen: failed_together"}
    assert poisoned.posts == 2, "as many tries as `retry.attempts` says, and no more inside of them"

    alone = it.run()
    assert (alone.state, alone.tasks["transform"]) == ("failed", ["failed", "success", "success"])
    assert it.rows() == [(0, "a"), (2, "z")]
    assert it.files() == {"a.csv": "loaded", "poison.csv": "dead_lettered: failed", "z.csv": "loaded"}
    assert it.landed() == set()
    assert "1 files failed too often" in caplog.text
    letters = put_aside(landing, it.name)
    assert set(letters) == {f"{it.name}/poison.csv", f"{it.name}/poison.csv.json"}
    envelope = json.loads(letters[f"{it.name}/poison.csv.json"].download_as_bytes())
    assert [tried["run_id"] for tried in envelope["tried"]] == [together.run_id, alone.run_id]
    assert "500" in envelope["why"]
    assert it.run().tasks == SKIPPED, "nobody tries it again"

    poisoned.mended = True
    command, *arguments = envelope["how_to_retry"]["command"].split()
    assert command == "landfall"
    answer = runner.invoke(app, [*arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    assert put_aside(landing, it.name) == {}
    assert it.landed() == {"poison.csv"}
    assert it.run().tasks == SUCCESS
    assert it.rows() == [(0, "a"), (1, "poison"), (2, "z")]
    states = "SELECT state FROM landfall_ops.files_current WHERE dataset = @d AND name = @name ORDER BY generation"
    found = it.query(states, {"d": it.name, "name": f"{it.name}/poison.csv"})
    assert [row["state"] for row in found] == ["superseded", "loaded"]
    again = runner.invoke(app, arguments)
    assert again.exit_code == 1
    assert "is superseded" in again.output


def test_held_files_are_released_and_rejected_at_the_terminal_and_in_the_form(
    case: Any, landing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    it = case()
    bad = HEADER + "x,2026-01-01,x\ny,2026-01-01,y\n"
    for number, name in enumerate(("a", "b", "c", "d")):
        it.land(f"{name}.csv", f"{bad}{number},2026-01-01,{name}\n")
    it.land("unreadable.csv", b"\x00\xff" * 100)
    it.run()
    assert [state.partition(":")[0] for state in it.files().values()] == ["held"] * 5

    released = runner.invoke(app, ["release", f"{it.name}/a.csv", "--dataset", it.name])
    assert released.exit_code == 0, released.output
    rejected = runner.invoke(app, ["reject", f"{it.name}/b.csv", "--reason", "not ours", "-d", it.name])
    assert rejected.exit_code == 0, rejected.output
    near = runner.invoke(app, ["release", "c.csv", "-d", it.name])
    assert near.exit_code == 3
    assert f"did you mean {it.name}/c.csv?" in near.output
    finished = it.run(
        release=[f"gs://landfall-landing/{it.name}/c.csv", f"{it.name}/unreadable.csv"],
        reject=[f"{it.name}/d.csv"],
        reason="nor this",
    )
    assert finished.state == "success"
    assert it.rows() == [(0, "a"), (2, "c")]
    files = it.files()
    assert files.pop("unreadable.csv").startswith("held: "), "bytes that cannot be read are held again"
    assert files == {"a.csv": "loaded", "b.csv": "rejected: rejected", "c.csv": "loaded", "d.csv": "rejected: rejected"}
    assert it.landed() == {"unreadable.csv"}
    archived = {b.name.rpartition("/")[2] for b in landing.client.bucket("landfall-archive").list_blobs(prefix=it.name)}
    assert archived == {"a.csv", "b.csv", "c.csv", "d.csv"}
    assert "rejected by a person" in caplog.text
    shown = runner.invoke(app, ["status", it.name])
    assert "rejected: nor this. It was held: over_tolerance" in shown.output
    assert f"landfall release {it.name}/unreadable.csv --dataset {it.name}" in shown.output
    refused = it.run(release=[f"{it.name}/a.csv"])
    assert refused.tasks["wait_for_files"] == ["failed"]
    assert it.files()["a.csv"] == "loaded", "what is wanted and cannot be changes nothing"

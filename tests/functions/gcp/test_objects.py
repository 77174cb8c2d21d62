"""Cloud Storage as the function reads and writes it: whole or not at all, and its failures told apart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from include.functions.failures import Forbidden, FunctionFailure, InputChanged, InputMissing, Unavailable
from include.functions.gcp.objects import Objects
from include.functions.job import run_job
from include.functions.protocol import PinnedInput, PinnedReference, TransformRequest
from include.spec.settings import Settings
from tests.functions.conftest import GOOD, Bench, lines, pinned

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def landed(bench: Bench) -> PinnedInput:
    blob = bench.put("landfall-landing", "objects/whole.bin", CONTENT)
    return PinnedInput.model_validate(pinned(blob, "f"))


@pytest.mark.parametrize("chunk", [1 << 20, 1000, 256_000, 255_999])
def test_an_object_is_read_whole_whatever_the_size_of_the_pieces(bench: Bench, landed: PinnedInput, chunk: int) -> None:
    with Objects(bench.client, chunk=chunk).open(landed) as stream:
        assert stream.read(7) == CONTENT[:7]
        assert stream.read() == CONTENT[7:]
        assert stream.read(1) == b""


def test_an_object_is_read_from_any_place_on(bench: Bench, landed: PinnedInput) -> None:
    with Objects(bench.client, chunk=1000).open(landed) as stream:
        for place in (0, 999, 1000, 200_000, 7, len(CONTENT)):
            assert stream.seek(place) == place
            assert stream.read(3000) == CONTENT[place : place + 3000]
            assert stream.tell() == min(place + 3000, len(CONTENT))
        stream.seek(len(CONTENT) - 5)
        assert stream.read() == CONTENT[-5:]


def test_an_empty_object_is_read(bench: Bench) -> None:
    blob = bench.put("landfall-landing", "objects/empty.bin", b"")
    with Objects(bench.client).open(PinnedInput.model_validate(pinned(blob, "f"))) as stream:
        assert stream.read() == b""


def test_an_object_that_shrinks_while_it_is_read_never_passes_as_whole(bench: Bench, landed: PinnedInput) -> None:
    with Objects(bench.client, chunk=1000).open(landed) as stream:
        stream.read(10)
        bench.put("landfall-landing", "objects/whole.bin", CONTENT[:5000])
        with pytest.raises(FunctionFailure):
            stream.read()


def test_an_object_whose_bytes_change_while_it_is_read_never_passes_as_whole(bench: Bench, landed: PinnedInput) -> None:
    with Objects(bench.client, chunk=1000).open(landed) as stream:
        stream.read(10)
        bench.put("landfall-landing", "objects/whole.bin", CONTENT[::-1])
        with pytest.raises(FunctionFailure):
            stream.read()


def test_a_file_replaced_after_it_was_read_is_not_published(bench: Bench) -> None:
    class Overtaken(Objects):
        """A store in which every file is replaced as soon as it has been opened."""

        def open(self, pinned: PinnedInput) -> Any:
            import io

            with super().open(pinned) as stream:
                content = stream.read()
            bench.put("landfall-landing", pinned.uri.split("/", 3)[3], lines(GOOD, GOOD))
            return io.BytesIO(content)

    from include.engine.mask import Secrets

    request = TransformRequest.model_validate(bench.batch(lines(GOOD)))
    with pytest.raises(InputChanged):
        run_job(request, Overtaken(bench.client), Settings(), Secrets())
    assert bench.names(request.output) == []


def test_a_reference_is_fetched_in_its_version_only(bench: Bench, tmp_path: Path) -> None:
    blob = bench.put("landfall-work", "reference/x.csv", b"a,b\n")
    reference = PinnedReference(uri="gs://landfall-work/reference/x.csv", generation=blob.generation)
    Objects(bench.client).fetch(reference, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"a,b\n"
    bench.put("landfall-work", "reference/x.csv", b"c,d\n")
    with pytest.raises(InputChanged):
        Objects(bench.client).fetch(reference, tmp_path / "x")


def test_a_missing_object_is_nothing_to_read_and_missing_as_an_input(bench: Bench) -> None:
    objects = Objects(bench.client)
    assert objects.read("gs://landfall-work/objects/none") is None
    with pytest.raises(InputMissing):
        objects.check([PinnedInput(file_id="f", uri="gs://landfall-landing/objects/none", generation=1, size=1)])


def test_what_was_published_is_returned(bench: Bench) -> None:
    objects = Objects(bench.client)
    assert objects.publish("gs://landfall-work/objects/published", b"{}") == b"{}"
    assert objects.read("gs://landfall-work/objects/published") == b"{}"


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], Objects]]:
    """Objects over a server that gives every request one answer."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    servers = []

    def start(status: int, body: bytes = b"") -> Objects:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - the name that http.server calls

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        endpoint = f"http://127.0.0.1:{server.server_port}"
        client = storage.Client("p", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint})
        return Objects(client, patience=0.2)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


INPUT = PinnedInput(file_id="f", uri="gs://landing/name", generation=1, size=10, crc32c="AAAAAA==")


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (408, Unavailable, "storage_unavailable"),
        (429, Unavailable, "storage_unavailable"),
        (500, Unavailable, "storage_unavailable"),
        (503, Unavailable, "storage_unavailable"),
        (504, Unavailable, "storage_unavailable"),
        (401, Forbidden, "storage_refused"),
        (403, Forbidden, "storage_refused"),
        (412, InputChanged, "input_changed"),
        (404, InputMissing, "input_missing"),
    ],
)
def test_what_the_store_answers_decides_whether_trying_again_can_help(
    answering: Callable[..., Objects], status: int, kind: type[FunctionFailure], code: str
) -> None:
    objects = answering(status)
    with pytest.raises(kind) as raised:
        objects.check([INPUT])
    assert (raised.value.code, raised.value.where) == (code, INPUT.uri)
    with pytest.raises(kind):
        objects.open(INPUT).read()


def test_a_bucket_that_is_gone_is_no_missing_input(answering: Callable[..., Objects], tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"x")
    with pytest.raises(Forbidden):
        answering(404).write("gs://work/part", tmp_path / "part")


def test_a_store_that_does_not_answer_is_transient() -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    # Port 9 is "discard": nothing listens there.
    options = {"api_endpoint": "http://127.0.0.1:9"}
    client = storage.Client("p", credentials=AnonymousCredentials(), client_options=options)
    with pytest.raises(Unavailable):
        Objects(client, patience=0.2).check([INPUT])


@pytest.mark.parametrize(("body", "code"), [(b"123456789", "short_read"), (b"0123456789", "wrong_checksum")])
def test_fewer_or_other_bytes_than_the_store_promised_are_transient(
    answering: Callable[..., Objects], body: bytes, code: str
) -> None:
    with pytest.raises(Unavailable) as raised:
        answering(200, body).open(INPUT).read()
    assert raised.value.code == code

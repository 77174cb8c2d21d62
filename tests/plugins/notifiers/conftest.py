"""Real receivers on this machine: an HTTP server, the same behind TLS, and a mail server."""

from __future__ import annotations

import json
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Airflow reads these when it is first imported, and would otherwise write into the user's home.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="landfall-airflow-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from landfall.notifiers.alert import Alert

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Received:
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Receiver:
    """An HTTP server that keeps what it gets and answers what it is told to."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    status: int = 200
    answer: Any = field(default_factory=lambda: {"ok": True})
    hold: threading.Event | None = None


def _serve(receiver: Receiver, tls: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.requests.append(Received(self.path, dict(self.headers.items()), json.loads(raw)))
            if receiver.hold:
                receiver.hold.wait(30)
            answer = json.dumps(receiver.answer).encode()
            self.send_response(receiver.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.url = f"{'https' if tls else 'http'}://localhost:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    found = Receiver()
    server = _serve(found)
    yield found
    if found.hold:
        found.hold.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def tls_receiver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    certificate = _certificate(tmp_path)
    # What both requests and httpx trust besides their own list.
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    found = Receiver()
    server = _serve(found, tls)
    yield found
    server.shutdown()
    server.server_close()


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "localhost.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


class Mailbox:
    """A mail server's handler that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.port = 0

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        self.mails.append(message_from_bytes(envelope.original_content or b""))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    from aiosmtpd.controller import Controller

    found = Mailbox()
    with socket.socket() as probe:  # aiosmtpd cannot be asked which port it was given
        probe.bind(("127.0.0.1", 0))
        found.port = probe.getsockname()[1]
    controller = Controller(found, hostname="127.0.0.1", port=found.port)
    controller.start()
    yield found
    controller.stop()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a connection as Airflow users do: AIRFLOW_CONN_<ID> in the environment."""

    def set_connection(connection_id: str, **parts: object) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{connection_id.upper()}", json.dumps(parts))

    return set_connection


@pytest.fixture
def alert() -> Alert:
    return Alert(
        dataset="orders",
        dag_id="ingest_orders",
        run_id="scheduled__2026-11-21T06:00:00+00:00",
        task_id="transform",
        map_index=2,
        try_number=3,
        max_tries=3,
        reason="TerminalError: orders-7.csv.gz ends in the middle of a gzip block\nAsk for it again.",
        files=("gs://landing/orders/orders-7.csv.gz",),
        log_url="https://airflow.example.com/dags/ingest_orders/runs/r/tasks/transform/mapped/2?try_number=3",
        when=datetime(2026, 11, 21, 6, 5, 4, tzinfo=UTC),
    )

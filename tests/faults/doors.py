"""The proxies' own process: a reverse proxy in front of each service, which lets through what no rule strikes.

aiohttp serves and asks: unlike mitmproxy or proxy.py it gives the handler the client's own transport, which can be cut
off at any byte, and Airflow's environments have it already.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from yarl import URL

from tests.faults.calls import call_of
from tests.faults.faults import Answer
from tests.faults.script import Exchange, Rule, Script, Upstream

# What is between two neighbours is not passed on; lengths are counted anew.
_OF_THE_CONNECTION = {
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect",
    "content-length",
}  # fmt: skip
_NOT_OURS_TO_ADD = {"Accept", "Accept-Encoding", "Content-Type", "User-Agent"}
_SETTLE_SECONDS = 60.0


class _Doors:
    """All doors. What a command names is one of the methods without an underscore."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._doors = {name: _Door(name, upstream, self) for name, upstream in upstreams.items()}
        self.script = Script()
        self.exchanges: list[Exchange] = []

    async def ports(self) -> dict[str, int]:
        """Open all doors; returns the port of each."""
        for door in self._doors.values():
            await door.open()
        return {name: door.port for name, door in self._doors.items()}

    async def play(self, rules: Sequence[Rule], seed: int) -> None:
        """Follow these rules from now on."""
        self.script, self.exchanges = Script(rules, seed), []

    async def log(self) -> list[Exchange]:
        """Return what was asked since the rules were set."""
        return self.exchanges

    async def shut(self, door: str) -> None:
        """Have nobody listen."""
        await self._doors[door].close()

    async def reopen(self, door: str) -> None:
        """Listen again, on the same port."""
        await self._doors[door].open()

    async def close(self) -> None:
        """Have nobody listen anywhere."""
        for door in self._doors.values():
            await door.close()

    async def settle(self) -> bool:
        """Wait until no request is under way; False if one still is after a minute."""
        until = asyncio.get_running_loop().time() + _SETTLE_SECONDS
        while any(door.under_way for door in self._doors.values()):
            if asyncio.get_running_loop().time() > until:
                return False
            await asyncio.sleep(0.002)
        return True


class _Door:
    def __init__(self, name: str, upstream: Upstream, doors: _Doors) -> None:
        self.name, self.upstream, self._doors = name, upstream, doors
        self.port = self.under_way = 0

    async def open(self) -> None:
        # Connections are let go before a service would, which might be just when one is used again.
        connector = TCPConnector(keepalive_timeout=1.0, limit=0)
        self.session = ClientSession(
            connector=connector, auto_decompress=False, cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None), skip_auto_headers=_NOT_OURS_TO_ADD,
        )  # fmt: skip
        # aiohttp would send some requests again where such a connection breaks; here each is sent as often as it came.
        self.session._retry_connection = False
        self._server = web.Server(self._serve, access_log=None, auto_decompress=False)
        self._runner = web.ServerRunner(self._server)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        for site in list(self._runner.sites):
            await site.stop()
        for connection in self._server.connections:
            if connection.transport is not None:
                _reset(connection.transport)
        await self._runner.cleanup()
        await self.session.close()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        call = call_of(self.upstream.service, request.method, request.raw_path)
        exchange = Exchange(self.name, call, request.method, request.raw_path)
        line = _Line(request, self, exchange)
        script = self._doors.script
        self.under_way += 1
        try:
            exchange.fault = script.strike(exchange, await line.hear() if script.reads_bodies else b"")
            self._doors.exchanges.append(exchange)
            await (_pass(line) if exchange.fault is None else exchange.fault.happen(line))
        except (ClientError, OSError):
            # The service did not answer, or the client is gone: what the one sees, the other is to see.
            line.hang_up()
        finally:
            self.under_way -= 1
        return line.response


async def _pass(line: _Line) -> None:
    await line.tell(await line.ask())


class _Line:
    """One request; see tests.faults.faults.Line."""

    def __init__(self, request: web.BaseRequest, door: _Door, exchange: Exchange) -> None:
        self.service = door.upstream.service
        self.response: web.StreamResponse = web.Response()
        self._request, self._door, self._exchange = request, door, exchange
        self._url = URL(door.upstream.url + request.raw_path, encoded=True)
        self._headers = [(k, v) for k, v in request.headers.items() if k.lower() not in _OF_THE_CONNECTION]
        self._body: bytes | None = None

    async def hear(self) -> bytes:
        if self._body is None:
            self._body = await self._request.content.read()
        return self._body

    async def ask(self) -> Answer:
        await self.hear()
        asked = self._door.session.request(
            self._request.method, self._url, headers=self._headers, data=self._body or None, allow_redirects=False
        )
        async with asked as answer:
            content = await answer.read()
            self._exchange.answers.append(answer.status)
            return Answer(answer.status, answer.headers, content)

    async def ask_in_part(self, share: float) -> None:
        await self.hear()
        body = self._body or b""
        where = urlsplit(self._door.upstream.url)
        _, writer = await asyncio.open_connection(where.hostname, where.port)
        lines = [f"{self._request.method} {self._request.raw_path} HTTP/1.1", *(f"{k}: {v}" for k, v in self._headers)]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        # A request without a body breaks off in its head.
        sent = head.encode() + body[: int(len(body) * share)] if body else head.encode()[:-2]
        writer.write(sent)
        await writer.drain()
        _reset(writer.transport)

    async def tell(self, answer: Answer) -> None:
        self.response = web.Response(status=answer.status, body=answer.body or None, headers=_passed_on(answer))

    async def tell_in_part(self, answer: Answer, share: float, *, reset: bool) -> None:
        transport = self._request.transport
        if not answer.body or transport is None:
            self.hang_up()
            return
        self.response = web.StreamResponse(status=answer.status, headers=_passed_on(answer))
        self.response.content_length = len(answer.body)
        await self.response.prepare(self._request)
        await self.response.write(answer.body[: int(len(answer.body) * share)])
        _reset(transport) if reset else transport.close()

    def hang_up(self) -> None:
        if self._request.transport is not None:
            _reset(self._request.transport)


def _passed_on(answer: Answer) -> list[tuple[str, str]]:
    return [(name, value) for name, value in answer.headers.items() if name.lower() not in _OF_THE_CONNECTION]


def _reset(transport: asyncio.BaseTransport) -> None:
    """Close a connection so that the other side is told of it as a reset, not as an end."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()  # type: ignore[attr-defined]


async def _obey() -> None:
    """Carry out commands from standard input, one after another, up to `close` or its end."""
    loop = asyncio.get_running_loop()
    doors: Any = _Doors(pickle.load(sys.stdin.buffer))
    name = ""
    while name != "close":
        try:
            name, arguments = await loop.run_in_executor(None, pickle.load, sys.stdin.buffer)
        except EOFError:  # whoever started us is gone
            name, arguments = "close", ()
        done = await getattr(doors, name)(*arguments)
        with contextlib.suppress(BrokenPipeError):
            pickle.dump(done, sys.stdout.buffer)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(_obey())

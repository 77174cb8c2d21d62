"""The proxies between clients and services, as a test has them."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from local.paths import ROOT
from tests.faults.script import Exchange, Rule, Upstream


class Proxies:
    """Doors to services; a context manager. Rules can be set at any time, from any thread.

    They are in a process of their own. A child that a test forks would inherit their connections, and these cannot be
    reset as long as anybody else holds them.

    Args:
        upstreams: what is behind each door, by the door's name.
    """

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._upstreams = dict(upstreams)
        self._lock = threading.Lock()

    def __enter__(self) -> Proxies:
        # In a session of its own: Ctrl-C is for the test, which then closes the doors.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.doors"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._send(self._upstreams)
        self._ports: dict[str, int] = self._ask("ports")
        return self

    def __exit__(self, *_: object) -> None:
        self._ask("close")
        self._process.communicate()

    def url(self, door: str) -> str:
        """Return a door's address."""
        return f"http://127.0.0.1:{self._ports[door]}"

    def play(self, *rules: Rule, seed: int = 0) -> None:
        """Follow these rules from now on, and no others; the log begins anew. Without rules all is let through."""
        self._ask("play", rules, seed)

    @property
    def log(self) -> list[Exchange]:
        """What was asked since the rules were set, in the order in which it was heard."""
        exchanges: list[Exchange] = self._ask("log")
        return exchanges

    def injected(self) -> list[Exchange]:
        """Return the requests that were struck since the rules were set."""
        return [exchange for exchange in self.log if exchange.fault is not None]

    @contextlib.contextmanager
    def down(self, door: str) -> Iterator[None]:
        """Have nobody listen behind a door: connections that are there are reset, new ones refused."""
        self._ask("shut", door)
        try:
            yield
        finally:
            self._ask("reopen", door)

    def settle(self) -> None:
        """Wait until no request is under way any more, those included for which no client waits.

        Raises:
            TimeoutError: one is still, after a minute.
        """
        if not self._ask("settle"):
            raise TimeoutError(f"requests are still under way: {self.log[-3:]}")

    def _ask(self, command: str, *arguments: object) -> Any:
        with self._lock:
            self._send((command, arguments))
            stream = self._process.stdout
            assert stream is not None
            return pickle.load(stream)

    def _send(self, what: object) -> None:
        stream = self._process.stdin
        assert stream is not None
        pickle.dump(what, stream)
        stream.flush()

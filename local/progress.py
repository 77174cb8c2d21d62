"""Turn what uv says while it installs into a progress line that a person can follow."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from typing import TextIO

_RESOLVED = re.compile(r"^Resolved (\d+) package")
_FETCH = re.compile(r"^DEBUG (?:Sending fresh GET|No cache entry|Found fresh response).*/([^/\s]+)\.(?:whl|tar\.gz)")
_DOWNLOADING = re.compile(r"^\s*(?:Downloading|Building) (.+)$")
_PREPARED = re.compile(r"^(?:Prepared|Installed) \d+ package")
_PLAIN_SECONDS = 10.0
_TTY_SECONDS = 0.1


class Progress:
    """One line that is redrawn on a terminal, and a plain line now and then anywhere else.

    Args:
        title: what is being installed.
        stream: where it is shown; standard error by default.
    """

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self.title = title
        self.stream = stream or sys.stderr
        self.total = 0
        self.seen: set[str] = set()
        self.detail = "resolving"
        self.started = self.shown = time.monotonic()
        self.messages: deque[str] = deque(maxlen=12)
        self._print(f"landfall: {title}: installing" if not self._tty() else "")

    def read(self, line: str) -> None:
        """Take a line of uv's verbose output into account, and show what has changed."""
        if not line.startswith(("DEBUG", "TRACE")):
            self.messages.append(line.rstrip())
        if match := _RESOLVED.match(line):
            self.total = int(match[1])
            self.detail = f"{self.total} packages"
        elif match := _FETCH.match(line):
            self.seen.add(match[1].split("-")[0])
        elif match := _DOWNLOADING.match(line):
            self.detail = match[1]
        elif _PREPARED.match(line):
            self.detail = "linking"
        self._show()

    def close(self) -> None:
        """End the line."""
        if self._tty():
            self._print("\r\033[K", end="")

    def complaint(self) -> str:
        """Return uv's last messages that are not tracing."""
        return "\n".join(f"    {message}" for message in self.messages)

    def _tty(self) -> bool:
        return self.stream.isatty()

    def _show(self) -> None:
        now = time.monotonic()
        if now - self.shown < (_TTY_SECONDS if self._tty() else _PLAIN_SECONDS):
            return
        self.shown = now
        done = f"{min(len(self.seen), self.total)} of {self.total} packages, " if self.total else ""
        text = f"landfall: {self.title}: {done}{now - self.started:.0f} s, {self.detail}"
        self._print(f"\r\033[K{text[:110]}" if self._tty() else text, end="" if self._tty() else "\n")

    def _print(self, text: str, end: str = "\n") -> None:
        if text:
            print(text, end=end, file=self.stream, flush=True)

"""Keeps a file's last lines from its framer, block by block, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

from include.engine.account import Reason

_LEAST = 1 << 16


class FooterCutter:
    """Reads a file without its footer: the last lines, blank ones not counted.

    Args:
        read: returns that many bytes, fewer only at the end of the file.
        lines: lines of the footer.
        limit: bytes of the longest footer; a longer one is damage.
    """

    def __init__(self, read: Callable[[int], bytes], *, lines: int, limit: int) -> None:
        self._source = read
        self._lines = lines
        self._limit = limit
        self._held = b""
        self._begin = 0  # of the footer, in what is held
        self._torn = False
        self._ended = False
        self.damage: Reason | None = None

    def read(self, size: int) -> bytes:
        """Return that many bytes, fewer only where the footer begins."""
        while self._begin < size and not self._ended:
            self._hold(max(size, _LEAST, min(len(self._held), self._limit)))
        data = self._held[: min(size, self._begin)]
        self._held = self._held[len(data) :]
        self._begin -= len(data)
        return data

    def _hold(self, size: int) -> None:
        data = self._source(size)
        self._ended = len(data) < size
        self._held += data
        self._begin, is_whole = self._footer()
        self._torn = self._torn and not is_whole
        if len(self._held) - self._begin > self._limit and not self._ended:
            self._begin, self._torn = len(self._held) - self._limit, True
        if self._ended and self._torn:
            message = f"the last {self._lines} lines, the footer, are longer than {self._limit:,} bytes"
            self.damage = Reason("footer_too_long", f"{message}: see `format.footer_lines` and `format.max_record`")

    def _footer(self) -> tuple[int, bool]:
        """Say where the last lines of what is held begin, and whether the first of them begins there in the file."""
        begin = len(self._held)
        for _ in range(self._lines):
            end = self._last_filled(begin)
            feed = self._held.rfind(b"\n", 0, end)
            begin = max(feed, self._held.rfind(b"\r", feed + 1, end)) + 1
        return begin, begin > 0

    def _last_filled(self, end: int) -> int:
        """Return where the line ends that stands before blank ones; 0 where all are blank."""
        while end:
            piece = self._held[max(end - _LEAST, 0) : end]
            filled = len(piece.rstrip(b"\r\n"))
            end -= len(piece) - filled
            if filled:
                break
        return end

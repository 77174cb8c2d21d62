"""Reads a file's bytes, gzip or plain, in pieces of the size asked for, and says when they are damaged."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import BinaryIO, Literal

from include.engine.account import Reason

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 18


class Source:
    """A file's decompressed bytes. Damage ends the stream and is told in `damage`; it is never raised.

    Args:
        raw: the file, opened for reading; its own errors pass through.
        compression: auto looks at the first two bytes.
        limit: decompressed bytes after which a file is given up (a gzip bomb makes 10 GB of 10 MB).
    """

    def __init__(
        self, raw: BinaryIO, *, compression: Literal["auto", "none", "gzip"] = "auto", limit: int = 1 << 40
    ) -> None:
        self._raw = raw
        self._limit = limit
        self._pending = b""
        self._ended = False
        self._inflater: _Inflater | None = None
        self.damage: Reason | None = None
        self.compressed_bytes = 0
        self.bytes = 0
        self._open(compression)

    def _open(self, compression: str) -> None:
        first = self._read_raw(_CHUNK)
        while first and len(first) < len(_GZIP) and (more := self._read_raw(_CHUNK)):
            first += more
        is_gzip = first.startswith(_GZIP)
        if compression == "gzip" and first and not is_gzip:
            message = "the file is not gzip, though `format.compression` says so"
            self.damage, self._ended = Reason("wrong_format", message), True
        elif compression != "none" and is_gzip:
            self._inflater = _Inflater(self._read_raw, first)
        else:
            self._pending, self.bytes = first, len(first)

    def _read_raw(self, size: int) -> bytes:
        data = self._raw.read(size)
        self.compressed_bytes += len(data)
        return data

    def head(self, size: int) -> bytes:
        """Return the first bytes that `read` will give, without taking them."""
        self._fill(size)
        return self._pending[:size]

    def read(self, size: int) -> bytes:
        """Return exactly that many bytes; fewer only at the end of the file."""
        self._fill(size)
        data, self._pending = self._pending[:size], self._pending[size:]
        return data

    def _fill(self, size: int) -> None:
        if len(self._pending) >= size or self._ended:
            return
        parts, have = [self._pending], len(self._pending)
        while have < size:
            data = self._next(size - have)
            if not data:
                self._ended = True
                break
            parts.append(data)
            have += len(data)
            self.bytes += len(data)
        self._pending = b"".join(parts)

    def _next(self, size: int) -> bytes:
        if self.bytes > self._limit:
            self.damage = Reason("too_large", f"the file is larger than {self._limit:,} bytes when decompressed")
            return b""
        if self._inflater is None:
            return self._read_raw(size)
        data = self._inflater.read(size)
        self.damage = self._inflater.damage
        return data


class _Inflater:
    """Inflates one gzip member after another, never more at a time than was asked for."""

    def __init__(self, read: Callable[[int], bytes], first: bytes) -> None:
        self._read_raw = read
        self._input = first
        self._member = zlib.decompressobj(wbits=31)
        self.damage: Reason | None = None

    def read(self, size: int) -> bytes:
        """Return at least one and at most `size` bytes; none at the end or at damage."""
        while self.damage is None:
            if self._member.eof and not self._next_member():
                return b""
            if not self._input:
                self._input = self._read_raw(_CHUNK)
            if not self._input:  # zlib may hold output back once it has taken all input
                if data := self._member.decompress(b"", size):
                    return data
                if self._member.eof:
                    continue
                message = "the gzip stream ends in the middle: the upload was cut off. Send the file again."
                self.damage = Reason("truncated_gzip", message)
                return b""
            try:
                data = self._member.decompress(self._input, size)
            except zlib.error as error:
                message = f"the gzip stream is corrupt ({error}). Send the file again."
                self.damage = Reason("corrupt_gzip", message)
                return b""
            self._input = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if data:
                return data
        return b""

    def _next_member(self) -> bool:
        # Tapes and some tools pad with zero bytes; RFC 1952 lets members follow one another.
        while len(rest := self._input.lstrip(b"\0")) < len(_GZIP):
            more = self._read_raw(_CHUNK)
            if not more:
                break
            self._input = rest + more
        self._input = rest
        if not rest:
            return False
        if not rest.startswith(_GZIP):
            message = "bytes that are no gzip follow the gzip stream. Send the file again."
            self.damage = Reason("corrupt_gzip", message)
            return False
        self._member = zlib.decompressobj(wbits=31)
        return True

"""Inflates gzip, zstd and bzip2, one member after another, never much more at a time than was asked for."""

from __future__ import annotations

import bz2
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Literal

from include.engine.account import Reason

Codec = Literal["gzip", "zstd", "bzip2"]

CHUNK: Final = 1 << 18
# zstd gives all that its input makes, at most 32,768 bytes for each: this much makes 32 MB.
_ZSTD_STEP = 1 << 10
_ZSTD_WINDOW = 1 << 27  # what zstd itself takes without being told otherwise
# "BZh" alone may begin a text; what follows it in bzip2 is pi, or the square root of pi where nothing is packed.
_MAGIC: Final[dict[Codec, re.Pattern[bytes]]] = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL),
    "bzip2": re.compile(rb"BZh[1-9](?:\x31\x41\x59\x26\x53\x59|\x17\x72\x45\x38\x50\x90)", re.DOTALL),
}
MAGIC_BYTES: Final = 10


def codec_of(first: bytes) -> Codec | None:
    """Tell by its first bytes how a file is compressed."""
    return next((codec for codec, magic in _MAGIC.items() if magic.match(first)), None)


class _Member(ABC):
    """One compressed stream; another may follow it."""

    eof = False

    @abstractmethod
    def inflate(self, data: bytes, size: int) -> tuple[bytes, bytes]:
        """Return some output, `size` bytes if the codec can stop there, and the input that is not used yet."""


class _Gzip(_Member):
    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=31)

    def inflate(self, data: bytes, size: int) -> tuple[bytes, bytes]:
        out = self._inflater.decompress(data, size)
        self.eof = self._inflater.eof
        return out, self._inflater.unused_data if self.eof else self._inflater.unconsumed_tail


class _Bzip2(_Member):
    def __init__(self) -> None:
        self._inflater = bz2.BZ2Decompressor()

    def inflate(self, data: bytes, size: int) -> tuple[bytes, bytes]:
        given, kept = (data, b"") if self._inflater.needs_input else (b"", data)
        out = self._inflater.decompress(given, size)
        self.eof = self._inflater.eof
        return out, self._inflater.unused_data + kept if self.eof else kept


class _Zstd(_Member):
    def __init__(self) -> None:
        import zstandard

        self._inflater = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()

    def inflate(self, data: bytes, size: int) -> tuple[bytes, bytes]:  # noqa: ARG002 - it cannot stop
        out = self._inflater.decompress(data[:_ZSTD_STEP]) if data else b""
        self.eof = self._inflater.eof
        return out, (self._inflater.unused_data if self.eof else b"") + data[_ZSTD_STEP:]


_MEMBERS: Final[dict[Codec, type[_Member]]] = {"gzip": _Gzip, "zstd": _Zstd, "bzip2": _Bzip2}


def _errors(codec: Codec) -> tuple[type[Exception], ...]:
    """What a codec raises for bytes that are none of it (bz2 raises what input and output raise, too)."""
    if codec == "zstd":
        import zstandard

        return (zstandard.ZstdError,)
    return (zlib.error,) if codec == "gzip" else (OSError, ValueError)


class Inflater:
    """Reads compressed bytes. Damage ends them and is told in `damage`; it is never raised.

    Args:
        codec: how they are compressed.
        read: returns up to that many compressed bytes, none at the end; its errors pass through.
        first: what was read already.
    """

    def __init__(self, codec: Codec, read: Callable[[int], bytes], first: bytes) -> None:
        self._codec = codec
        self._read_raw = read
        self._input = first
        self._member = _MEMBERS[codec]()
        self._errors = _errors(codec)
        self.damage: Reason | None = None

    def read(self, size: int) -> bytes:
        """Return some bytes, at most `size` but for zstd; none at the end or at damage."""
        while self.damage is None:
            if self._member.eof and not self._next_member():
                return b""
            at_end = not self._input and not self._refill()
            try:
                # A codec may hold output back once it has taken all input.
                data, self._input = self._member.inflate(self._input, size)
            except self._errors as error:
                self._damage("corrupt", f"the {self._codec} stream is corrupt ({error}). Send the file again.")
                return b""
            if data:
                return data
            if at_end and not self._member.eof:
                message = f"the {self._codec} stream ends in the middle: the upload was cut off. Send the file again."
                self._damage("truncated", message)
        return b""

    def _refill(self) -> bool:
        self._input = self._read_raw(CHUNK)
        return bool(self._input)

    def _damage(self, how: str, message: str) -> None:
        self.damage = Reason(f"{how}_{self._codec}", message)

    def _next_member(self) -> bool:
        # Tapes and some tools pad with zero bytes; members may follow one another.
        while len(rest := self._input.lstrip(b"\0")) < MAGIC_BYTES:
            more = self._read_raw(CHUNK)
            self._input = rest + more
            if not more:
                break
        self._input = rest if len(rest) >= MAGIC_BYTES else self._input.lstrip(b"\0")
        if not self._input:
            return False
        if codec_of(self._input) != self._codec:
            message = f"bytes that are no {self._codec} follow the {self._codec} stream. Send the file again."
            self._damage("corrupt", message)
            return False
        self._member = _MEMBERS[self._codec]()
        return True

"""Reads a file's bytes, plain or compressed, in pieces of the size asked for, and says when they are damaged."""

from __future__ import annotations

import tempfile
from typing import IO, BinaryIO, Literal, cast

from include.engine.account import Reason
from include.engine.archive import ZIP_MAGIC, ZipReader
from include.engine.inflate import CHUNK, MAGIC_BYTES, Inflater, codec_of

Compression = Literal["auto", "none", "gzip", "zstd", "bzip2", "zip"]


class Source:
    """A file's decompressed bytes. Damage ends the stream and is told in `damage`; it is never raised.

    Args:
        raw: the file, opened for reading; its own errors pass through.
        compression: auto looks at the first bytes.
        limit: decompressed bytes after which a file is given up (a gzip bomb makes 10 GB of 10 MB).
    """

    def __init__(self, raw: BinaryIO, *, compression: Compression = "auto", limit: int = 1 << 40) -> None:
        self._raw = raw
        self._limit = limit
        self._pending = b""
        self._ended = False
        self._inflater: Inflater | ZipReader | None = None
        self._spools: list[IO[bytes]] = []
        self.damage: Reason | None = None
        self.compressed_bytes = 0
        self.bytes = 0
        self._open(compression)

    def _open(self, compression: Compression) -> None:
        first = self._read_raw(CHUNK)
        while first and len(first) < MAGIC_BYTES and (more := self._read_raw(CHUNK)):
            first += more
        found = "zip" if first.startswith(ZIP_MAGIC) else codec_of(first)
        if compression not in ("auto", "none") and first and found != compression:
            message = f"the file is not {compression}, though `format.compression` says so"
            self.damage, self._ended = Reason("wrong_format", message), True
        elif compression == "none" or found is None:
            self._pending, self.bytes = first, len(first)
        elif found == "zip":
            self._inflater = ZipReader(self._spool(first))
        else:
            self._inflater = Inflater(found, self._read_raw, first)

    @property
    def is_plain(self) -> bool:
        """Whether the bytes are as they are stored, and are not damaged."""
        return self._inflater is None and self.damage is None

    def _spool(self, first: bytes) -> BinaryIO:
        """Copy the stored bytes to a place where they can be read in any order."""
        spool = self._scratch()
        spool.write(first)
        while self.compressed_bytes <= self._limit and (data := self._read_raw(CHUNK)):
            spool.write(data)
        return spool

    def _scratch(self) -> BinaryIO:
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._spools.append(spool)
        return cast(BinaryIO, spool)

    def close(self) -> None:
        """Let temporary files go; the file itself stays open."""
        for spool in self._spools:
            spool.close()

    def seekable(self) -> BinaryIO:
        """Copy what is left of the decompressed bytes, as far as they can be read, to a place to seek in."""
        spool = self._scratch()
        while data := self.read(CHUNK):
            spool.write(data)
        spool.seek(0)
        return spool

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

"""Plain and compressed bytes, whatever the sizes in which they come and are asked for."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable
from typing import BinaryIO

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from include.engine.archive import ZIP_MAGIC
from include.engine.decompress import Source
from include.engine.inflate import codec_of


class Trickle(io.RawIOBase):
    """A file that gives at most a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(self._step, size) if size >= 0 else self._step)


def read_all(raw: BinaryIO, size: int) -> tuple[bytes, Source]:
    source = Source(raw)
    parts = []
    while data := source.read(size):
        parts.append(data)
        assert len(data) == size or not source.read(1)
    return b"".join(parts), source


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


CODECS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd, "bzip2": bz2.compress}


@settings(max_examples=150, deadline=None)
@given(
    codec=st.sampled_from(sorted(CODECS)),
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=3),
    step=st.integers(1, 50),
    size=st.integers(1, 70),
)
def test_members_come_out_as_they_went_in(codec: str, members: list[bytes], step: int, size: int) -> None:
    packed = b"".join(map(CODECS[codec], members))
    data, source = read_all(Trickle(packed, step), size)  # type: ignore[arg-type]
    assert data == b"".join(members)
    assert source.damage is None
    assert source.bytes == len(data)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300), step=st.integers(1, 50), size=st.integers(1, 70))
def test_plain_bytes_come_out_as_they_went_in(data: bytes, step: int, size: int) -> None:
    if codec_of(data) is None and not data.startswith(ZIP_MAGIC):
        assert read_all(Trickle(data, step), size)[0] == data  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(
    codec=st.sampled_from(sorted(CODECS)),
    data=st.binary(min_size=1, max_size=300),
    cut=st.integers(10, 1000),
    size=st.integers(1, 70),
)
def test_a_file_cut_anywhere_is_told_and_gives_what_it_held(codec: str, data: bytes, cut: int, size: int) -> None:
    packed = CODECS[codec](data)
    cut = min(cut, len(packed) - 1)
    found, source = read_all(io.BytesIO(packed[:cut]), size)
    assert source.damage is not None
    assert source.damage.code == f"truncated_{codec}"
    assert data.startswith(found)


@settings(max_examples=200, deadline=None)
@given(codec=st.sampled_from(sorted(CODECS)), at=st.integers(10, 10_000), mask=st.integers(1, 255))
def test_a_changed_byte_is_told_or_changes_nothing(codec: str, at: int, mask: int) -> None:
    data = bytes(range(256)) * 4
    packed = bytearray(CODECS[codec](data))
    packed[at % (len(packed) - 10) + 10] ^= mask
    found, source = read_all(io.BytesIO(bytes(packed)), 100)
    assert source.damage is not None or found == data


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_what_follows_a_compressed_stream_and_is_none_is_told(codec: str) -> None:
    found, source = read_all(io.BytesIO(CODECS[codec](b"data") + b"no stream at all"), 100)
    assert found == b"data"
    assert source.damage is not None
    assert source.damage.code == f"corrupt_{codec}"


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_a_bomb_makes_no_more_than_was_asked_for(codec: str) -> None:
    source = Source(io.BytesIO(CODECS[codec](b"\0" * 100_000_000)), limit=1_000_000)
    total = 0
    while piece := source.read(65_536):
        total += len(piece)
    assert source.damage is not None
    assert source.damage.code == "too_large"
    assert total < 40_000_000


@pytest.mark.parametrize("text", [b"BZh,1\n", b"BZh9 is a name\n", b"PK,1\n", b"(\xb5/,1\n"])
def test_a_text_that_begins_like_a_compressed_file_is_a_text(text: bytes) -> None:
    assert read_all(io.BytesIO(text), 100)[0] == text


def test_bytes_that_compress_to_nearly_nothing_come_out_piecewise() -> None:
    packed = zlib.compressobj(wbits=31)
    data = packed.compress(b"\0" * 10_000_000) + packed.flush()
    source = Source(io.BytesIO(data))
    total = 0
    while piece := source.read(65_536):
        assert len(piece) <= 65_536
        total += len(piece)
    assert total == 10_000_000


def test_the_head_can_be_looked_at_without_taking_it() -> None:
    source = Source(io.BytesIO(b"abcdef"))
    assert source.head(3) == b"abc"
    assert source.read(4) == b"abcd"
    assert source.head(9) == b"ef"

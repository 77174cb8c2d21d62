"""Plain and gzip bytes, whatever the sizes in which they come and are asked for."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import BinaryIO

from hypothesis import given, settings
from hypothesis import strategies as st

from include.engine.decompress import Source


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


@settings(max_examples=150, deadline=None)
@given(
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=3), step=st.integers(1, 50), size=st.integers(1, 70)
)
def test_gzip_members_come_out_as_they_went_in(members: list[bytes], step: int, size: int) -> None:
    packed = b"".join(map(gzip.compress, members))
    data, source = read_all(Trickle(packed, step), size)  # type: ignore[arg-type]
    assert data == b"".join(members)
    assert source.damage is None
    assert source.bytes == len(data)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300), step=st.integers(1, 50), size=st.integers(1, 70))
def test_plain_bytes_come_out_as_they_went_in(data: bytes, step: int, size: int) -> None:
    if not data.startswith(b"\x1f\x8b"):
        assert read_all(Trickle(data, step), size)[0] == data  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(data=st.binary(min_size=1, max_size=300), cut=st.integers(2, 1000), size=st.integers(1, 70))
def test_a_gzip_cut_anywhere_is_told_and_gives_what_it_held(data: bytes, cut: int, size: int) -> None:
    packed = gzip.compress(data)
    cut = min(cut, len(packed) - 1)
    found, source = read_all(io.BytesIO(packed[:cut]), size)
    assert source.damage is not None
    assert source.damage.code == "truncated_gzip"
    assert data.startswith(found)


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

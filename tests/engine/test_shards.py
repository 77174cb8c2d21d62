"""Shards of a file, framed apart, hold the records of the whole file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from include.engine import shards
from include.engine.frame import Frame, Framer, LineFramer, Start
from include.engine.frame_csv import CsvFramer, Dialect
from include.engine.shards import Range, Shard, resolve, scout

Record = tuple[int, int, int, int, bytes | None]
DIALECTS = [
    Dialect(),
    Dialect(quote=None),
    Dialect(escape="\\"),
    Dialect(comment="#"),
    Dialect(skip_lines=2),
    Dialect(";", "'", skip_lines=1, comment="#"),
]


def make(dialect: Dialect | None, block: int, limit: int) -> shards.MakeFramer:
    def made(read: Callable[[int], bytes], start: Start | None) -> Framer:
        if dialect is None:
            return LineFramer(read, block=block, limit=limit, start=start)
        return CsvFramer(read, block=block, limit=limit, dialect=dialect, start=start)

    return made


def records(frames: Iterable[Frame]) -> Iterator[Record]:
    for frame in frames:
        for at in range(len(frame)):
            place = int(frame.offsets[at]), int(frame.lines[at]), int(frame.lengths[at])
            yield *place, int(frame.defects[at]), frame.raw(at)


def split(content: bytes, cuts: list[int], made: shards.MakeFramer) -> list[Shard]:
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(content)}), len(content)]
    found = [scout(io.BytesIO(content), Range(*edge), made) for edge in pairwise(edges)]
    return list(resolve(io.BytesIO(content), found, len(content), made))


def check(content: bytes, cuts: list[int], made: shards.MakeFramer) -> list[Shard]:
    whole = list(records(made(io.BytesIO(content).read, None).frames()))
    found = split(content, cuts, made)
    apart: list[Record] = []
    for shard in found:
        assert shard.ordinal == len(apart)
        part = io.BytesIO(content[shard.start.offset : shard.stop])
        apart += records(made(part.read, shard.start).frames())
        assert len(apart) == shard.ordinal + shard.records
    assert apart == whole
    return found


@given(
    content=st.text(st.sampled_from("a,;\"'\n\r\\# \ufeff\u00e9\0"), max_size=200).map(str.encode),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    dialect=st.sampled_from([None, *DIALECTS]),
    block=st.integers(1, 40),
    limit=st.sampled_from([4, 30, 1000]),
)
@example(b'a,"\n",b\n\n\n"c\n', [1, 4, 5, 8], Dialect(), 3, 1000)
@example(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", [5], Dialect(), 40, 1000)
def test_any_bytes_cut_anywhere_have_the_records_of_the_whole(
    content: bytes, cuts: list[int], dialect: Dialect | None, block: int, limit: int
) -> None:
    check(content, cuts, make(dialect, block, limit))


def test_line_breaks_in_quotes_do_not_keep_a_file_from_being_split() -> None:
    rows = [f'{number},"first\nsecond ""line""\r\n, third",{number * 7}\n' for number in range(4000)]
    content = "".join(rows).encode()
    size = len(content) // 10
    found = check(content, list(range(size, len(content), size)), make(Dialect(), 4096, 1 << 20))
    assert len(found) >= 8
    assert all(shard.records > 300 for shard in found[:-1])


def test_a_very_long_file_has_longer_ranges_so_that_a_load_job_can_take_its_parts() -> None:
    assert len(shards.ranges(4_000 * 1_000, length=1_000)) == 4_000
    found = shards.ranges(4_000 * 1_000 + 1, length=1_000)
    assert (len(found), found[0].stop, found[-1].stop) == (3_997, 1_001, 4_000_001)


def test_a_record_over_several_ranges_is_in_one_shard() -> None:
    content = b'1,"' + b"x\n" * 500 + b'"\n2,b\n'
    found = check(content, list(range(100, 1000, 100)), make(Dialect(), 64, 1 << 20))
    assert [shard.records for shard in found] == [1, 1]


@pytest.mark.parametrize("window", [0, 1 << 20])
def test_a_range_that_was_scouted_wrongly_is_framed_again(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    monkeypatch.setattr(shards, "_WINDOW", window)
    # Inside the long cell, every line looks as if it were a quoted cell of its own.
    content = b'0,"' + b'\n"",""\n' * 50 + b'"\n' + b"1,a\n" * 50
    check(content, list(range(20, len(content), 20)), make(Dialect(), 64, 1 << 20))

"""The framer against the reference reader, over arbitrary bytes and at every block boundary."""

from __future__ import annotations

import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.engine.frame import (
    NOT_UTF8,
    NUL,
    TEXT_AFTER_QUOTE,
    TOO_LONG,
    UNCLOSED_QUOTE,
)
from include.engine.frame_csv import CsvFramer
from tests.engine.reference import read_csv

NAMES = {
    TEXT_AFTER_QUOTE: "text_after_quote",
    UNCLOSED_QUOTE: "unclosed_quote",
    TOO_LONG: "too_long",
    NUL: "nul",
    NOT_UTF8: "not_utf8",
}
Found = tuple[int, int, int, frozenset[str], bytes | None]

# Bytes that mean something to a CSV reader come often, others seldom.
PIECES = st.sampled_from(
    [
        b'"',
        b'"',
        b'"',
        b'""',
        b",",
        b",",
        b"\n",
        b"\n",
        b"\r",
        b"\r\n",
        b"a",
        b"bc",
        b"\xc3\xa4",
        b"\xc3",
        b"\xff",
        b"\0",
    ]
)
MESSY = st.lists(PIECES, max_size=40).map(b"".join)


def framed(data: bytes, *, block: int, limit: int = 1 << 40) -> list[Found]:
    found: list[Found] = []
    for frame in CsvFramer(io.BytesIO(data).read, block=block, limit=limit).frames():
        for record in range(len(frame)):
            names = frozenset(name for bit, name in NAMES.items() if frame.defects[record] & bit)
            place = (int(frame.offsets[record]), int(frame.lengths[record]), int(frame.lines[record]))
            found.append((*place, names, frame.raw(record)))
    return found


def expected(data: bytes, limit: int = 1 << 40) -> list[Found]:
    return [(r.offset, r.length, r.line, r.defects, r.raw) for r in read_csv(data, limit=limit)]


@settings(max_examples=600, deadline=None)
@given(data=MESSY, block=st.integers(1, 50))
@example(data=b'1,"abc\n2,"x",y\n3,4,5\n', block=1)
@example(data=b'\n,a",",,"",\n\r,abc"",,""x', block=20)
@example(data=b'a"' + b',"x"' * 2000 + b"\n", block=9000)
@example(data=b'\xef\xbb\xbfa\r\n"b"\r', block=2)
def test_frames_what_the_reference_reader_frames(data: bytes, block: int) -> None:
    assert framed(data, block=block) == expected(data)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60), block=st.integers(1, 8))
def test_frames_any_bytes(data: bytes, block: int) -> None:
    assert framed(data, block=block) == expected(data)


@settings(max_examples=500, deadline=None)
@given(data=MESSY, block=st.integers(1, 12), limit=st.integers(1, 20))
def test_skips_records_over_the_limit_as_the_reference_reader_does(data: bytes, block: int, limit: int) -> None:
    got = [(*place, raw if raw is not None else b"") for *place, raw in framed(data, block=block, limit=limit)]
    want = [(*place, raw) for *place, raw in expected(data, limit)]
    assert [place[:4] for place in got] == [place[:4] for place in want]
    assert all(mine[4] in (b"", theirs[4]) for mine, theirs in zip(got, want, strict=True))

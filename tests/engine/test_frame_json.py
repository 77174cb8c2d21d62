"""The framer of JSON arrays and of NDJSON, at every block boundary."""

from __future__ import annotations

import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from include.engine.frame import NOT_UTF8, NUL, OUTSIDE, TOO_LONG, UNFINISHED, LineFramer
from include.engine.frame_json import ArrayFramer

TEXT = st.text(st.sampled_from('ab"\\[]{},:\n\r é0'), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
BLANK = st.text(st.sampled_from(" \n\r\t"), max_size=3)


def array_records(
    data: bytes, *, block: int, limit: int = 1 << 30
) -> tuple[list[tuple[int, int, int, bytes | None]], str]:
    framer = ArrayFramer(io.BytesIO(data).read, block=block, limit=limit)
    found = [
        (int(frame.offsets[n]), int(frame.lines[n]), int(frame.defects[n]), frame.raw(n))
        for frame in framer.frames()
        for n in range(len(frame))
    ]
    return found, framer.damage.code if framer.damage else ""


@settings(max_examples=300, deadline=None)
@given(values=st.lists(VALUES, max_size=5), blanks=st.lists(BLANK, min_size=12, max_size=12), block=st.integers(1, 30))
def test_elements_of_an_array_are_found_where_they_are(values: list[object], blanks: list[str], block: int) -> None:
    text, want = blanks[0] + "[", []
    for number, value in enumerate(values):
        text += ("," if number else "") + blanks[2 * number]
        element = json.dumps(value, ensure_ascii=False)
        want.append((len(text.encode()), text.count("\n") + 1, 0, element.encode()))
        text += element + blanks[2 * number + 1]
    text += "]" + blanks[11]
    assert array_records(text.encode(), block=block) == (want, "")


@settings(max_examples=300, deadline=None)
@given(data=st.lists(st.sampled_from(list('[]{},"\\a \n')), max_size=30).map("".join), block=st.integers(1, 9))
def test_the_answer_for_any_array_does_not_depend_on_the_block(data: str, block: int) -> None:
    raw = ("[" + data).encode()
    assert array_records(raw, block=block) == array_records(raw, block=1000)


@settings(max_examples=200, deadline=None)
@given(data=st.lists(st.sampled_from(list('[]{},"\\a \n')), max_size=40).map("".join), limit=st.integers(1, 9))
def test_long_elements_are_skipped_with_their_offset_and_length(data: str, limit: int) -> None:
    raw = ("[" + data).encode()
    whole, damage = array_records(raw, block=1000)
    want = [
        (at, line, TOO_LONG if len(text or b"") > limit else bits, len(text or b"")) for at, line, bits, text in whole
    ]
    framer = ArrayFramer(io.BytesIO(raw).read, block=3, limit=limit)
    got = [
        (int(frame.offsets[n]), int(frame.lines[n]), int(frame.defects[n]), int(frame.lengths[n]))
        for frame in framer.frames()
        for n in range(len(frame))
    ]
    assert got == want
    assert (framer.damage.code if framer.damage else "") == damage


def test_an_array_that_is_cut_off_is_damaged_and_its_last_element_unfinished() -> None:
    found, damage = array_records(b'[{"a":1},\n{"a":', block=4)
    assert damage == "broken_array"
    assert found == [(1, 1, 0, b'{"a":1}'), (10, 2, UNFINISHED, b'{"a":')]


def test_text_after_an_array_is_a_record_outside_of_it() -> None:
    found, damage = array_records(b'[1]\n{"a":1}', block=3)
    assert damage == "broken_array"
    assert found == [(1, 1, 0, b"1"), (4, 2, OUTSIDE, b'{"a":1}')]


def test_an_element_with_a_bad_byte_is_marked_alone() -> None:
    found, damage = array_records(b'["a", "\xff", "\0", "b"]', block=5)
    assert [bits for _, _, bits, _ in found] == [0, NOT_UTF8, NUL, 0]
    assert damage == ""


@settings(max_examples=300, deadline=None)
@given(
    data=st.lists(st.sampled_from([b"{", b"a", b"\n", b"\r\n", b"\r", b" ", b"\t", b"\xff"]), max_size=30).map(
        b"".join
    ),
    block=st.integers(1, 9),
    limit=st.integers(1, 6),
)
def test_lines_of_ndjson_are_found_where_they_are(data: bytes, block: int, limit: int) -> None:
    want, offset = [], 0
    for number, line in enumerate(data.split(b"\n")):
        content = line.removesuffix(b"\r")
        if content.strip(b" \t\r"):
            want.append((offset, number + 1, len(content), len(content) > limit))
        offset += len(line) + 1
    got = [
        (int(frame.offsets[n]), int(frame.lines[n]), int(frame.lengths[n]), bool(frame.defects[n] & TOO_LONG))
        for frame in LineFramer(io.BytesIO(data).read, block=block, limit=limit).frames()
        for n in range(len(frame))
    ]
    assert got == want

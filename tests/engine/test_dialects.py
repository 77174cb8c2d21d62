"""CSV dialects and encodings, against the reference reader and at every block boundary."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from include.engine.encode import Encoding, UnitReader, in_file
from include.engine.footer import FooterCutter
from include.engine.frame import (
    DANGLING_ESCAPE,
    NOT_UTF8,
    NUL,
    TEXT_AFTER_QUOTE,
    TOO_LONG,
    UNCLOSED_QUOTE,
)
from include.engine.frame_csv import CsvFramer, Dialect
from include.spec.errors import SpecError
from tests.engine.builder import column, dataset, lines, run
from tests.engine.reference import MARKS, Record, read_csv

NAMES = {
    DANGLING_ESCAPE: "dangling_escape",
    TEXT_AFTER_QUOTE: "text_after_quote",
    UNCLOSED_QUOTE: "unclosed_quote",
    TOO_LONG: "too_long",
    NUL: "nul",
    NOT_UTF8: "not_utf8",
}
Found = tuple[int, int, int, frozenset[str], bytes | None]
ENCODINGS = ["utf-8", "latin-1", "cp1252", "utf-16-le", "utf-16-be"]
UNLIMITED = 1 << 40
# One to four bytes in UTF-8, one or two code units in UTF-16; and one that begins with the bytes of "é" but the last.
BEYOND = ["§", "¦", "¬", "€", "\u2063", "😀", "è"]


@st.composite
def dialects(draw: st.DrawFn) -> Dialect:
    """Four different characters, each of which may be missing but for the delimiter, which may be any."""
    delimiter, quote, escape, comment = draw(st.permutations([*",\"\\#|;\t'^x "])).__getitem__(slice(4))
    delimiter = draw(st.sampled_from([delimiter, delimiter, *BEYOND]))
    off = st.booleans()
    return Dialect(
        delimiter,
        quote if draw(off) or draw(off) else None,
        escape if draw(off) else None,
        comment if draw(off) else None,
        draw(st.integers(0, 2)),
        draw(st.integers(0, 2)),
    )


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, Dialect, str]:
    """A messy file in some dialect and encoding: what means something comes often, what is no text now and then."""
    dialect, encoding = draw(dialects()), draw(st.sampled_from(ENCODINGS))
    try:
        dialect.delimiter.encode(encoding)
    except UnicodeEncodeError:
        encoding = draw(st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]))
    special = [char for char in (dialect.delimiter, dialect.quote, dialect.escape, dialect.comment) if char]
    piece = st.sampled_from(
        [*special, *special, *special, "\n", "\n", "\r\n", "\r", "a", "bc", "é", "\0", "\x1f", "\U0010fffd"]
    )
    opening = [dialect.delimiter + quote for quote in (dialect.quote,) if quote]
    starts = [f"\n{char}{start}" for char in (dialect.comment,) if char for start in ("", *opening)]
    pieces = st.one_of(piece, piece, st.sampled_from([*opening, *starts, "\n"]))
    least = draw(st.sampled_from([0, 8, 20]))
    text = "".join(draw(st.lists(pieces, min_size=least, max_size=40))).encode(encoding, errors="replace")
    spoilt = draw(st.sampled_from([b"", b"", b"\xff", b"\x81", b"\xd8\x00", b"\x00\xd8"]))
    at = draw(st.integers(0, len(text)))
    mark = draw(st.sampled_from([b"", MARKS.get(encoding, b"")]))
    return mark + text[:at] + spoilt + text[at:], dialect, encoding


def framed(data: bytes, dialect: Dialect, encoding: str, *, block: int, limit: int = UNLIMITED) -> list[Found]:
    """What the engine finds, put together as include/engine/files.py does."""
    mark = MARKS.get(encoding, b"") if encoding != "utf-8" or not dialect.delimiter.isascii() else b""
    how = Encoding(encoding, len(mark) if mark and data.startswith(mark) else 0)
    file = io.BytesIO(data)
    is_beyond = not dialect.delimiter.isascii()
    beyond = dialect.delimiter if is_beyond else ""
    is_plain = encoding == "utf-8" and not is_beyond
    units = None if is_plain else UnitReader(file.read, how, dialect.special, beyond, dialect.sign)
    read = units.read if units else file.read
    footer = FooterCutter(read, lines=dialect.footer_lines, limit=UNLIMITED)
    read = footer.read if dialect.footer_lines else read
    framer = CsvFramer(read, block=block, limit=limit, dialect=dialect, span=units.span if units else 1)
    found: list[Found] = []
    for frame in in_file(framer, units) if units else framer.frames():
        for record in range(len(frame)):
            names = frozenset(name for bit, name in NAMES.items() if frame.defects[record] & bit)
            place = (int(frame.offsets[record]), int(frame.lengths[record]), int(frame.lines[record]))
            found.append((*place, names, frame.raw(record)))
    return found


def expected(records: list[Record]) -> list[Found]:
    return [(r.offset, r.length, r.line, r.defects, r.raw) for r in records]


@settings(max_examples=1000, deadline=None)
@given(file=files(), block=st.integers(1, 40))
@example(file=(b'a\n#,"\nb,"\nc"\n', Dialect(comment="#"), "utf-8"), block=3)
@example(file=(b'a\\"b,"c\\"\n#"\n"d\\\n', Dialect(escape="\\", comment="#"), "utf-8"), block=3)
def test_frames_any_dialect_as_the_reference_reader_does(file: tuple[bytes, Dialect, str], block: int) -> None:
    data, dialect, encoding = file
    assert framed(data, dialect, encoding, block=block) == expected(read_csv(data, dialect=dialect, encoding=encoding))


@settings(max_examples=500, deadline=None)
@given(file=files(), block=st.integers(1, 12), limit=st.integers(1, 15))
@example(file=(b"\xff,\x00,\x00", Dialect(), "utf-16-le"), block=1, limit=1)
def test_skips_long_records_of_any_dialect_as_the_reference_reader_does(
    file: tuple[bytes, Dialect, str], block: int, limit: int
) -> None:
    data, dialect, encoding = file
    got = framed(data, dialect, encoding, block=block, limit=limit)
    want = expected(read_csv(data, dialect=dialect, encoding=encoding, limit=limit))
    assert [place[:4] for place in got] == [place[:4] for place in want]
    assert all(mine[4] in (None, theirs[4]) for mine, theirs in zip(got, want, strict=True))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=files(), block=st.integers(1, 40))
def test_every_cell_of_any_dialect_is_what_the_reference_reader_reads(
    tmp_path: Path, file: tuple[bytes, Dialect, str], block: int
) -> None:
    data, dialect, encoding = file
    form = form_of(dialect, encoding)
    result = run(dataset(column("a"), column("b"), format=form), tmp_path, data, block=block)
    if result.code in ("empty_file", "wrong_format", "wrong_encoding"):
        return
    records = list(enumerate(read_csv(data, dialect=dialect, encoding=encoding)))
    good = {number: r.cells for number, r in records if not r.defects and len(r.cells) == 2}
    want = {n: tuple(None if cell == "" and not quoted else cell for cell, quoted in c) for n, c in good.items()}
    assert {row["_landfall_record"]: (row["a"], row["b"]) for row in result.good} == want or result.good == []
    bad = [(number, r.line, r.offset, r.length, r.raw) for number, r in records if number not in good]
    got = [(row["record"], row["line"], row["byte_offset"], row["byte_length"], row["raw"]) for row in result.records]
    assert got == bad


def form_of(dialect: Dialect, encoding: str) -> dict[str, object]:
    """The `format` of a pipeline that says the same."""
    form = {
        "type": "csv", "header": False, "delimiter": dialect.delimiter, "quote": dialect.quote or "none",
        "escape": dialect.escape, "comment": dialect.comment, "skip_lines": dialect.skip_lines,
        "footer_lines": dialect.footer_lines, "encoding": encoding,
    }  # fmt: skip
    return {key: value for key, value in form.items() if value is not None}


def csv(**options: object) -> dict[str, object]:
    return {"type": "csv", **options}


TWO = (column("a"), column("b", "integer"))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("delimiter", ["|", ";", "\t", "^", "\x1f", " ", *BEYOND, "\x85", "\u2028"])
def test_any_character_delimits(tmp_path: Path, delimiter: str, encoding: str) -> None:
    try:
        data = (
            lines(f"b{delimiter}a", f'1{delimiter}"x{delimiter}y\x1f\x1e"', f"?{delimiter}z").decode().encode(encoding)
        )
    except UnicodeEncodeError:
        with pytest.raises(SpecError, match=f"no character of {encoding}"):
            dataset(*TWO, format=csv(delimiter=delimiter, encoding=encoding))
        return
    if delimiter == "\x1f":
        data = data.replace("\x1f\x1e".encode(encoding), "\x1e".encode(encoding))
    for block in (1, 2, 3, 5, 1000):
        result = run(dataset(*TWO, format=csv(delimiter=delimiter, encoding=encoding)), tmp_path, data, block=block)
        text = f"x{delimiter}y\x1f\x1e" if delimiter != "\x1f" else "x\x1fy\x1e"
        assert (result.values("a"), result.values("b")) == ([text], [1])
        (row,) = result.records
        assert row["raw"] == f"?{delimiter}z".encode(encoding)
        assert data[row["byte_offset"] :][: row["byte_length"]] == row["raw"]


@pytest.mark.parametrize("delimiter", ["\ufeff", "\n", "§§"])
def test_what_is_no_character_does_not_delimit(delimiter: str) -> None:
    with pytest.raises(SpecError, match=r"format\.delimiter"):
        dataset(*TWO, format=csv(delimiter=delimiter))


def test_a_mark_before_a_header_with_another_delimiter_is_no_part_of_it(tmp_path: Path) -> None:
    data = "b§a\n1§x\n?§y\n".encode("utf-8-sig")
    result = run(dataset(*TWO, format=csv(delimiter="§")), tmp_path, data)
    assert (result.values("a"), result.records[0]["byte_offset"]) == (["x"], data.index(b"?"))


def test_masked_values_stay_hidden_with_any_delimiter(tmp_path: Path) -> None:
    result = run(dataset(*TWO, format=csv(delimiter="¦"), mask={"a": "redact"}), tmp_path, "a¦b\nsecret¦?\n".encode())
    assert result.records[0]["text"] == "***¦?"


def test_an_escape_takes_the_meaning_from_what_follows_it(tmp_path: Path) -> None:
    spec = dataset(column("a"), column("b"), format=csv(escape="\\"))
    data = lines("a,b", r'x\,y,"say \"hi\""', r'"C:\\",""""', r"\"q\",\\")
    result = run(spec, tmp_path, data)
    assert result.values("a") == ["x,y", "C:\\", '"q"']
    assert result.values("b") == ['say "hi"', '"', "\\"]


def test_a_record_that_ends_in_an_escape_costs_itself_alone(tmp_path: Path) -> None:
    spec = dataset(column("a"), column("b"), format=csv(escape="\\"))
    result = run(spec, tmp_path, lines("a,b", "x,C:\\", "y,z"))
    assert (result.values("a"), result.rules) == (["y"], [["malformed:"]])
    assert "ends in an escape" in result.messages[0]


def test_with_quoting_off_quotes_are_data(tmp_path: Path) -> None:
    spec = dataset(column("a"), column("b"), format=csv(quote="none", delimiter="\t"))
    result = run(spec, tmp_path, lines("a\tb", '"x\t5" pipe', '""\t"y"'))
    assert result.values("a") == ['"x', '""']
    assert result.values("b") == ['5" pipe', '"y"']


def test_comment_lines_are_no_records_but_quoted_ones_are_data(tmp_path: Path) -> None:
    spec = dataset(*TWO, format=csv(comment="#"))
    data = lines("# a file", "a,b", "x,1", "# don't \"read", "", "# this", '"#y\n# z",2', "w,#3", "v,4")
    result = run(spec, tmp_path, data)
    assert result.values("a") == ["x", "#y\n# z", "v"]
    assert (result.file.records, [row["line"] for row in result.records]) == (4, [9])


def test_lines_before_the_header_and_after_the_last_record_are_no_records(tmp_path: Path) -> None:
    spec = dataset(*TWO, format=csv(skip_lines=2, footer_lines=2))
    data = b'Report "x\r\n\r\na,b\r\nx,1\r\ny,?\r\n"TOTAL,1\r\n\r\nend\r\n\r\n'
    for block in (1, 7, 1000):
        result = run(spec, tmp_path, data, block=block)
        assert (result.values("a"), result.file.records) == (["x"], 2)
        assert [(row["line"], row["byte_offset"], row["raw"]) for row in result.records] == [(5, 23, b"y,?")]


def test_a_file_of_nothing_but_preamble_and_footer_is_held(tmp_path: Path) -> None:
    for options in ({"skip_lines": 5}, {"footer_lines": 5}):
        assert run(dataset(*TWO, format=csv(**options)), tmp_path, lines("a,b", "x,1")).code == "empty_file"


def test_a_footer_longer_than_a_record_may_be_holds_the_file(tmp_path: Path) -> None:
    spec = dataset(*TWO, format=csv(footer_lines=1, max_record="100B"))
    result = run(spec, tmp_path, lines("a,b", "x,1", "T" * 500_000), block=64)
    assert result.code == "footer_too_long"
    long = lines("a,b", "x,1", "y" * 500_000, "z,2", "T")
    result = run(spec, tmp_path, long, block=64)
    assert (result.values("a"), result.rules) == (["x", "z"], [["record_too_long:"]])


@pytest.mark.parametrize(
    ("declared", "written"),
    [
        ("latin-1", "latin-1"),
        ("cp1252", "cp1252"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-le", "utf-16"),
        ("utf-16-be", "utf-16-be"),
        ("utf-8", "utf-8-sig"),
    ],
)
def test_places_and_raw_bytes_are_those_of_the_file_in_any_encoding(
    tmp_path: Path, declared: str, written: str
) -> None:
    bad = "ü\n2,é".replace("\n", "\t")
    text = f"b,a\n1,é\n\n?,{bad}\n3,ö\n"
    data = text.encode(written)
    for block in (1, 3, 1000):
        result = run(dataset(*TWO, format=csv(encoding=declared)), tmp_path, data, block=block)
        assert (result.values("a"), result.values("b")) == (["é", "ö"], [1, 3])
        (row,) = result.records
        mark = len(data) - len(text.encode(written.removesuffix("-sig") if written != "utf-16" else "utf-16-le"))
        codec = "utf-16-le" if written == "utf-16" else written.removesuffix("-sig")
        assert row["raw"] == f"?,{bad}".encode(codec)
        assert data[row["byte_offset"] :][: row["byte_length"]] == row["raw"]
        assert (row["line"], row["byte_offset"]) == (4, mark + len("b,a\n1,é\n\n".encode(codec)))
        assert row["text"] == f"?,{bad}"


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        ("cp1252", b"y,\x81"),
        ("utf-16-le", "y,".encode("utf-16-le") + b"\x00\xd8"),
        ("utf-16-be", "y,".encode("utf-16-be") + b"\xdc\x00"),
    ],
)
def test_bytes_that_are_no_character_cost_their_record(tmp_path: Path, encoding: str, raw: bytes) -> None:
    first = ("a,c\nx,s\n" if encoding == "cp1252" else "a,c\nx,😀\n").encode(encoding)
    last = "\nz,€\nw,1\n".encode(encoding)
    spec = dataset(column("a"), column("c"), format=csv(encoding=encoding, escape="\\"))
    result = run(spec, tmp_path, first + raw + last, block=5)
    assert (result.values("a"), result.records[0]["raw"]) == (["x", "z", "w"], raw)
    assert result.messages == [f"the record is not {encoding.upper()}"]


def test_half_a_code_unit_at_the_end_is_a_record_of_its_own(tmp_path: Path) -> None:
    result = run(
        dataset(*TWO, format=csv(encoding="utf-16-le")), tmp_path, "a,b\nx,1\ny,2\n".encode("utf-16-le") + b"z"
    )
    assert (result.values("a"), result.rules, result.records[0]["raw"]) == (["x", "y"], [["encoding:"]], b"z")


@pytest.mark.parametrize(
    ("encoding", "data", "says"),
    [
        ("utf-16", "a,b\nx,1\n".encode("utf-16-le"), "no byte order mark"),
        ("utf-16-le", b"a,b\nx,1\n", "one byte per character"),
        ("utf-16-le", b"\xfe\xff" + "a,b\n".encode("utf-16-be"), "mark of UTF-16-BE"),
        ("latin-1", "a,b\nx,1\n".encode("utf-8-sig"), "mark of UTF-8"),
        ("cp1252", "a,b\nx,1\n".encode("utf-16-le"), "looks like UTF-16"),
    ],
)
def test_a_file_in_another_encoding_than_the_pipelines_is_held(
    tmp_path: Path, encoding: str, data: bytes, says: str
) -> None:
    result = run(dataset(*TWO, format=csv(encoding=encoding)), tmp_path, data)
    assert result.code == "wrong_encoding"
    assert result.file.reason is not None
    assert says in result.file.reason.message


@pytest.mark.parametrize(("written", "noted"), [("utf-8", True), ("cp1252", False)])
def test_utf8_read_as_another_encoding_is_noted(tmp_path: Path, written: str, noted: bool) -> None:
    spec = dataset(*TWO, format=csv(encoding="cp1252"))
    result = run(spec, tmp_path, "a,b\né,1\n".encode(written))
    assert any("looks like UTF-8" in note for note in result.file.notes) == noted


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "latin-1"])
@pytest.mark.parametrize("kind", ["ndjson", "json"])
def test_json_is_read_in_any_encoding(tmp_path: Path, kind: str, encoding: str) -> None:
    between = ",\n" if kind == "json" else "\n"
    body = between.join(['{"a": "é", "b": 1}', '{"a": "ö", "b": "?"}', '{"a": "ü", "b": 3}'])
    data = (f"[{body}]" if kind == "json" else body).encode(encoding)
    for block in (1, 5, 1000):
        result = run(dataset(*TWO, format={"type": kind, "encoding": encoding}), tmp_path, data, block=block)
        assert (result.values("a"), result.values("b")) == (["é", "ü"], [1, 3])
        (row,) = result.records
        assert data[row["byte_offset"] :][: row["byte_length"]] == row["raw"]
        assert row["text"] == '{"a": "ö", "b": "?"}'


WRITTEN = [
    ("latin-1", "latin-1"),
    ("cp1252", "cp1252"),
    ("utf-16", "utf-16"),
    ("utf-16-le", "utf-16-le"),
    ("utf-16-be", "utf-16-be"),
]


@pytest.mark.parametrize(("declared", "written"), WRITTEN)
def test_places_of_fixed_width_lines_are_those_of_the_file_in_any_encoding(
    tmp_path: Path, declared: str, written: str
) -> None:
    data = "é  1\r\nöü ?\n\nß  \nö123\n".encode(written)
    form = {"type": "fixed", "positions": {"a": "1-2", "b": "3-4"}, "encoding": declared}
    for block in (1, 3, 1000):
        result = run(dataset(*TWO, format=form), tmp_path, data, block=block)
        assert (result.values("a"), result.values("b")) == (["é", "ö1"], [1, 23])
        assert [row["text"] for row in result.records] == ["öü ?", "ß  "]
        assert [row["line"] for row in result.records] == [2, 4]
        for row in result.records:
            assert data[row["byte_offset"] :][: row["byte_length"]] == row["raw"]
            assert row["raw"].decode("utf-16-le" if written == "utf-16" else written) == row["text"]


@pytest.mark.parametrize(("declared", "written"), WRITTEN)
@pytest.mark.parametrize("kind", ["records", "json", "ndjson"])
def test_json_by_path_is_read_in_any_encoding(tmp_path: Path, kind: str, declared: str, written: str) -> None:
    between = "\n" if kind == "ndjson" else ",\n"
    body = between.join(['{"ä": {"é": "ö"}, "b": 1}', '{"ä": {"é": "ß"}, "b": "?"}', '{"ä": {"é": "ü"}, "b": 3}'])
    whole = {"ndjson": body, "json": f"[{body}]", "records": f'{{"ê": 1, "é": {{"ü": [{body}]}}, "è": "ö"}}'}[kind]
    data = whole.encode(written)
    form = {"type": kind, "encoding": declared, "paths": {"a": "ä.é"}}
    form = {**form, "type": "json", "records": "é.ü"} if kind == "records" else form
    for block in (1, 3, 1000):
        result = run(dataset(*TWO, format=form), tmp_path, data, block=block)
        assert (result.code, result.values("a"), result.values("b")) == ("", ["ö", "ü"], [1, 3])
        (row,) = result.records
        assert data[row["byte_offset"] :][: row["byte_length"]] == row["raw"]
        assert row["text"] == '{"ä": {"é": "ß"}, "b": "?"}'


@pytest.mark.parametrize(
    "shell", ['{"é": 1, "é": 2, "r": [{"a": "x", "b": 1}]}', '{"r": [{"a": "x", "b": 1}], "é": ü}']
)
def test_what_stands_around_an_array_is_read_strictly_in_any_encoding(tmp_path: Path, shell: str) -> None:
    for encoding in ("latin-1", "utf-16-le", "utf-8"):
        form = {"type": "json", "encoding": encoding, "records": "r"}
        assert run(dataset(*TWO, format=form), tmp_path, shell.encode(encoding), block=4).code == "broken_object"


@pytest.mark.parametrize(
    "form", [{"type": "fixed", "positions": {"a": "1-2", "b": "3"}}, {"type": "json", "records": "r"}]
)
def test_a_file_of_another_encoding_is_held_in_every_format(tmp_path: Path, form: dict[str, object]) -> None:
    text = "é 1\n" if form["type"] == "fixed" else '{"r": [{"a": "é", "b": 1}]}'
    for declared, written in (
        ("utf-16", "utf-16-le"),
        ("utf-16-le", "utf-8"),
        ("latin-1", "utf-16"),
        ("utf-8", "utf-16"),
    ):
        spec = dataset(*TWO, format={**form, "encoding": declared})
        assert run(spec, tmp_path, text.encode(written)).code == "wrong_encoding"


def test_masked_values_stay_hidden_in_any_encoding(tmp_path: Path) -> None:
    spec = dataset(*TWO, format=csv(encoding="utf-16-le"), mask={"a": "redact"})
    result = run(spec, tmp_path, "a,b\nsécret,?\n".encode("utf-16-le"))
    assert result.records[0]["text"] == "***,?"


def test_fields_after_the_last_column_of_a_file_without_header(tmp_path: Path) -> None:
    data = lines("x,1", "y,2,more", "z,3,4,5", "w", "v,4,x")
    for what, code, good in (("fail", "unexpected_column", []), ("quarantine", "", ["x"])):
        result = run(dataset(*TWO, format=csv(header=False, unexpected_columns=what)), tmp_path, data)
        assert (result.code, result.values("a")) == (code, good)
    spec = dataset(*TWO, format=csv(header=False, unexpected_columns="ignore"))
    for block in (1, 1000):
        result = run(spec, tmp_path, data, block=block)
        assert (result.values("a"), result.values("b")) == (["x", "y", "z", "v"], [1, 2, 3, 4])
        assert result.rules == [["too_few_fields:"]]


def test_one_record_with_a_stray_delimiter_does_not_hold_a_file_without_header(tmp_path: Path) -> None:
    result = run(dataset(*TWO, format=csv(header=False)), tmp_path, lines("x,1", "y,2,", "z,3"))
    assert (result.code, result.values("a"), result.rules) == ("", ["x", "z"], [["too_many_fields:"]])


def test_a_file_over_the_pipelines_size_is_held(tmp_path: Path) -> None:
    result = run(dataset(*TWO, format=csv(max_size="1KB")), tmp_path, lines("a,b", *["x,1"] * 100_000))
    assert result.code == "too_large"

"""XML: the row element is a record; what it holds is addressed by path; a file that is no XML is held as a whole."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.engine.frame_xml import XmlFramer
from include.engine.json_text import Defect
from tests.engine.builder import Result, column, dataset, run

ORDERS = b"""<?xml version="1.0" encoding="UTF-8"?>
<!-- two orders -->
<o:orders xmlns:o="urn:o" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><made>2026</made>
  <o:order id="1"><sku>a &amp; b</sku><to><city code="BN">Bonn</city></to><tag>x</tag><tag>y</tag></o:order>
  <o:order id="2"><sku xsi:nil="true"/><to/><tag>z</tag></o:order>
  <o:order id="?"><sku><![CDATA[<3]]></sku></o:order>
</o:orders>
"""
PATHS = {"id": "@id", "city": "to.city.#text", "code": "to.city.@code", "tags": "tag"}
SPEC = dataset(
    column("id", "integer"), column("sku"), column("city"), column("code"),
    column("tags", "array", items={"logicalType": "string"}),
    format={"type": "xml", "records": "order", "paths": PATHS},
)  # fmt: skip


def test_attributes_and_nested_elements_are_addressed_by_path(tmp_path: Path) -> None:
    result = run(SPEC, tmp_path, ORDERS)
    assert [tuple(row.values())[:5] for row in result.good] == [
        (1, "a & b", "Bonn", "BN", ["x", "y"]),
        (2, None, None, None, ["z"]),
    ]
    assert result.rules == [["type:id"]]


@pytest.mark.parametrize(
    ("declared", "written", "mark"),
    [
        ("UTF-16", "utf-16-le", b"\xff\xfe"),
        ("UTF-16", "utf-16-be", b"\xfe\xff"),
        ("", "utf-16-le", b"\xff\xfe"),
        ("UTF-16LE", "utf-16-le", b""),
        ("utf-8", "utf-8", b"\xef\xbb\xbf"),
        ("iso-8859-1", "latin-1", b""),
        ("ISO-8859-15", "iso8859-15", b""),
        ("windows-1252", "cp1252", b""),
        ("US-ASCII", "ascii", b""),
    ],
)
def test_places_are_those_of_the_file_in_any_encoding_that_it_declares(
    tmp_path: Path, declared: str, written: str, mark: bytes
) -> None:
    encoding = f' encoding="{declared}"' if declared else ""
    text = (
        f"<?xml version='1.0'{encoding}?>\n<x><r><a>ö</a><b>1</b></r >\n<r><a>ü㸀</a><b>?</b></r\t><r b='?'/>\n<r/></x>"
    )
    text = text.encode(written, errors="xmlcharrefreplace").decode(written)
    data = mark + text.encode(written)
    spec = dataset(
        column("a"),
        column("b", "integer", required=True),
        format={"type": "xml", "records": "r", "rename": {"@b": "b"}},
    )
    for block in (1, 7, 1 << 20):
        result = run(spec, tmp_path, data, block=block)
        assert result.file.reason is None
        assert [row["line"] for row in result.records] == [3, 3, 4]
        assert result.values("a") == ["ö"]
        for row in result.records:
            assert data[row["byte_offset"] :][: row["byte_length"]] == row["raw"]
            assert row["raw"].decode(written) == row["text"]
        assert [row["text"][-4:] for row in result.records] == ["/r\t>", "?'/>", "<r/>"]


def test_a_bad_record_has_its_line_offset_and_exact_bytes(tmp_path: Path) -> None:
    row = run(SPEC, tmp_path, ORDERS, block=7).records[0]
    raw = b'<o:order id="?"><sku><![CDATA[<3]]></sku></o:order>'
    assert (row["record"], row["line"], row["byte_offset"], row["raw"]) == (2, 6, ORDERS.index(raw), raw)


def small(data: bytes, out: Path, records: str = "r", **form: Any) -> Result:
    spec = dataset(column("a"), format={"type": "xml", "records": records, **form})
    return run(spec, out, data, block=100 if len(data) < 10_000 else 1 << 20)


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"<x><r><a>1</a></r><r></x>", "malformed_xml", "mismatched tag at line 1, column 24, after 1 records"),
        (b"<x><r><a>1</a></r>", "malformed_xml", "after 1 records"),
        (b"<x><r><a>\xff</a></r></x>", "malformed_xml", "not well-formed"),
        (b"<x><r><a>&nbsp;</a></r></x>", "malformed_xml", "undefined entity"),
        (b"<x><q:r><a>1</a></q:r></x>", "malformed_xml", "unbound prefix"),
        (b"<x/><x/>", "malformed_xml", "junk"),
        (b"<!DOCTYPE x><x/>", "forbidden_xml", "line 1"),
        (b"<?xml version='1.0' encoding='klingon'?><x/>", "wrong_encoding", "klingon"),
        (b"<x>" * 1001, "too_deep", "1,000"),
        (b"<x><r a='" + b"y" * 9_000_000 + b"'/></x>", "malformed_xml", "4,000,000 bytes"),
        (b"<x><!--" + b"y" * 9_000_000 + b"--></x>", "malformed_xml", "4,000,000 bytes"),
        (b"<x><s/><t/></x>", "no_records", "it has: s, t"),
        (b"<html><body>503</body></html>", "wrong_format", "error page"),
        (b"a,b\n1,2\n", "wrong_format", "tag"),
        (b"PAR1\0\0\0\0\0\0\0\0", "wrong_format", "Parquet"),
        (b"", "empty_file", "no bytes"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_no_well_formed_xml_is_held(tmp_path: Path, data: bytes, code: str, says: str) -> None:
    result = small(data, tmp_path)
    assert (result.code, result.good) == (code, [])
    assert result.file.reason is not None
    assert says in result.file.reason.message


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        ("<r><a><b>1</b></a></r>", "type:a"),
        ("<r><a>1</a><a>2</a></r>", "type:a"),
        ("<r>" + "<b>" * 100 + "</b>" * 100 + "</r>", "too_deep:"),
        ("<r xmlns:p='p' xmlns:q='q' p:k='1' q:k='2'/>", "duplicate_key:"),
        (f"<r><a>{'x' * 1000}</a></r>", "record_too_long:"),
        (f"<r><a>{'<b/>' * 1000}</a></r>", "record_too_long:"),
    ],
)
def test_a_bad_record_costs_itself_alone(tmp_path: Path, record: str, rule: str) -> None:
    data = f"<x><r><a>first</a></r>{record}<r><a>last</a></r></x>".encode()
    result = small(data, tmp_path, max_record="900B")
    assert (result.values("a"), result.rules) == (["first", "last"], [[rule]])
    assert result.records[0]["byte_length"] == len(record)


def test_a_record_is_found_by_the_end_of_its_path(tmp_path: Path) -> None:
    data = b"<x><r><a>no</a></r><s><r><a>yes</a><r><a>inner</a></r></r></s></x>"
    assert small(data, tmp_path, "s.r", unexpected_columns="ignore").values("a") == ["yes"]


def test_empty_elements_and_the_pipelines_null_values_are_null(tmp_path: Path) -> None:
    data = b"<x><r><a/></r><r/><r><a></a></r><r><a>-</a></r><r><a> </a></r></x>"
    assert small(data, tmp_path, null_values=["", "-"]).values("a") == [None, None, None, None, " "]


def test_whether_an_element_has_attributes_does_not_change_where_its_text_is(tmp_path: Path) -> None:
    data = b"<x><r><a k='1'>p</a></r><r><a>q</a></r><r><a k='1'/></r><r><a><b/></a></r></x>"
    assert small(data, tmp_path).values("a") == ["p", "q", None]
    assert small(data, tmp_path, paths={"a": "a.#text"}).values("a") == ["p", "q", None, None]
    assert small(data, tmp_path, paths={"a": "a.@k"}).values("a") == ["1", None, "1", None]
    assert small(data, tmp_path, paths={"a": "a.b.c"}).values("a") == [None] * 4


def test_arrays_are_arrays_however_many_elements_there_are(tmp_path: Path) -> None:
    spec = dataset(
        column("a", "array", items={"logicalType": "integer"}),
        format={"type": "xml", "records": "r", "paths": {"a": "l.i.n"}, "unexpected_columns": "ignore"},
    )
    data = b"<x><r><l><i><n>1</n></i></l></r><r><l><i><n>1</n><n>2</n></i><i><n>3</n></i></l></r><r><l/></r><r/></x>"
    assert run(spec, tmp_path, data).values("a") == [[1], [1, 2, 3], None, None]


def test_text_in_latin_1_is_read_as_its_declaration_says(tmp_path: Path) -> None:
    data = "<?xml version='1.0' encoding='ISO-8859-1'?><x><r><a>Köln</a></r></x>".encode("latin-1")
    assert small(data, tmp_path).values("a") == ["Köln"]


def test_masked_records_are_not_shown(tmp_path: Path) -> None:
    form = {"type": "xml", "records": "r"}
    spec = dataset(column("a"), column("n", "integer"), format=form, mask={"a": "sha256"})
    result = run(spec, tmp_path, b"<x><r><a>secret</a><n>?</n></r></x>")
    assert result.records[0]["text"] == "[redacted: 28 bytes]"


def test_an_object_column_holds_the_element_as_json(tmp_path: Path) -> None:
    spec = dataset(column("o", "object"), format={"type": "xml", "records": "r"})
    data = b"<x><r><o k='1'><p>a</p><p>b</p> text </o></r></x>"
    assert run(spec, tmp_path, data).values("o") == ['{"@k": "1", "p": ["a", "b"], "#text": " text "}']


NAMES = st.sampled_from(["a", "b", "r"])
TEXTS = st.text(st.sampled_from("x <>&\"'/ä\n😀"), max_size=6)


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> ET.Element:
    made = ET.Element(draw(NAMES), draw(st.dictionaries(NAMES, TEXTS, max_size=2)))
    made.text = draw(TEXTS)
    for child in draw(st.lists(elements(depth - 1), max_size=3)) if depth else []:
        child.tail = draw(TEXTS)
        made.append(child)
    return made


def slow(element: ET.Element) -> Any:
    """What an element should become."""
    found: dict[str, Any] = {f"@{key}": value for key, value in element.attrib.items()}
    for name in dict.fromkeys(child.tag for child in element):
        values = [slow(child) for child in element if child.tag == name]
        found[name] = values if len(values) > 1 else values[0]
    text = (element.text or "") + "".join(child.tail or "" for child in element)
    if not found:
        return text
    return {**found, "#text": text} if text.strip(" \t\r\n") else found


@settings(max_examples=200, deadline=None)
@given(root=elements(), block=st.integers(1, 200))
def test_records_are_those_of_a_slow_reader_whatever_the_block(root: ET.Element, block: int) -> None:
    whole = ET.Element("top")
    whole.append(root)
    data = ET.tostring(whole, encoding="utf-8")
    framer = XmlFramer(io.BytesIO(data).read, block=block, limit=10_000, path=("r",))
    found = [
        (frame.raw(n), int(frame.offsets[n]), frame.values[n]) for frame in framer.frames() for n in range(len(frame))
    ]
    rows = outermost(ET.fromstring(data))
    assert [value for _, _, value in found] == [as_record(slow(element)) for element in rows]
    for raw, offset, value in found:
        assert data[offset : offset + len(raw or b"")] == raw
        assert not isinstance(value, Defect)
        assert as_record(slow(ET.fromstring(raw or b""))) == value


def outermost(element: ET.Element) -> list[ET.Element]:
    if element.tag == "r":
        return [element]
    return [found for child in element for found in outermost(child)]


def as_record(value: Any) -> Any:
    if isinstance(value, str):
        return {"#text": value} if value.strip(" \t\r\n") else {}
    return value


@settings(max_examples=300, deadline=None)
@given(data=st.lists(st.sampled_from([b"<x>", b"</x>", b"<r>", b"</r>", b"<r/>", b"t", b"<", b">", b"&lt;", b"]]>",
                                      b"<![CDATA[", b"<!--", b"-->", b"<?p", b"?>", b"\xff", b" a='1'"])).map(b"".join),
       block=st.integers(1, 50))  # fmt: skip
def test_any_bytes_give_one_answer_whatever_the_block(data: bytes, block: int) -> None:
    def read(size: int) -> tuple[list[Any], str]:
        framer = XmlFramer(io.BytesIO(data).read, block=size, limit=10, path=("r",))
        found = [(frame.raw(n), frame.values[n]) for frame in framer.frames() for n in range(len(frame))]
        return found, framer.damage.code if framer.damage else ""

    assert read(block) == read(1 << 20)

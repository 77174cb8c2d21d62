"""Records whose file is gone get the answer, from the bytes in quarantine, that they would get from the file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.engine.account import Manifest
from include.engine.chosen import Chosen
from include.engine.kept import Around, Kept, KeptFile, around
from include.engine.run import Input, Limits, transform
from include.spec.dataset import Dataset
from tests.engine.builder import SECRETS, Result, column, dataset, lines, read_parts, run

SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
STRICT, LOOSE = (column("n", "integer"), column("t")), (column("n"), column("t"))
RECORDS = st.lists(
    st.sampled_from(
        ["1,a", "2,b", "x,c", "3", '4,"a\nb"', 'y,"a\nb"', '5,"open', "", "\xff,d", "6,e,f", "\ufeff,h", "#,i", "7\\"]
    ),
    max_size=20,
)


def places(result: Result) -> dict[int, int]:
    return {row["record"]: row["byte_offset"] for row in result.records}


def rows(result: Result) -> dict[int, tuple[Any, ...]]:
    return {row["_landfall_record"]: (row["n"], row["t"]) for row in result.good}


def kept(spec: Dataset, first: Result, out: Path, **changed: Any) -> Result:
    """Replay what a run quarantined, without its file."""
    found = around(spec, first.file.opening)
    records = [
        Kept(row["record"], row["byte_offset"], row["line"], changed.get("raw", row["raw"])) for row in first.records
    ]
    assert isinstance(found, Around)

    def gone() -> Any:
        raise AssertionError("the file is gone")

    left = Input("file-0", "gs://landing/0", gone, 7, chosen=Chosen(places(first)), kept=KeptFile(found, records))
    manifest = transform(spec, [left], out, batch_id="batch", secrets=SECRETS, limits=Limits(threads=1))
    assert Manifest.from_json((out / "manifest.json").read_text()) == manifest
    quarantine = [{**row, "reasons": json.loads(row["reasons"])} for row in read_parts(out, manifest.quarantine)]
    return Result(manifest, read_parts(out, manifest.good), quarantine)


def same(one: Result, other: Result) -> None:
    """Two replays came to the same, but for records that only the file can tell of."""
    lost = {number for number, _ in other.file.lost}
    assert rows(other) == {number: row for number, row in rows(one).items() if number not in lost}
    assert other.records == [row for row in one.records if row["record"] not in lost]
    assert other.file.missing == tuple(number for number in one.file.missing if number not in lost)


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(
    records=RECORDS,
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-16-le", "latin-1"]),
    form=st.sampled_from([{}, {"skip_lines": 2}, {"footer_lines": 1}, {"escape": "\\"}, {"header": False}]),
    now=st.sampled_from([{}, {"quote": "none"}, {"comment": "#"}]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_a_csv_record_is_read_alone_as_it_is_in_its_file(
    tmp_path: Path, records: list[str], encoding: str, form: dict[str, Any], now: dict[str, Any], ending: str
) -> None:
    form = {"type": "csv", "encoding": encoding, "unexpected_columns": "ignore", **form}
    text = [*["title"] * form.get("skip_lines", 0), *(["t,n,more"] if form.get("header", True) else []), *records]
    text += ["the end"] * form.get("footer_lines", 0)
    content = "".join(f"{line}{ending}" for line in text).encode(encoding, errors="replace")
    before = dataset(*STRICT, format=form, tolerate={"quarantined": "100%"})
    first = run(before, tmp_path / "first", content, released=True)
    if first.code or not first.records:
        return
    today = dataset(*LOOSE, format={**form, **now}, tolerate={"quarantined": "100%"})
    from_file = run(today, tmp_path / "file", content, chosen=places(first))
    if from_file.code:
        return
    alone = kept(today, first, tmp_path / "kept")
    same(from_file, alone)
    if not now:
        assert alone.file.lost == ()


def content_of(kind: str, texts: list[str], form: dict[str, Any]) -> bytes:
    if kind == "ndjson":
        return lines(*(json.dumps({"n": text, "t": "t"}) for text in texts), "{broken", '{"n": "1", "t": 2}')
    if kind == "json":
        return json.dumps([{"n": text, "t": "é"} for text in texts], indent=1, ensure_ascii=False).encode()
    if kind == "json at a path":
        form |= {"type": "json", "records": "a.b\\.c"}
        return json.dumps({"x": 1, "a": {"b.c": [{"n": text, "t": "t"} for text in texts], "y": []}}).encode()
    if kind == "xml":
        form["records"] = "rs.r"
        inner = "".join(f"\n<r><n>{text}</n><t>é</t></r>" for text in texts)
        return f'<?xml version="1.0" encoding="iso-8859-1"?><all><rs>{inner}</rs></all>'.encode("latin-1")
    form["positions"] = {"n": "1-1", "t": "2-2"}
    return lines(*(f"{text}t" for text in texts), "too long")


@pytest.mark.parametrize("kind", ["ndjson", "json", "json at a path", "xml", "fixed"])
def test_every_format_with_bytes_of_its_own_for_a_record_can_do_without_its_file(tmp_path: Path, kind: str) -> None:
    form: dict[str, Any] = {"type": kind}
    content = content_of(kind, ["1", "x", "3", "y", "5"], form)
    first = run(dataset(*STRICT, format=form), tmp_path / "first", content, released=True)
    assert {1, 3} <= set(places(first)), first.file
    today = dataset(*LOOSE, format=form)
    alone = kept(today, first, tmp_path / "kept")
    same(run(today, tmp_path / "file", content, chosen=places(first)), alone)
    assert (set(rows(alone)) >= {1, 3}, alone.file.lost) == (True, ())


def test_what_cannot_be_read_by_itself_costs_itself_alone_and_says_why(tmp_path: Path) -> None:
    form = {"type": "xml", "records": "rs.r"}
    content = b'<rs xmlns:p="urn:p"><r><n>x</n><t>t</t></r><r><p:n>y</p:n><t>t</t></r></rs>'
    first = run(dataset(*STRICT, format=form), tmp_path / "first", content, released=True)
    alone = kept(dataset(*LOOSE, format=form), first, tmp_path / "kept")
    assert rows(alone) == {0: ("x", "t")}
    ((number, why),) = alone.file.lost
    assert number == 1
    assert "unbound prefix" in why
    assert alone.file.missing == ()
    assert (alone.file.records, alone.file.loaded) == (1, 1)


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ({"type": "ndjson"}, lines('{"n": 1, "t": "t"}', '[{"n":1}]', "[")),
        ({"type": "csv", "header": False}, lines("1,a", "<html><body>,b", "x,\u00e9")),
        ({"type": "csv", "header": False}, lines("1,a", *["1,b"] * 2000, "\0" * 100)),
        ({"type": "csv", "header": False, "encoding": "latin-1"}, lines(*["1,b"] * 2000, "\0" * 100, "x,\u00e9")),
        ({"type": "csv"}, lines("n,t", *["1,b"] * 2000, "\0" * 100)),
        ({"type": "fixed", "positions": {"n": "1-6", "t": "7-7"}}, lines("     1a", "<html>b", "%PDF-1c")),
    ],
)
def test_a_record_that_looks_like_a_file_of_another_kind_is_judged_as_a_record(
    tmp_path: Path, form: dict[str, Any], content: bytes
) -> None:
    spec = dataset(*STRICT, format=form, tolerate={"quarantined": "100%"})
    first = run(spec, tmp_path / "first", content)
    assert first.records, first.file
    from_file = run(spec, tmp_path / "file", content, chosen=places(first))
    alone = kept(spec, first, tmp_path / "kept")
    same(from_file, alone)
    assert (len(alone.records), alone.file.lost, alone.file.notes) == (len(first.records), (), ())


def test_a_record_that_todays_format_ends_elsewhere_is_not_cut(tmp_path: Path) -> None:
    content = lines("n,t", 'x,"a', 'b"', "y,c")
    spec = dataset(*STRICT, tolerate={"quarantined": "100%"})
    first = run(spec, tmp_path / "first", content)
    assert [row["raw"] for row in first.records] == [b'x,"a\nb"', b"y,c"]
    today = dataset(*LOOSE, format={"type": "csv", "quote": "none"})
    alone = kept(today, first, tmp_path / "kept")
    assert (rows(alone), [number for number, _ in alone.file.lost]) == ({1: ("y", "c")}, [0])
    assert "ends elsewhere" in alone.file.lost[0][1]


def test_columns_that_records_bring_are_those_of_their_file(tmp_path: Path) -> None:
    form = {"type": "ndjson", "unexpected_columns": "evolve"}
    content = lines('{"n": "x", "t": "t", "a": 1}', '{"n": "y", "t": "t", "b": {"c": 1}}')
    first = run(dataset(*STRICT, format=form), tmp_path / "first", content, released=True)
    today = dataset(*LOOSE, format=form)
    alone = kept(today, first, tmp_path / "kept")
    from_file = run(today, tmp_path / "file", content, chosen=places(first))
    assert alone.good == from_file.good
    assert alone.manifest.evolved == from_file.manifest.evolved


@pytest.mark.parametrize(
    ("form", "opened", "said"),
    [
        ({"type": "csv"}, False, "does not have the header"),
        ({"type": "csv", "header": False}, False, ""),
        ({"type": "ndjson", "encoding": "utf-16"}, False, "how the characters"),
        ({"type": "xml", "records": "r"}, False, "how the characters"),
        ({"type": "parquet"}, True, "a parquet file has no bytes for each record"),
    ],
)
def test_what_the_ledger_must_have_kept_depends_on_the_format(form: dict[str, Any], opened: bool, said: str) -> None:
    from include.engine.account import Opening

    found = around(dataset(*LOOSE, format=form), Opening("utf-8") if opened else None)
    assert isinstance(found, Around) if not said else said in str(found)


def test_an_opening_is_kept_of_files_with_quarantined_records_only(tmp_path: Path) -> None:
    spec = dataset(*STRICT, tolerate={"quarantined": "50%"})
    assert run(spec, tmp_path / "a", lines("n,t", "1,a")).file.opening is None
    assert run(spec, tmp_path / "b", lines("n,t", "x,a")).file.opening is None, "the file is held"
    opening = run(spec, tmp_path / "c", lines("n,t", "x,a", "1,b")).file.opening
    assert (opening.encoding, opening.header) == ("utf-8", "bix0") if opening else False


def test_a_header_too_long_for_the_ledger_is_not_kept(tmp_path: Path) -> None:
    spec = dataset(*STRICT, format={"type": "csv", "unexpected_columns": "ignore"}, tolerate={"quarantined": "50%"})
    for length, is_kept in ((3 * 1024, True), (3 * 1024 + 1, False)):
        content = lines("n,t," + "m" * (length - 4), "x,a,", "1,b,")
        opening = run(spec, tmp_path / str(length), content).file.opening
        assert opening
        assert bool(opening.header) is is_kept


def test_rows_of_a_parquet_file_are_not_guessed_from_their_rendering(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"n": ["x", "1"], "t": ["t", "t"]}), buffer)
    form = {"type": "parquet"}
    first = run(dataset(*STRICT, format=form), tmp_path / "first", buffer.getvalue(), released=True)
    assert isinstance(around(dataset(*LOOSE, format=form), first.file.opening), str)

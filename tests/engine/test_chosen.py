"""Some records of a file read without the others: they get the same answer, under the numbers that they had."""

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

from include.spec.dataset import Dataset
from tests.engine.builder import Result, column, dataset, lines, run

SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
COLUMNS = (column("n", "integer"), column("t"))
RECORDS = st.lists(
    st.sampled_from(["1,a", "2,b", "x,c", "3", '4,"a\nb"', '5,"open', "", "\xff,d", "6,e,f"]), max_size=20
)


def csv(**form: Any) -> Dataset:
    return dataset(*COLUMNS, format={"type": "csv", **form}, tolerate={"quarantined": "100%"})


def places(result: Result) -> dict[int, int]:
    return {row["record"]: row["byte_offset"] for row in result.records}


def rows(result: Result) -> dict[int, tuple[Any, ...]]:
    return {row["_landfall_record"]: (row["n"], row["t"]) for row in result.good}


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(records=RECORDS, encoding=st.sampled_from(["utf-8", "utf-16"]), block=st.integers(1, 60), data=st.data())
def test_a_record_gets_the_answer_that_it_gets_among_all(
    tmp_path: Path, records: list[str], encoding: str, block: int, data: st.DataObject
) -> None:
    spec = csv(encoding="utf-16" if encoding == "utf-16" else "utf-8")
    content = "".join(f"{record}\n" for record in ["n,t", *records]).encode(encoding)
    whole = run(spec, tmp_path / "whole", content, block=block, released=True)
    if whole.code:
        return
    wanted = data.draw(st.sets(st.sampled_from(sorted(places(whole)) or [0])))
    chosen = {number: offset for number, offset in places(whole).items() if number in wanted}
    again = run(spec, tmp_path / "again", content, block=block, chosen=chosen)
    assert again.quarantine == [row for row in whole.records if row["record"] in chosen]
    assert (again.file.records, again.file.quarantined, again.file.state) == (len(chosen), len(chosen), "accepted")
    assert again.file.missing == ()


def test_what_passes_under_a_mended_contract_is_loaded_under_its_own_number(tmp_path: Path) -> None:
    content = lines("n,t", "1,a", "x,b", "2,c", "y,d", "z,e")
    chosen = places(run(csv(), tmp_path / "first", content))
    mended = dataset(column("n"), column("t"), filter="n != 'z'")
    again = run(mended, tmp_path / "again", content, chosen=chosen)
    assert rows(again) == {1: ("x", "b"), 3: ("y", "d")}
    assert again.file.left_out == (4,)
    assert (again.file.records, again.file.loaded, again.file.filtered) == (3, 2, 1)


def test_a_record_that_todays_format_does_not_find_is_named(tmp_path: Path) -> None:
    content = lines("n,t", "1,a", "x,b", '3,"c', 'd"', "y,e")
    chosen = places(run(csv(quote="none"), tmp_path / "first", content, released=True))
    assert set(chosen) == {1, 3, 4}
    again = run(csv(), tmp_path / "again", content, chosen=chosen)
    assert again.file.missing == (3,)
    assert (again.file.records, rows(again)) == (2, {})
    assert [row["record"] for row in again.records] == [1, 4]


@pytest.mark.parametrize("kind", ["ndjson", "json", "parquet", "xml", "fixed"])
def test_every_format_finds_its_records_again(tmp_path: Path, kind: str) -> None:
    texts = ["1", "x", "3", "y", "5"]
    form: dict[str, Any] = {"type": kind}
    if kind == "ndjson":
        content = lines(*(json.dumps({"n": text, "t": "t"}) for text in texts))
    elif kind == "json":
        content = json.dumps([{"n": text, "t": "t"} for text in texts]).encode()
    elif kind == "xml":
        form["records"] = "rs.r"
        content = f"<rs>{''.join(f'<r><n>{text}</n><t>t</t></r>' for text in texts)}</rs>".encode()
    elif kind == "fixed":
        form["positions"] = {"n": "1-1", "t": "2-2"}
        content = lines(*(f"{text}t" for text in texts))
    else:
        buffer = io.BytesIO()
        pq.write_table(pa.table({"n": texts, "t": ["t"] * 5}), buffer)
        content = buffer.getvalue()
    spec = dataset(*COLUMNS, format=form)
    first = run(spec, tmp_path / "first", content, released=True)
    assert sorted(places(first)) == [1, 3], first.file
    mended = dataset(column("n"), column("t"), format=form)
    again = run(mended, tmp_path / "again", content, chosen=places(first))
    assert (rows(again), again.file.missing) == ({1: ("x", "t"), 3: ("y", "t")}, ())


def test_duplicates_among_the_records_are_counted_as_such(tmp_path: Path) -> None:
    content = lines("n,t", "1,a", "x,b", "x,c")
    chosen = places(run(csv(), tmp_path / "first", content))
    mended = dataset(column("n", primaryKey=True), column("t"))
    again = run(mended, tmp_path / "again", content, chosen=chosen)
    assert (again.file.loaded, again.file.duplicates) == (1, 1)


def test_a_mark_with_which_a_record_begins_is_its_own_wherever_a_block_begins(tmp_path: Path) -> None:
    spec = dataset(column("n"), column("t"), format={"type": "csv", "header": False})
    content = lines("1,a", "\ufeff2,b", "\ufeff,c")
    for block in (1, 5, 1 << 20):
        found = run(spec, tmp_path / str(block), content, block=block)
        assert rows(found) == {0: ("1", "a"), 1: ("\ufeff2", "b"), 2: ("\ufeff", "c")}

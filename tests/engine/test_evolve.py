"""Columns that the contract does not know become columns of the parts; the manifest says which file brought which."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.engine.account import EvolvedColumn, Manifest
from include.engine.evolve import MAX_OF_FILE, column_name
from include.engine.run import Limits
from include.spec.dataset import Dataset
from include.spec.errors import SpecError
from tests.engine.builder import column, dataset, lines, run


def evolving(kind: str = "csv", **rest: Any) -> Dataset:
    form = {"type": kind, "unexpected_columns": "evolve", **rest.pop("form", {})}
    return dataset(column("id", "integer", primaryKey=True), column("name"), format=form, **rest)


def test_an_unknown_column_of_a_csv_file_becomes_one_of_the_parts(tmp_path: Path) -> None:
    data = lines("note,id,Order Date,name", "first,1,2026-01-01,x", ",2,,y", '"",3,"a,b",z')
    result = run(evolving(), tmp_path, data)
    assert result.values("note") == ["first", None, ""]
    assert result.values("order_date") == ["2026-01-01", None, "a,b"]
    assert result.values("name") == ["x", "y", "z"]
    assert result.manifest.evolved == (
        EvolvedColumn("note", "STRING", ("note",), ("file-0",)),
        EvolvedColumn("order_date", "STRING", ("Order Date",), ("file-0",)),
    )
    assert result.file.notes == ("new columns: note, order_date",)


@pytest.mark.parametrize("kind", ["ndjson", "json"])
def test_an_unknown_field_of_a_json_record_keeps_its_exact_text(tmp_path: Path, kind: str) -> None:
    records = [
        '{"id": 1, "name": "x", "n": 1.50, "deep": {"a": [1.0]}}',
        '{"id": 2, "name": "y", "n": "t", "no": null}',
    ]
    data = lines(*records) if kind == "ndjson" else ("[" + ",".join(records) + "]").encode()
    result = run(evolving(kind), tmp_path, data)
    assert result.values("n") == ["1.50", "t"]
    assert result.values("deep") == ['{"a": [1.0]}', None]
    assert [(c.name, c.type) for c in result.manifest.evolved] == [("deep", "JSON"), ("n", "STRING")]


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def avro(fields: dict[str, Any], *records: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    schema = {"type": "record", "name": "row", "fields": [{"name": n, "type": kind} for n, kind in fields.items()]}
    fastavro.writer(file, schema, records)
    return file.getvalue()


def test_unknown_elements_and_attributes_of_an_xml_record_become_columns(tmp_path: Path) -> None:
    data = b"""<all xmlns:p="urn:p">
      <row no="7"><id>1</id><name>x</name><Order-Date> 2026 </Order-Date><p:tag>a</p:tag><empty/></row>
      <row><id>2</id><name>y</name><tag>a</tag><tag>b</tag><to lang="de"><city>Bonn</city></to>
        <price unit="EUR">1.50</price></row>
      <row><id>3</id><name>z</name><empty></empty><bad><id>?</id></bad></row>
    </all>"""
    for block in (7, 1 << 20):
        result = run(evolving("xml", form={"records": "row"}), tmp_path, data, block=block)
        assert result.values("x_no") == ["7", None, None]
        assert result.values("order_date") == [" 2026 ", None, None]
        assert result.values("tag") == ["a", '["a", "b"]', None]
        assert result.values("to") == [None, '{"@lang": "de", "city": "Bonn"}', None]
        assert result.values("price") == [None, '{"@unit": "EUR", "#text": "1.50"}', None]
        assert [(c.name, c.type) for c in result.manifest.evolved] == [
            ("bad", "JSON"), ("order_date", "STRING"), ("price", "JSON"), ("tag", "JSON"), ("to", "JSON"),
            ("x_no", "STRING"),
        ]  # fmt: skip


def test_what_a_path_leads_through_is_no_unknown_field(tmp_path: Path) -> None:
    spec = evolving("xml", form={"records": "row", "paths": {"name": "who.name"}, "rename": {"nr": "id"}})
    result = run(spec, tmp_path, b"<a><row><nr>1</nr><who><name>x</name></who><more>y</more></row></a>")
    assert [(c.name, c.sources) for c in result.manifest.evolved] == [("more", ("more",))]
    assert result.values("more") == ["y"]


def test_unknown_fields_of_json_inside_an_object_become_columns(tmp_path: Path) -> None:
    data = b'{"rows": [{"id": 1, "who": {"name": "x"}, "n": 1.50, "no": null}, {"id": 2, "n": [1]}]}'
    spec = evolving("json", form={"records": "rows", "paths": {"name": "who.name"}})
    result = run(spec, tmp_path, data)
    assert (result.values("n"), result.values("name")) == (["1.50", "[1]"], ["x", None])
    assert [(c.name, c.type) for c in result.manifest.evolved] == [("n", "JSON")]


def test_unknown_columns_of_a_parquet_file_keep_their_exact_text(tmp_path: Path) -> None:
    data = parquet(
        id=[1, 2, 3],
        name=["x", "y", "bad"],
        Price=pa.array([Decimal("1.50"), None, Decimal("2.00")], pa.decimal128(10, 2)),
        at=pa.array([1, 1_000_000_001, 0], pa.timestamp("ns", "Europe/Berlin")),
        ratio=pa.array([0.1, float("nan"), 1e300]),
        raw=pa.array([b"text", b"\xff", None]),
        note=pa.array(["", None, "a\0b"]),
        deep=pa.array([{"a": [1]}, None, None], pa.struct({"a": pa.list_(pa.int64())})),
        never=pa.array([None, None, None], pa.list_(pa.string())),
    )
    result = run(evolving("parquet"), tmp_path, data)
    assert result.values("price") == ["1.50", None]
    assert result.values("at") == ["1970-01-01 00:00:00.000000001Z", "1970-01-01 00:00:01.000000001Z"]
    assert result.values("ratio") == ["0.1", "nan"]
    assert result.values("raw") == ["text", '{"base64": "/w=="}']
    assert result.values("note") == ["", None]
    assert result.values("deep") == ['{"a": [1]}', None]
    types = {column.name: column.type for column in result.manifest.evolved}
    assert types == {"price": "STRING", "at": "STRING", "ratio": "STRING", "note": "STRING", "raw": "JSON",
                     "deep": "JSON", "never": "JSON"}  # fmt: skip
    assert result.rules == [["nul_byte:note"]]


def test_unknown_columns_of_an_avro_file_keep_their_exact_text(tmp_path: Path) -> None:
    point = {"type": "record", "name": "point", "fields": [{"name": "x", "type": "int"}]}
    fields = {
        "id": "long", "name": "string", "n": ["null", "double"], "on": {"type": "int", "logicalType": "date"},
        "at": ["null", point], "tags": {"type": "array", "items": "string"}, "also": ["null", "point"],
        "kind": {"type": "enum", "name": "kind", "symbols": ["a"]},
    }  # fmt: skip
    row = {"id": 1, "name": "x", "n": 0.1, "on": 0, "at": {"x": 1}, "tags": [], "also": None, "kind": "a"}
    result = run(
        evolving("avro"), tmp_path, avro(fields, row, {**row, "id": 2, "n": None, "tags": ["\0"], "name": "y"})
    )
    assert result.values("n") == ["0.1", None]
    assert result.values("on") == ["1970-01-01", "1970-01-01"]
    assert result.values("at") == ['{"x": 1}'] * 2
    assert result.values("kind") == ["a", "a"]
    types = {column.name: column.type for column in result.manifest.evolved}
    assert types == {"n": "STRING", "on": "STRING", "at": "JSON", "tags": "JSON", "also": "JSON", "kind": "STRING"}


@pytest.mark.parametrize("name", ["Name", "ID", "a b", " "])
def test_a_typed_file_whose_columns_cannot_be_told_apart_is_held(tmp_path: Path, name: str) -> None:
    code = "unexpected_column" if name == " " else "column_clash"
    columns = {"id": [1], "name": ["x"], "a_b": ["y"], name: ["z"]}
    assert run(evolving("parquet"), tmp_path, parquet(**columns)).code == code
    xml = f"<a><row><id>1</id><name>x</name><{name}>z</{name}></row></a>".encode()
    if name.isalpha():
        assert run(evolving("xml", form={"records": "row"}), tmp_path, xml).code == code


def test_a_parquet_file_with_an_unknown_column_twice_is_held(tmp_path: Path) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table([[1], ["x"], ["y"], ["z"]], names=["id", "name", "more", "more"]), file)
    assert run(evolving("parquet"), tmp_path, file.getvalue()).code == "duplicate_column"


def test_parquet_files_of_a_batch_bring_columns_of_their_own(tmp_path: Path) -> None:
    files = [parquet(id=[1], name=["x"], a=["A"]), parquet(id=[2], name=["y"]), parquet(id=[3], name=["z"], b=[5])]
    result = run(evolving("parquet"), tmp_path, *files)
    assert [file.state for file in result.manifest.files] == ["accepted"] * 3
    assert [(r["id"], r["a"], r["b"]) for r in result.good] == [(1, "A", None), (2, None, None), (3, None, "5")]


def test_files_of_a_batch_bring_columns_of_their_own(tmp_path: Path) -> None:
    files = [lines("id,name,a", "1,x,A"), lines("id,name", "2,y"), lines("id,name,b,a", "3,z,B,AA")]
    for block in (1, 1 << 20):
        result = run(evolving(), tmp_path, *files, block=block)
        assert [(r["id"], r["a"], r["b"]) for r in result.good] == [(1, "A", None), (2, None, None), (3, "AA", "B")]
        assert [(c.name, c.files) for c in result.manifest.evolved] == [("a", ("file-0", "file-2")), ("b", ("file-2",))]


def test_values_stay_with_their_records_whatever_becomes_of_those_around_them(tmp_path: Path) -> None:
    spec = evolving(filter="name != 'out'")
    rows = [f"{'x' if n % 7 == 0 else n},{'out' if n % 5 == 0 else 'in'},v{n}" for n in range(300)]
    rows[3:3] = ["1,2", "1,2,3,4", '9,"x']
    result = run(spec, tmp_path, lines("id,name,v", *rows), block=256)
    assert [row["v"] for row in result.good] == [f"v{row['id']}" for row in result.good]
    assert len(result.good) == sum(n % 7 != 0 and n % 5 != 0 for n in range(300))


def test_a_held_file_brings_no_column(tmp_path: Path) -> None:
    spec = evolving(tolerate={"quarantined": "10%"})
    result = run(spec, tmp_path, lines("id,name,new", "x,y,z"), lines("id,name", "1,x"))
    assert result.code == "over_tolerance"
    assert result.manifest.evolved == ()
    assert set(result.good[0]) == {"id", "name", "_landfall_file_id", "_landfall_record"}


@pytest.mark.parametrize(
    ("header", "code", "says"),
    [
        ("id,name,Name", "column_clash", "the contract has"),
        ("id,name,a b,a_b", "column_clash", '"a b" and "a_b"'),
        ("id,name,Note,note", "column_clash", "note"),
        ("id,name,", "unexpected_column", "no name"),
        ("id,name," + ",".join(f"c{n}" for n in range(MAX_OF_FILE + 1)), "too_many_columns", str(MAX_OF_FILE)),
    ],
)
def test_a_file_whose_columns_cannot_be_told_apart_is_held(tmp_path: Path, header: str, code: str, says: str) -> None:
    result = run(evolving(), tmp_path, lines(header, "1,x" + ",v" * (header.count(",") - 1)))
    assert result.code == code
    assert says in (result.file.reason.message if result.file.reason else "")
    fields = {name: 1 if name == "id" else "v" for name in header.split(",")}
    assert run(evolving("ndjson"), tmp_path, lines(json.dumps(fields))).code == code


def test_as_many_columns_as_may_come_do(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(MAX_OF_FILE)]
    result = run(evolving(), tmp_path, lines(",".join(["id", "name", *names]), "1,x" + ",v" * MAX_OF_FILE))
    assert [result.good[0][name] for name in names] == ["v"] * MAX_OF_FILE


def test_a_file_with_which_a_batch_has_too_many_columns_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.engine.evolve.MAX_OF_BATCH", 2)
    files = [lines("id,name,a", "1,x,A"), lines("id,name,b,c", "2,y,B,C"), lines("id,name,a,d", "3,z,A,D")]
    result = run(evolving(), tmp_path, *files)
    assert [file.reason.code if file.reason else "" for file in result.manifest.files] == ["", "too_many_columns", ""]
    assert [c.name for c in result.manifest.evolved] == ["a", "d"]


@pytest.mark.parametrize(
    ("theirs", "name"),
    [
        ("note", "note"),
        ("orderDate", "orderdate"),
        ("Größe é", "gro_e_e_"),
        ("1st", "x1st"),
        ("_PARTITIONTIME", "x_partitiontime"),
        ("_landfall_file_id", "x_landfall_file_id"),
        ("a-b.c", "a_b_c"),
    ],
)
def test_a_name_follows_from_the_fields_name_alone(theirs: str, name: str) -> None:
    made = column_name(theirs)
    assert made == name if theirs.isascii() else made.startswith(name)


def test_names_that_cannot_be_written_in_ascii_or_are_too_long_stay_apart() -> None:
    names = {column_name(theirs) for theirs in ("価格", "数量", "a" * 400, "a" * 401)}
    assert len(names) == 4
    assert all(len(name) <= 300 and name.isascii() and name[0].isalpha() for name in names)


def test_a_file_without_unknown_columns_is_read_as_ever(tmp_path: Path) -> None:
    result = run(evolving(), tmp_path, lines("id,name", "1,x"), b"", limits=Limits(block=8, threads=1))
    assert result.values("name") == ["x"]
    assert result.manifest.evolved == ()


def test_unknown_fields_do_not_become_columns_where_columns_are_masked() -> None:
    with pytest.raises(SpecError, match="where columns are masked"):
        evolving(mask={"name": "sha256"})
    with pytest.raises(SpecError, match="without a header"):
        evolving(form={"header": False})
    with pytest.raises(SpecError, match="a fixed-width line has no unknown columns"):
        evolving("fixed", form={"positions": {"id": "1", "name": "2"}})


def test_a_manifest_written_before_there_were_new_columns_can_be_read(tmp_path: Path) -> None:
    run(evolving(), tmp_path, lines("id,name", "1,x"))
    old = json.loads((tmp_path / "manifest.json").read_text())
    del old["evolved"]
    assert Manifest.from_json(json.dumps(old)).evolved == ()

"""Columns that come, change and go: whole Airflow runs against the embedded cloud."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ID = {"name": "id", "logicalType": "integer", "primaryKey": True}
NAME = {"name": "name", "logicalType": "string"}
PRICE = {"name": "price", "logicalType": "number", "physicalType": "NUMERIC(10, 2)"}


class Case:
    """One dataset of its own, whose contract can be changed from run to run."""

    def __init__(self, name: str, root: Path, run_dag: Any, landing: Any, query: Any) -> None:
        self.name, self.root, self.bucket, self.query, self._run = name, root, landing, query, run_dag

    def agree(self, *columns: dict[str, Any], **pipeline: Any) -> None:
        """Write contract and pipeline."""
        contract = {
            "kind": "DataContract", "apiVersion": "v3.1.0", "id": "t", "version": "1.0.0", "status": "active",
            "team": {"name": "tests"}, "schema": [{"name": "t", "properties": list(columns)}],
        }  # fmt: skip
        whole = {
            "source": {"uri": f"gs://{{landing}}/{self.name}/**"},
            "format": {"type": "csv", "unexpected_columns": "evolve"},
            "load": {"table": f"drift.{self.name}", "mode": "merge"},
            "retry": {"attempts": 1},
            **pipeline,
        }
        folder = self.root / self.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "contract.yaml").write_text(json.dumps(contract))
        (folder / "pipeline.yaml").write_text(json.dumps(whole))

    def land(self, name: str, *lines: str) -> None:
        self.bucket.blob(f"{self.name}/{name}").upload_from_string("".join(f"{line}\n" for line in lines))

    def run(self) -> Any:
        return self._run(f"ingest_{self.name}", datasets=self.root)

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.query(f"SELECT {columns} FROM drift.{self.name} ORDER BY id")]

    def evolved(self) -> list[tuple[str, str, bool]]:
        """What the ledger says of new columns: name, type, first."""
        sql = "SELECT evolved FROM landfall_ops.batches WHERE dataset = @d AND evolved IS NOT NULL ORDER BY at"
        rows = self.query(sql, {"d": self.name})
        return [(i["column"], i["type"], i["first"]) for row in rows for i in json.loads(row["evolved"])]


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path, run_dag: Any, landing: Any, query: Any) -> Case:
    name = request.node.name.partition("[")[0][5:55].rstrip("_")
    return Case(name, tmp_path / "datasets", run_dag, landing, query)


def test_columns_of_files_come_into_the_table_and_people_are_told_once(
    case: Case, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.ledger.plan.MAX_BATCH_FILES", 1)
    case.agree(ID, NAME)
    case.land("a.csv", "id,name", "1,plain")
    case.land("b.csv", "id,name,Shop No", "2,x,07")
    case.land("c.csv", "id,shop no,note,name", "3,08,hello,y")
    assert case.run().state == "success"
    columns = "id, name, shop_no, note"
    assert case.rows(columns) == [(1, "plain", None, None), (2, "x", "07", None), (3, "y", "08", "hello")]
    assert sorted(case.evolved()) == [
        ("note", "STRING", True),
        ("shop_no", "STRING", True),
        ("shop_no", "STRING", True),
    ]
    assert "has 2 new columns" in caplog.text
    caplog.clear()
    case.land("d.csv", "id,name,note", "3,again,bye")
    assert case.run().state == "success"
    assert case.rows(columns)[2] == (3, "again", None, "bye"), (
        "a merged row is one record's, with nothing of the old one"
    )
    assert case.evolved()[-1] == ("note", "STRING", False)
    assert "new columns" not in caplog.text.replace("new columns: note", "")


@pytest.mark.parametrize("mode", ["append"])
def test_nested_fields_arrive_as_json(case: Case, mode: str) -> None:
    form = {"type": "ndjson", "unexpected_columns": "evolve"}
    case.agree(ID, format=form, load={"table": f"drift.{case.name}", "mode": mode})
    case.land("a.ndjson", '{"id": 1, "deep": {"a": [1, 2]}, "n": 1.50}', '{"id": 2, "deep": "text", "n": null}')
    assert case.run().state == "success"
    assert case.rows("id, deep, n") == [(1, {"a": [1, 2]}, "1.50"), (2, "text", None)]
    case.land("b.ndjson", '{"id": 3, "n": {"now": "nested"}}')
    assert case.run().state == "success"
    assert case.rows("id, n")[2] == (3, '{"now": "nested"}')


def test_unknown_columns_of_typed_and_nested_files_arrive_as_text_and_json(case: Case) -> None:
    load = {"table": f"drift.{case.name}", "mode": "append"}
    case.agree(ID, load=load, format={"type": "parquet", "unexpected_columns": "evolve"})
    file = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "Price": [1.5, None], "deep": [{"a": [1]}, None]}), file)
    case.bucket.blob(f"{case.name}/a.parquet").upload_from_string(file.getvalue())
    assert case.run().state == "success"
    assert case.rows("id, price, deep") == [(1, "1.5", {"a": [1]}), (2, None, None)]
    case.agree(ID, load=load, format={"type": "xml", "records": "row", "unexpected_columns": "evolve"})
    case.land("b.xml", "<all><row><id>3</id><deep>text</deep><tag>a</tag><tag>b</tag></row></all>")
    assert case.run().state == "success"
    assert case.rows("id, deep, tag")[2] == (3, "text", ["a", "b"])


def test_a_contract_that_grows_takes_its_table_with_it(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    case.agree(ID, PRICE)
    case.land("a.csv", "id,price", "1,1.25")
    case.run()
    case.agree(ID, {**PRICE, "physicalType": "NUMERIC(14, 4)"}, NAME)
    case.land("b.csv", "id,price,name", "2,2.1234,x")
    assert case.run().state == "success"
    assert [(i, str(p), n) for i, p, n in case.rows("id, price, name")] == [(1, "1.25", None), (2, "2.1234", "x")]
    assert "name: new in the contract" in caplog.text


def test_a_column_that_the_contract_lost_stays_and_is_null_in_new_rows(case: Case) -> None:
    case.agree(ID, {**NAME, "required": True})
    case.land("a.csv", "id,name", "1,x")
    case.run()
    case.agree(ID)
    case.land("b.csv", "id", "2")
    assert case.run().state == "success"
    assert case.rows("id, name") == [(1, "x"), (2, None)]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({**PRICE, "physicalType": "NUMERIC(9, 2)"}, "the table has NUMERIC(10, 2), the contract NUMERIC(9, 2)"),
        ({**PRICE, "required": True}, "the table has NUMERIC(10, 2), the contract NUMERIC(10, 2) NOT NULL"),
        ({"name": "price", "logicalType": "string"}, "the table has NUMERIC(10, 2), the contract STRING"),
    ],
)
def test_a_contract_that_narrows_loads_nothing_and_says_both_versions(
    case: Case, changed: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    case.agree(ID, PRICE)
    case.land("a.csv", "id,price", "1,1.25")
    case.run()
    case.agree(ID, changed, NAME)
    case.land("b.csv", "id,price,name", "2,2.5,x")
    finished = case.run()
    assert (finished.state, finished.tasks["load"]) == ("failed", ["failed"])
    # Airflow 3.1's DAG.test() hands the alert no exception; there only the task's log has it.
    assert says in caplog.text + capsys.readouterr().out
    assert [(i, str(p)) for i, p in case.rows("id, price")] == [(1, "1.25")]
    table = case.query("SELECT * FROM drift." + case.name)[0]
    assert "name" not in table, "nothing is added either"

"""A dataset enriched from a table of the warehouse: whole Airflow runs against the embedded cloud."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from landfall.errors import TerminalFailure
from landfall.gcp.landing import Site
from landfall.gcp.references import pin_references

CONTRACT = {
    "kind": "DataContract", "apiVersion": "v3.1.0", "id": "t", "version": "1.0.0", "status": "active",
    "team": {"name": "tests"}, "schema": [{"name": "t", "properties": [
        {"name": "id", "logicalType": "integer", "primaryKey": True},
        {"name": "customer", "logicalType": "string"},
        {"name": "segment", "logicalType": "string"},
        {"name": "points", "logicalType": "integer"},
        {"name": "credit", "logicalType": "number", "physicalType": "NUMERIC(12, 2)"},
        {"name": "since", "logicalType": "date", "logicalTypeOptions": {"format": "dd.MM.yyyy"}},
        {"name": "seen", "logicalType": "timestamp"},
    ]}],
}  # fmt: skip
COLUMNS = ("customer", "segment", "points", "credit", "since", "seen")
TYPES = "customer STRING, segment STRING, points INT64, credit NUMERIC(14, 4), since DATE, seen TIMESTAMP, more STRING"
ANNA = "('a', 'gold, \"old\"', 9223372036854775807, NUMERIC '1234567890.10', DATE '2020-02-29', TIMESTAMP '2026-01-02 03:04:05.678901+00', NULL)"  # noqa: E501
BOB = "('b', '', NULL, NULL, NULL, NULL, NULL)"


class Case:
    """One dataset of its own, and the table it is enriched from."""

    def __init__(self, name: str, root: Path, run_dag: Any, landing: Any, query: Any) -> None:
        self.name, self.root, self.bucket, self.query, self._run = name, root, landing, query, run_dag
        self.table = f"crm.{name}"

    def agree(self, **enrich: Any) -> None:
        whole = {
            "source": {"uri": f"gs://{{landing}}/{self.name}/**"}, "format": {"type": "csv"},
            "enrich": {"with": f"table:{self.table}", "on": "customer", "take": list(COLUMNS[1:]), **enrich},
            "load": {"table": f"enriched.{self.name}", "mode": "append"}, "retry": {"attempts": 2, "base": "1s"},
        }  # fmt: skip
        folder = self.root / self.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "contract.yaml").write_text(json.dumps(CONTRACT))
        (folder / "pipeline.yaml").write_text(json.dumps(whole))

    def make(self, *rows: str) -> None:
        self.query(f"CREATE TABLE {self.table} ({TYPES})")
        for row in rows:
            self.query(f"INSERT INTO {self.table} VALUES {row}")

    def land(self, name: str, *lines: str) -> None:
        self.bucket.blob(f"{self.name}/{name}").upload_from_string("".join(f"{line}\n" for line in lines))

    def run(self) -> Any:
        return self._run(f"ingest_{self.name}", datasets=self.root)

    def rows(self) -> list[tuple[Any, ...]]:
        found = self.query(f"SELECT id, {', '.join(COLUMNS)} FROM enriched.{self.name} ORDER BY id")
        return [tuple(row.values()) for row in found]

    def pinned(self) -> str:
        """Address of the snapshot that a plan made now would hold."""
        return pin_references(Site.of(self.name))[f"table:{self.table}"].uri

    def plan(self, run_id: str) -> Any:
        from include.ledger.identity import content_hash

        site = Site.of(self.name)
        return json.loads(site.storage.read(site.work_uri("plans", f"{content_hash(run_id.encode())}.json")))


@pytest.fixture
def case(
    request: pytest.FixtureRequest, tmp_path: Path, run_dag: Any, landing: Any, query: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Case:  # fmt: skip
    from landfall.gcp.warehouse import Warehouse

    Warehouse("google_cloud_default", "landfall-local", "US").ensure_dataset("crm")
    name = request.node.name.partition("[")[0][5:45].rstrip("_")
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path / "datasets"))
    made = Case(name, tmp_path / "datasets", run_dag, landing, query)
    made.agree()
    return made


def test_records_take_the_values_that_the_table_has(case: Case) -> None:
    case.make(ANNA, BOB)
    case.land("a.csv", "id,customer", "1,a", "2,b", "3,nobody")
    finished = case.run()
    assert finished.state == "success"
    anna = ("a", 'gold, "old"', 2**63 - 1, Decimal("1234567890.10"), date(2020, 2, 29),
            datetime(2026, 1, 2, 3, 4, 5, 678901, UTC))  # fmt: skip
    assert case.rows() == [(1, *anna), (2, "b", "", *[None] * 4), (3, "nobody", *[None] * 5)]
    pinned = case.plan(finished.run_id)["references"]
    assert pinned[f"table:{case.table}"]["uri"] == case.pinned()


def test_the_same_rows_make_the_same_batch_and_others_another(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.make(ANNA, BOB)
    first = case.pinned()
    case.query(f"CREATE OR REPLACE TABLE {case.table} ({TYPES})")
    for row in (BOB, ANNA):
        case.query(f"INSERT INTO {case.table} VALUES {row}")
    assert case.pinned() == first
    case.query(f"UPDATE {case.table} SET more = 'x' WHERE customer = 'a'")
    assert case.pinned() == first, "a column that is not taken does not count"
    case.query(f"UPDATE {case.table} SET segment = NULL WHERE customer = 'b'")
    assert case.pinned() != first


def test_a_run_that_is_tried_again_uses_the_table_as_it_was_planned(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    from landfall.errors import TransientFailure
    from landfall.gcp import function

    case.make(BOB)
    case.agree()
    case.land("a.csv", "id,customer", "1,b")
    tried, post = [], function._post

    def late(url: str, body: Any, key: str) -> Any:
        """The table changes between plan and transform, and the first try is lost."""
        tried.append((body["batch_id"], body["attempt"]))
        case.query(f"UPDATE {case.table} SET segment = 'changed' WHERE true")
        if len(tried) == 1:
            raise TransientFailure("no answer")
        return post(url, body, key)

    monkeypatch.setattr(function, "_post", late)
    assert case.run().state == "success"
    assert [row[2] for row in case.rows()] == [""]
    assert [attempt for _, attempt in tried] == [1, 2]
    assert len({batch for batch, _ in tried}) == 1
    case.land("b.csv", "id,customer", "2,b")
    assert case.run().state == "success"
    assert [row[2] for row in case.rows()] == ["", "changed"]


def test_a_view_serves_too(case: Case) -> None:
    case.make(ANNA, BOB)
    case.query(f"CREATE VIEW {case.table}_gold AS SELECT * FROM {case.table} WHERE points > 0")
    case.agree(**{"with": f"table:{case.table}_gold", "missing": "quarantine"})
    case.land("a.csv", "id,customer", "1,a", "2,b")
    assert case.run().state == "success"
    assert [row[0] for row in case.rows()] == [1]
    (kept,) = case.query("SELECT reasons FROM landfall_ops.quarantine WHERE dataset = @d", {"d": case.name})
    assert f"has no match in table:{case.table}_gold" in str(kept["reasons"])


@pytest.mark.parametrize(
    ("made", "take", "says"),
    [
        (None, ["segment"], "there is no table crm.{name} in the deployment's project"),
        ("customer STRING", ["segment", "points"], "lacks the columns segment, points; it has: customer"),
        ("customer STRING, segment STRUCT<a INT64>", ["segment"], "column segment: STRUCT is no type"),
        (
            "customer STRING, segment STRING",
            ["segment"],
            "has more than 1 rows, which a reference may have: make a view",
        ),
    ],
)
def test_a_table_that_cannot_serve_fails_the_plan_for_good(
    case: Case, made: str | None, take: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.engine.snapshot.MAX_ROWS", 1)
    case.query(f"DROP TABLE IF EXISTS {case.table}")
    case.agree(take=take)
    if made:
        case.query(f"CREATE TABLE {case.table} ({made})")
        if "STRUCT" not in made and "," in made:
            case.query(f"INSERT INTO {case.table} VALUES ('a', 'x'), ('b', 'y')")
    with pytest.raises(TerminalFailure) as caught:
        case.pinned()
    assert says.format(name=case.name) in str(caught.value)
    assert f"table {case.table}" in str(caught.value)


def test_a_key_that_stands_twice_fails_the_run_and_loads_nothing(
    case: Case, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    case.make(ANNA, BOB, BOB)
    case.land("a.csv", "id,customer", "1,a")
    finished = case.run()
    assert (finished.state, finished.tasks["transform"]) == ("failed", ["failed"])
    says = f'table:{case.table}: customer "b" stands more than once; a key must be unique.'
    assert says in (caplog.text + capsys.readouterr().out).replace('\\"', '"')

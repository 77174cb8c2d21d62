"""The one transaction, run on the BigQuery emulator through the real client."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.ledger.accounts import BATCH_TYPES, FILE_TYPES
from include.ledger.commit import Commit, staging_type
from include.ledger.queries import EVENT_TYPES, event_sql, let_go_sql, states_sql
from include.ledger.states import FileState
from include.ledger.tables import COUNTS, FILE_ID, RECORD, Ledger, create_target_sql
from include.ledger.taking import Known
from include.spec.dataset import CONTRACT, PIPELINE, Dataset, build_dataset
from landfall.errors import TerminalFailure, TransientFailure
from landfall.gcp.warehouse import Structs, Warehouse

numbers = itertools.count()
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

CONTRACT_TEXT = b"""
{kind: DataContract, apiVersion: v3.1.0, id: t, version: 1.0.0, status: active, schema: [{name: t, properties: [
 {name: k, logicalType: integer, primaryKey: true, required: true}, {name: day, logicalType: date, partitioned: true,
 required: true}, {name: v, logicalType: string}, {name: doc, logicalType: object}, {name: tags, logicalType: array,
 items: {logicalType: string}}, {name: price, logicalType: number, physicalType: "NUMERIC(10, 2)"}]}]}
"""


def dataset_of(mode: str, redelivered: str | None = None) -> Dataset:
    policy = f", redelivered: {redelivered}" if redelivered else ""
    pipeline = f"""
    {{source: {{uri: "gs://b/x/*", complete: marker}}, format: {{type: csv}},
      load: {{table: tests.t{next(numbers)}, mode: {mode}{policy}}}}}
    """.encode()
    return build_dataset(f"d{next(numbers)}", {CONTRACT: CONTRACT_TEXT, PIPELINE: pipeline})


@pytest.fixture
def warehouse(in_cloud: object) -> Warehouse:
    made = Warehouse("google_cloud_default", "landfall-local", "US")
    ledger = Ledger("landfall-local", "ops")
    made.ensure_dataset(ledger.dataset)
    made.ensure_dataset(ledger.staging_dataset, expiring=True)
    made.ensure_dataset("tests")
    made.query(ledger.create_sql())
    return made


class Bench:
    """One dataset whose commits are made from rows written here."""

    def __init__(self, warehouse: Warehouse, mode: str, redelivered: str | None = None) -> None:
        self.warehouse, self.dataset = warehouse, dataset_of(mode, redelivered)
        self.ledger = Ledger("landfall-local", "ops")
        warehouse.query(create_target_sql(self.dataset, self.ledger))

    def commit(
        self,
        files: dict[str, list[tuple[int, str, str]]],
        *,
        generation: int = 1,
        states: dict[str, str] | None = None,
        released: tuple[str, ...] = (),
        force: bool = False,
        expected: int | None = None,
        vouched: datetime | None = None,
        late: bool = False,
        again: tuple[str, ...] = (),
    ) -> None:
        """Commit files, given as name to rows of (key, day, value)."""
        name = f"stage{next(numbers)}"
        self._stage(name, files, generation)
        states = states or {}
        rows = [
            {"file_id": f"{file}@{generation}", "bucket": "b", "name": file, "generation": generation, "checksum": "",
             "size": 1, "released": file in released, "state": states.get(file, "loaded"), "reason": None,
             "batch_id": "batch", "place": place, "voucher": "set", "vouched_at": vouched, "late": late,
             "again": file in again,
             **dict.fromkeys(COUNTS, 0), "records": len(content), "loaded": len(content)}
            for place, (file, content) in enumerate(files.items())
        ]  # fmt: skip
        batch = {"batch_id": "batch", "commit_id": "c", "target": "t", "mode": "m", "files": len(rows),
                 "manifest": "gs://w/m", "rules": "{}", "evolved": None, **dict.fromkeys(COUNTS, 1)}  # fmt: skip
        admitted = sum(row["loaded"] for row in rows if row["state"] == "loaded")
        parameters = {
            "dataset": self.dataset.name, "run_id": f"run{next(numbers)}", "files": Structs(FILE_TYPES, rows),
            "batches": Structs(BATCH_TYPES, [batch]),
            "expected": admitted if expected is None else expected,
        }  # fmt: skip
        commit = Commit(self.dataset, self.ledger, self.ledger.staging(name), "", force)
        self.warehouse.run_once(commit.sql(), parameters, f"test-{self.dataset.name}-{next(numbers)}")

    def _stage(self, name: str, files: dict[str, list[tuple[int, str, str]]], generation: int) -> None:
        columns = ", ".join(f"{c.name} {staging_type(c)}" for c in self.dataset.columns)
        table = self.ledger.staging(name)
        self.warehouse.query(f"CREATE TABLE {table} ({columns}, {FILE_ID} STRING, {RECORD} INT64)")
        values = [
            f"({key}, DATE '{day}', '{value}', '{{\"a\": {key}}}', ['x'], NUMERIC '1.25', '{file}@{generation}', {n})"
            for file, rows in files.items()
            for n, (key, day, value) in enumerate(rows)
        ]
        if values:
            self.warehouse.query(f"INSERT INTO {table} VALUES {', '.join(values)}")

    def rows(self) -> list[tuple[int, str, str]]:
        found = self.warehouse.query(f"SELECT k, day, v FROM `{self.dataset.pipeline.load.table}` ORDER BY k, v")
        return [(row["k"], str(row["day"]), row["v"]) for row in found]

    def event(self, file: str, state: str, generation: int = 1, run: str = "late") -> None:
        """Write what a run says of a file outside of a commit."""
        row = {"file_id": f"{file}@{generation}", "bucket": "b", "name": file, "generation": generation,
               "checksum": "", "size": 1, "batch_id": None, "reason": None, "voucher": None,
               "vouched_at": None}  # fmt: skip
        parameters = {"dataset": self.dataset.name, "run_id": run, "files": Structs(EVENT_TYPES, [row])}
        self.warehouse.query(event_sql(self.ledger, FileState(state)), parameters)

    def known(self, *names: str) -> dict[str, Known]:
        parameters = {"dataset": self.dataset.name, "bucket": "b", "names": list(names)}
        found = [Known.of(row) for row in self.warehouse.query(states_sql(self.ledger), parameters)]
        return {item.file_id: item for item in found}

    def states(self) -> dict[str, str]:
        sql = f"SELECT file_id, state FROM {self.ledger.table('files_current')} WHERE dataset = @dataset"
        return {r["file_id"]: r["state"] for r in self.warehouse.query(sql, {"dataset": self.dataset.name})}


@pytest.mark.parametrize("mode", ["merge", "append", "replace_partition"])
def test_rows_and_ledger_arrive_together(warehouse: Warehouse, mode: str) -> None:
    bench = Bench(warehouse, mode)
    bench.commit({"a.csv": [(1, "2026-01-01", "x"), (2, "2026-01-02", "y")]})
    assert bench.rows() == [(1, "2026-01-01", "x"), (2, "2026-01-02", "y")]
    assert bench.states() == {"a.csv@1": "loaded"}


@pytest.mark.parametrize("mode", ["merge", "append", "replace_partition"])
def test_a_file_is_committed_once_however_often_it_is_tried(warehouse: Warehouse, mode: str) -> None:
    bench = Bench(warehouse, mode)
    bench.commit({"a.csv": [(1, "2026-01-01", "x")]})
    with pytest.raises(TerminalFailure, match="loaded already"):
        bench.commit({"a.csv": [(1, "2026-01-01", "again")], "b.csv": [(2, "2026-01-01", "new")]})
    assert bench.rows() == [(1, "2026-01-01", "x")]
    assert bench.states() == {"a.csv@1": "loaded"}


def test_an_older_version_never_lands_after_a_newer_one(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "merge")
    bench.commit({"a.csv": [(1, "2026-01-01", "new")]}, generation=2)
    with pytest.raises(TerminalFailure, match="newer version"):
        bench.commit({"a.csv": [(1, "2026-01-01", "old")]}, generation=1)
    assert bench.rows() == [(1, "2026-01-01", "new")]


def test_a_merge_overwrites_a_key_and_the_later_file_wins(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "merge")
    bench.commit({"a.csv": [(1, "2026-01-01", "x"), (2, "2026-01-01", "kept")]})
    bench.commit({"b.csv": [(1, "2026-01-03", "first")], "c.csv": [(1, "2026-01-04", "second")]})
    assert bench.rows() == [(1, "2026-01-04", "second"), (2, "2026-01-01", "kept")]


def test_an_append_of_a_new_version_takes_the_old_versions_rows_out(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append")
    bench.commit({"a.csv": [(1, "2026-01-01", "x")], "b.csv": [(1, "2026-01-01", "other")]})
    bench.commit({"a.csv": [(1, "2026-01-01", "x2")]}, generation=2)
    assert bench.rows() == [(1, "2026-01-01", "other"), (1, "2026-01-01", "x2")]
    assert bench.states() == {"a.csv@1": "superseded", "a.csv@2": "loaded", "b.csv@1": "loaded"}


def test_a_partition_is_replaced_and_its_neighbours_stay(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "replace_partition")
    bench.commit({"a.csv": [(1, "2026-01-01", "x"), (2, "2026-01-02", "y")]})
    bench.commit({"b.csv": [(3, "2026-01-02", "z")]})
    assert bench.rows() == [(1, "2026-01-01", "x"), (3, "2026-01-02", "z")]


def test_a_held_file_is_loaded_only_on_purpose_with_its_set(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "replace_partition")
    bench.commit({"a.csv": [(1, "2026-01-01", "x")]}, states={"a.csv": "held"})
    with pytest.raises(TerminalFailure, match="or held or rejected"):
        bench.commit({"a.csv": [(1, "2026-01-01", "x")]})
    bench.commit({"a.csv": [(1, "2026-01-01", "x")]}, again=("a.csv",))
    assert bench.states() == {"a.csv@1": "loaded"}


def test_a_file_that_comes_late_is_added_to_its_partition(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "replace_partition")
    bench.commit({"a.csv": [(1, "2026-01-01", "x")]}, vouched=NOON)
    bench.commit({"b.csv": [(2, "2026-01-01", "y")]}, late=True)
    assert bench.rows() == [(1, "2026-01-01", "x"), (2, "2026-01-01", "y")]


def test_a_set_that_loses_a_race_against_a_newer_one_of_its_day_commits_nothing_and_may_try_again(
    warehouse: Warehouse,
) -> None:
    bench = Bench(warehouse, "replace_partition")
    bench.commit({"new.csv": [(1, "2026-01-02", "new")]}, vouched=NOON)
    with pytest.raises(TransientFailure, match="conflict with a newer set"):
        bench.commit({"old.csv": [(2, "2026-01-01", "a"), (3, "2026-01-02", "b")]}, vouched=NOON - timedelta(hours=1))
    assert bench.rows() == [(1, "2026-01-02", "new")]
    bench.commit({"other.csv": [(4, "2026-01-01", "c")]}, vouched=NOON - timedelta(hours=1))
    assert bench.rows() == [(1, "2026-01-02", "new"), (4, "2026-01-01", "c")], "of another day it is the newest"


def test_rows_of_a_held_file_stay_out(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append")
    content = {"a.csv": [(1, "2026-01-01", "in")], "b.csv": [(2, "2026-01-01", "out")]}
    bench.commit(content, states={"b.csv": "held"})
    assert bench.rows() == [(1, "2026-01-01", "in")]
    assert bench.states() == {"a.csv@1": "loaded", "b.csv@1": "held"}


def test_a_count_that_differs_stops_everything(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append")
    with pytest.raises(TerminalFailure, match="does not hold the rows"):
        bench.commit({"a.csv": [(1, "2026-01-01", "x")]}, expected=2)
    assert bench.rows() == []
    assert bench.states() == {}


def test_force_loads_a_file_again_in_place_of_its_rows(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append")
    bench.commit({"a.csv": [(1, "2026-01-01", "x")]})
    bench.commit({"a.csv": [(1, "2026-01-01", "mended")]}, force=True)
    assert bench.rows() == [(1, "2026-01-01", "mended")]


def test_json_and_arrays_and_decimals_arrive_as_such(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append")
    bench.commit({"a.csv": [(7, "2026-01-01", "x")]})
    row = warehouse.query(f"SELECT doc, tags, price FROM `{bench.dataset.pipeline.load.table}`")[0]
    found: dict[str, Any] = {**row, "price": str(row["price"])}
    assert found == {"doc": {"a": 7}, "tags": ["x"], "price": "1.25"}


def test_a_forced_file_is_loaded_and_not_superseded_by_itself(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append")
    bench.commit({"a.csv": [(1, "2026-01-01", "x")]})
    bench.commit({"a.csv": [(1, "2026-01-01", "mended")]}, force=True)
    assert bench.states() == {"a.csv@1": "loaded"}


DAY, OTHER_DAY = "2026-01-01", "2026-01-02"


@pytest.mark.parametrize(
    ("mode", "policy", "rows", "old"),
    [
        ("append", "replace", [(1, "new")], "superseded"),
        ("append", "version", [(1, "new"), (1, "old"), (2, "gone")], "loaded"),
        ("append", None, [(1, "new")], "superseded"),
        ("replace_partition", "replace", [(1, "new")], "superseded"),
        ("replace_partition", None, [(1, "new")], "superseded"),
        ("merge", "version", [(1, "new"), (2, "gone")], "superseded"),
        ("merge", None, [(1, "new"), (2, "gone")], "superseded"),
    ],
)
def test_a_new_version_meets_the_rows_of_the_old_one(
    warehouse: Warehouse, mode: str, policy: str | None, rows: list[tuple[int, str]], old: str
) -> None:
    bench = Bench(warehouse, mode, policy)
    bench.commit({"a.csv": [(1, DAY, "old"), (2, OTHER_DAY, "gone")]})
    bench.commit({"a.csv": [(1, DAY, "new")]}, generation=2)
    assert [(key, value) for key, _, value in bench.rows()] == rows
    assert bench.states() == {"a.csv@1": old, "a.csv@2": "loaded"}


@pytest.mark.parametrize("mode", ["append", "replace_partition", "merge"])
def test_under_skip_no_second_version_lands(warehouse: Warehouse, mode: str) -> None:
    bench = Bench(warehouse, mode, "skip")
    bench.commit({"a.csv": [(1, DAY, "old")]})
    with pytest.raises(TerminalFailure, match="redelivered files are skipped"):
        bench.commit({"a.csv": [(1, DAY, "new")]}, generation=2)
    assert bench.rows() == [(1, DAY, "old")]
    bench.commit({"a.csv": [(1, DAY, "new")]}, generation=2, force=True)
    assert bench.rows() == [(1, DAY, "new")]
    assert bench.states() == {"a.csv@1": "superseded", "a.csv@2": "loaded"}


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_third_version_meets_the_second_and_not_what_is_gone(warehouse: Warehouse, mode: str) -> None:
    bench = Bench(warehouse, mode)
    for generation in (1, 2, 3):
        bench.commit({"a.csv": [(1, DAY, str(generation))]}, generation=generation)
    assert bench.rows() == [(1, DAY, "3")]
    assert bench.states() == {"a.csv@1": "superseded", "a.csv@2": "superseded", "a.csv@3": "loaded"}


@pytest.mark.parametrize("state", ["planned", "seen", "held", "released", "dead_lettered"])
def test_a_newer_version_ends_an_older_one_that_was_never_loaded(warehouse: Warehouse, state: str) -> None:
    bench = Bench(warehouse, "append", "version")
    bench.event("a.csv", state)
    bench.commit({"a.csv": [(1, DAY, "new")]}, generation=2)
    assert bench.states() == {"a.csv@1": "superseded", "a.csv@2": "loaded"}


@pytest.mark.parametrize("mode", ["append", "replace_partition", "merge"])
def test_a_run_that_looked_before_a_commit_and_planned_after_it_changes_nothing(
    warehouse: Warehouse, mode: str
) -> None:
    bench = Bench(warehouse, mode)
    bench.commit({"a.csv": [(1, DAY, "x")], "b.csv": [(2, DAY, "y")]}, states={"b.csv": "held"})
    bench.event("a.csv", "planned")
    bench.event("b.csv", "planned")
    assert bench.states() == {"a.csv@1": "loaded", "b.csv@1": "held"}
    for name in ("a.csv", "b.csv"):
        with pytest.raises(TerminalFailure, match="loaded already"):
            bench.commit({name: [(1, DAY, "again")]}, states={"b.csv": "held"})
    assert bench.rows() == [(1, DAY, "x")]


def test_a_released_file_is_committed_though_it_was_held(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append")
    bench.commit({"a.csv": [(1, DAY, "x")]}, states={"a.csv": "held"})
    bench.event("a.csv", "released")
    bench.event("a.csv", "planned")
    assert bench.known("a.csv")["a.csv@1"].released
    bench.commit({"a.csv": [(1, DAY, "x")]}, released=("a.csv",))
    assert bench.rows() == [(1, DAY, "x")]
    assert bench.states() == {"a.csv@1": "loaded"}


def test_the_ledger_names_the_run_that_has_taken_a_file_until_it_lets_go(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append")
    assert bench.known("a.csv") == {}
    bench.event("a.csv", "planned", run="first")
    bench.event("a.csv", "planned", run="second")
    parameters = {"dataset": bench.dataset.name, "ids": ["a.csv@1"], "reason": "given_up: it failed"}
    warehouse.query(let_go_sql(bench.ledger), {**parameters, "run_id": "first"})
    assert bench.known("a.csv")["a.csv@1"].holder == "second"
    warehouse.query(let_go_sql(bench.ledger), {**parameters, "run_id": "second"})
    assert bench.known("a.csv")["a.csv@1"].holder is None
    assert bench.states() == {"a.csv@1": "seen"}

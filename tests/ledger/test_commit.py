"""The one transaction, run on the BigQuery emulator through the real client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.ledger.queries import REASON_TYPES, let_go_sql
from landfall.errors import TerminalFailure, TransientFailure
from landfall.gcp.warehouse import Structs, Warehouse
from tests.ledger.bench import Bench

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


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
    with pytest.raises(TransientFailure, match="a newer set has replaced a day"):
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
    files = Structs(REASON_TYPES, [{"file_id": "a.csv@1", "why": "given_up: it failed"}])
    parameters = {"dataset": bench.dataset.name, "files": files}
    warehouse.query(let_go_sql(bench.ledger), {**parameters, "run_id": "first"})
    assert bench.known("a.csv")["a.csv@1"].holder == "second"
    warehouse.query(let_go_sql(bench.ledger), {**parameters, "run_id": "second"})
    assert bench.known("a.csv")["a.csv@1"].holder is None
    assert bench.states() == {"a.csv@1": "seen"}

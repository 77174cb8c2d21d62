"""What is counted after a commit, while others commit."""

from __future__ import annotations

import pytest

from include.ledger.verify import agrees, reconciliation
from landfall.gcp.warehouse import Warehouse
from tests.ledger.bench import Bench

DAY, OTHER_DAY = "2026-01-01", "2026-01-02"


def counted(bench: Bench, run: str) -> dict[str, tuple[int, int, bool]]:
    """Files that a run loaded: rows loaded, rows present, whether another commit came after."""
    rows = bench.warehouse.query(
        reconciliation(bench.dataset, bench.ledger), {"dataset": bench.dataset.name, "run_id": run}
    )
    return {row["name"]: (row["loaded"], row["present"], row["later"]) for row in rows}


@pytest.mark.parametrize("mode", ["append", "merge", "replace_partition"])
def test_what_a_run_loaded_is_there(warehouse: Warehouse, mode: str) -> None:
    bench = Bench(warehouse, mode)
    bench.commit({"a.csv": [(1, DAY, "x"), (2, DAY, "y")]}, run="one")
    assert counted(bench, "one") == {"a.csv": (2, 2, False)}


def test_a_file_that_was_superseded_before_it_was_counted_is_no_error(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append")
    bench.commit({"a.csv": [(1, DAY, "x")], "b.csv": [(2, DAY, "y")]}, run="one")
    bench.commit({"a.csv": [(1, DAY, "new")]}, generation=2, run="two")
    assert counted(bench, "one") == {"b.csv": (1, 1, True)}
    assert counted(bench, "two") == {"a.csv": (1, 1, False)}


def test_versions_side_by_side_are_both_counted(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append", "version")
    bench.commit({"a.csv": [(1, DAY, "x")]}, run="one")
    bench.commit({"a.csv": [(1, DAY, "new")]}, generation=2, run="two")
    assert (counted(bench, "one"), counted(bench, "two")) == ({"a.csv": (1, 1, True)}, {"a.csv": (1, 1, False)})


def test_a_file_that_another_run_loaded_again_is_that_runs(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append")
    bench.commit({"a.csv": [(1, DAY, "x"), (2, DAY, "y")]}, run="one")
    bench.commit({"a.csv": [(1, DAY, "x")]}, force=True, run="two")
    assert (counted(bench, "one"), counted(bench, "two")) == ({}, {"a.csv": (1, 1, False)})


def test_days_that_a_later_run_replaced_are_seen_to_be_so(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "replace_partition")
    bench.commit({"a.csv": [(1, DAY, "x"), (2, OTHER_DAY, "y")]}, run="one")
    bench.commit({"b.csv": [(3, OTHER_DAY, "z")]}, run="two")
    assert counted(bench, "one") == {"a.csv": (2, 1, True)}


def test_days_that_a_later_commit_of_the_same_run_replaced_are_seen_to_be_so(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "replace_partition")
    bench.commit({"a.csv": [(1, DAY, "x"), (2, OTHER_DAY, "y")]}, run="one")
    bench.commit({"b.csv": [(3, OTHER_DAY, "z")]}, run="one")
    assert counted(bench, "one") == {"a.csv": (2, 1, True), "b.csv": (1, 1, False)}


@pytest.mark.parametrize(
    ("mode", "later", "fewer"),
    [("append", True, False), ("append", False, False), ("merge", False, True), ("replace_partition", True, True),
     ("replace_partition", False, False)],
)  # fmt: skip
def test_fewer_rows_are_right_only_where_a_commit_takes_rows_out(mode: str, later: bool, fewer: bool) -> None:
    assert agrees(mode, loaded=2, present=1, later=later) is fewer
    assert agrees(mode, loaded=2, present=2, later=later)
    assert not agrees(mode, loaded=2, present=3, later=later)

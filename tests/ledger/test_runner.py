"""Which batches go to Dataflow, why, and that this changes neither what is packed nor what a batch is called."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.engine.shards import why_whole
from include.ledger.completeness import Vouched
from include.ledger.landing import Landed
from include.ledger.plan import MAX_BATCH_BYTES, MAX_BATCH_FILES, Plan, make_plan
from include.ledger.runner import choose
from include.spec.dataset import Dataset
from tests.engine.builder import column, dataset

MB = 1_000_000


def spec(**pipeline: Any) -> Dataset:
    return dataset(column("id"), **pipeline)


def landed(name: str, size: int, generation: int = 1) -> Landed:
    return Landed("landing", name, generation, size, "AAAAAA==")


def planned(given: Dataset, *files: Landed, late: tuple[str, ...] = (), alone: tuple[str, ...] = ()) -> Plan:
    vouched = {item.file_id: Vouched(late=item.name in late) for item in files}
    return make_plan(given, files, run_id="r", references={}, force=False, vouched=vouched, alone=alone)


def names(plan: Plan) -> list[list[str]]:
    return [[file.name for file in batch.files] for batch in plan.batches]


def test_small_files_share_a_batch_and_a_large_one_has_its_own_in_its_place() -> None:
    plan = planned(spec(), landed("a", MB), landed("b", 2400 * MB), landed("c", MB), landed("d", 1000 * MB))
    assert names(plan) == [["a"], ["b"], ["c"], ["d"]]
    assert [batch.runner for batch in plan.batches] == ["function", "dataflow", "function", "function"]
    assert [batch.reason for batch in plan.batches] == [
        "below dataflow_above (1 GB)",
        "above dataflow_above (1 GB); cut into about 36 shards",
        "below dataflow_above (1 GB)",
        "below dataflow_above (1 GB)",
    ]


@pytest.mark.parametrize(
    ("said", "name", "is_of"),
    [
        ("auto", "a.csv.gz", "gzip"),
        ("auto", "a.CSV.ZST", "zstd"),
        ("gzip", "a.csv", "gzip"),
        ("none", "a.csv.gz", "none"),
        ("auto", "a.csv", "none"),
    ],
)
def test_a_file_that_cannot_be_cut_is_read_as_a_whole_and_the_plan_says_why(said: str, name: str, is_of: str) -> None:
    given = spec(format={"type": "csv", "compression": said}, transform={"dataflow_above": "100MB"})
    (batch,) = planned(given, landed(name, 150 * MB)).batches
    why = why_whole(spec(format={"type": "csv", "compression": is_of}), "a.csv")
    assert bool(why) == (is_of != "none")
    how = f"read as a whole: {why}" if why else "cut into about 3 shards"
    assert (batch.runner, batch.reason) == ("dataflow", f"above dataflow_above (100 MB); {how}")


def test_a_set_that_replaces_its_days_stays_one_batch_whatever_is_in_it() -> None:
    sets = dataset(
        column("id"), column("day", "date", partitioned=True, required=True),
        source={"uri": "gs://{landing}/things/*", "complete": "marker"},
        load={"table": "a.things", "mode": "replace_partition"}, transform={"dataflow_above": "10 MB"},
    )  # fmt: skip
    plan = planned(
        sets, landed("1/a", 20 * MB), landed("1/b", MB), landed("2/a", 20 * MB), landed("3/a", MB), landed("3/b", MB),
        landed("4/late", 20 * MB), landed("4/later", MB), late=("4/late", "4/later"),
    )  # fmt: skip
    assert names(plan) == [["1/a", "1/b"], ["2/a"], ["3/a", "3/b"], ["4/late"], ["4/later"]]
    assert [batch.runner for batch in plan.batches] == ["function", "dataflow", "function", "dataflow", "function"]
    assert plan.batches[0].reason == (
        "1 of 2 files above dataflow_above (10 MB), but Dataflow takes one file and a set is one batch"
    )


sizes = st.lists(st.integers(0, 400) | st.sampled_from([255, 256, 257, 900, 1001]), max_size=40)


@given(sizes, st.integers(1, 1000), st.sets(st.integers(0, 39)))
def test_packing_keeps_every_file_once_in_order_and_within_its_bounds(
    given_sizes: list[int], above: int, failed: set[int]
) -> None:
    files = [landed(f"{number:03}", size * MB) for number, size in enumerate(given_sizes)]
    alone = tuple(files[number].file_id for number in failed if number < len(files))
    plan = planned(spec(transform={"dataflow_above": f"{above}MB"}), *files, alone=alone)
    assert [file.file_id for file in plan.files] == [file.file_id for file in files]
    for batch in plan.batches:
        size = sum(file.size for file in batch.files)
        large = [file for file in batch.files if file.size > above * MB]
        assert len(batch.files) <= MAX_BATCH_FILES
        assert size <= MAX_BATCH_BYTES or sum(file.size > 0 for file in batch.files) == 1
        assert batch.runner == ("dataflow" if large else "function")
        assert len(batch.files) == 1 if large or set(alone) & {f.file_id for f in batch.files} else batch.files
        assert batch.reason.startswith(f"{'above' if large else 'below'} dataflow_above ({above} MB)")


@given(sizes, st.integers(1, 1000), st.integers(1, 1000))
def test_a_batch_of_the_same_files_is_the_same_batch_wherever_it_is_transformed(
    given_sizes: list[int], one: int, other: int
) -> None:
    files = [landed(f"{number:03}", size * MB) for number, size in enumerate(given_sizes)]
    plans = [planned(spec(transform={"dataflow_above": f"{above}MB"}), *files) for above in (one, other)]
    ids = [{tuple(f.file_id for f in batch.files): batch.batch_id for batch in plan.batches} for plan in plans]
    assert {key: ids[0][key] for key in ids[0].keys() & ids[1].keys()} == {
        key: ids[1][key] for key in ids[0].keys() & ids[1].keys()
    }


def test_one_file_is_the_same_batch_by_the_function_and_on_dataflow() -> None:
    small, large = (spec(transform={"dataflow_above": above}) for above in ("1KB", "1GB"))
    by, on = (planned(given, landed("a", MB)).batches[0] for given in (large, small))
    assert (by.runner, on.runner) == ("function", "dataflow")
    assert by.batch_id == on.batch_id


def test_a_plan_of_an_older_release_is_read_as_one_for_the_function() -> None:
    plan = planned(spec(), landed("a", MB))
    data = plan.model_dump(mode="json")
    for batch in data["batches"]:
        del batch["runner"], batch["reason"]
    (batch,) = Plan.model_validate(data).batches
    assert (batch.runner, batch.reason) == ("function", "")


def test_the_bound_itself_is_not_above_it() -> None:
    assert choose(spec(transform={"dataflow_above": "1 MB"}), [landed("a", MB)]).runner == "function"

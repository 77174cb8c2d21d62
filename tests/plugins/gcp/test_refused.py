"""What the warehouse refuses counts against the files that it is of, and their neighbours are loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.ledger.commit import Commit
from landfall.errors import RefusedData, TerminalFailure
from landfall.gcp.refused import Loaded, is_common, load_apart
from tests.plugins.gcp.steps import HEADER, Steps


@given(st.sets(st.integers(0, 30), min_size=1), st.data())
def test_all_batches_are_loaded_but_those_whose_own_data_are_refused(numbers: set[int], data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.sampled_from(sorted(numbers))))
    tried: list[list[int]] = []

    def load(done: Mapping[int, str]) -> Loaded:
        tried.append(sorted(done))
        if bad & done.keys():
            raise RefusedData(f"job {tried}: of {[chr(ord('A') + number) for number in sorted(bad & done.keys())]}")
        return {"commit": f"c{len(tried)}", "added": ["x"], "left": 0, "loaded": len(done)}, []

    apart = load_apart(load, dict.fromkeys(numbers, "m"), "append")
    assert set(apart.refused) == bad
    assert sum(result["loaded"] for result in apart.results) == len(numbers - bad)
    if apart.results:
        assert (apart.result["loaded"], apart.result["added"]) == (len(numbers - bad), ["x"])
    if not bad:
        assert tried == [sorted(numbers)], "it costs nothing where nothing is refused"


def test_another_failure_is_not_looked_into() -> None:
    def load(_: Mapping[int, str]) -> Loaded:
        raise TerminalFailure("403 accessDenied")

    with pytest.raises(TerminalFailure, match="accessDenied"):
        load_apart(load, {0: "m", 1: "m"}, "append")


def test_sets_that_may_share_a_day_are_not_tried_apart() -> None:
    tried: list[list[int]] = []

    def load(done: Mapping[int, str]) -> Loaded:
        tried.append(sorted(done))
        raise RefusedData("job: bad")

    with pytest.raises(RefusedData):
        load_apart(load, {0: "m", 1: "m"}, "replace_partition")
    assert tried == [[0, 1]]
    assert set(load_apart(load, {1: "m"}, "replace_partition").refused) == {1}


@pytest.mark.parametrize(
    ("causes", "batches", "common"),
    [(["no column x"] * 2, 2, True), (["no column x"], 1, False), (["bad a", "bad b"], 2, False), (["x"], 2, False)],
)
def test_what_all_batches_are_refused_for_is_of_no_file(causes: list[str], batches: int, common: bool) -> None:
    refused = {n: RefusedData(f"BigQuery job landfall-{n}: {cause}") for n, cause in enumerate(causes)}
    assert is_common(refused, batches) == common


@pytest.mark.parametrize(
    ("cause", "common"),
    [
        ("Provided Parquet is wrong. File: gs://work/items/batches/{id}/good-0000{n}.parquet", True),
        ("Error while reading part good-0000{n}.parquet, row 1{n}: no column x", True),
        ("Not found: column x in `landfall-local.landfall_staging.items_{id}_rows`", True),
        ("Not found: column x in landfall-local:landfall_staging.items_{id}_rows at [{n}:1]", True),
        ("Provided Parquet is wrong: {word}. File: gs://work/items/batches/{id}/good-00000.parquet", False),
    ],
    ids=["address", "file", "quoted", "hash", "other"],
)
def test_a_cause_is_the_same_whatever_file_table_or_place_it_names(cause: str, common: bool) -> None:
    refused = {
        n: RefusedData(f"BigQuery job landfall-{n}: {cause.format(n=n, id=f'{n:032x}', word='ab'[n])}") for n in (0, 1)
    }
    assert is_common(refused, 2) is common


@pytest.fixture
def steps(request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch) -> Steps:
    from google.cloud import storage

    from landfall.gcp.warehouse import Warehouse

    bucket = storage.Client(project="landfall-local").bucket("landfall-landing")
    name = request.node.name.partition("[")[0][5:45]
    made = Steps(name, bucket, Warehouse("google_cloud_default", "landfall-local", "US").query)
    made.write(tmp_path, complete="none", mode="append", glob="**")
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    monkeypatch.setattr("landfall.gcp.selection.has_ended", lambda _context, _run_id: True)
    return made


def refuse(monkeypatch: pytest.MonkeyPatch, condition: Callable[[Commit], str]) -> None:
    """Have the warehouse itself refuse a commit, inside its transaction."""
    count = Commit._count
    monkeypatch.setattr(Commit, "_count", lambda self: f"{count(self)}\nASSERT {condition(self)} AS 'too many days';")


def put_aside(it: Steps) -> set[str]:
    found = it.bucket.client.list_blobs("landfall-archive", prefix=f"{it.name}/dead-letter/")
    return {blob.name.split("/", 4)[4] for blob in found}


def test_a_file_that_the_warehouse_refuses_becomes_a_dead_letter_and_its_neighbours_load(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, lambda commit: f"NOT EXISTS (SELECT 1 FROM {commit._staged()} WHERE name = 'poison')")
    for number, (name, text) in enumerate({"a": "x", "b": "poison", "c": "z"}.items()):
        steps.land(f"{name}.csv", f"{HEADER}{number},2026-01-01,{text}\n")
    with pytest.raises(TerminalFailure, match="no batch could be loaded"):
        steps.run()
    assert {state.partition(": at")[0] for state in steps.files().values()} == {"seen: failed_together"}
    result: Any = steps.run()
    assert (result["loaded"], result["failed"]) == (2, [1])
    assert steps.rows() == [(0, "x"), (2, "z")]
    assert put_aside(steps) == {"b.csv", "b.csv.json"}
    states = steps.files()
    assert (states["a.csv"], states["c.csv"]) == ("loaded", "loaded")
    assert states["b.csv"].startswith("dead_lettered: failed: at try 1: BigQuery job")
    assert "too many days" in states["b.csv"]
    (failure,) = steps.failures
    assert "Dead letters" in str(failure)


def test_a_load_that_is_killed_after_it_was_tried_apart_and_tried_again_loads_the_neighbours_once(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    from landfall.gcp import landing
    from landfall.gcp.load import LoadBatches

    refuse(monkeypatch, lambda commit: f"NOT EXISTS (SELECT 1 FROM {commit._staged()} WHERE name = 'poison')")
    # As if all of them had failed together before: each is a batch of its own.
    take, execute = landing.take, LoadBatches.execute

    def failed_before(*given: Any, **more: Any) -> Any:
        taken = take(*given, **more)
        return replace(taken, failed=frozenset(file.file_id for file in taken.open))

    monkeypatch.setattr(landing, "take", failed_before)

    def twice(self: LoadBatches, context: Any) -> dict[str, Any]:
        with monkeypatch.context() as dying:
            dying.setattr("landfall.gcp.dead_letters.bury", _die)
            with pytest.raises(ConnectionAbortedError):
                execute(self, context)
        return execute(self, context)

    monkeypatch.setattr(LoadBatches, "execute", twice)
    for number, (name, text) in enumerate({"a": "x", "b": "poison", "c": "z"}.items()):
        steps.land(f"{name}.csv", f"{HEADER}{number},2026-01-01,{text}\n")
    result: Any = steps.run()
    assert (result["loaded"], result["failed"]) == (2, [1])
    assert steps.rows() == [(0, "x"), (2, "z")]
    assert put_aside(steps) == {"b.csv", "b.csv.json"}


def _die(*_: Any, **__: Any) -> None:
    raise ConnectionAbortedError("the process was killed")


def test_a_commit_that_fails_without_any_file_is_no_files_failure(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        refuse(patched, lambda _: "FALSE")
        steps.land("a.csv", f"{HEADER}1,2026-01-01,x\n")
        for _ in range(2):
            with pytest.raises(TerminalFailure, match="too many days"):
                steps.run()
            assert steps.files()["a.csv"].startswith("seen: given_up")
    assert put_aside(steps) == set()
    assert steps.run()
    assert steps.rows() == [(1, "x")]


def test_sets_of_one_day_are_loaded_together_or_not_at_all(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.write(tmp_path, complete="marker", mode="replace_partition", glob="*/*.csv")
    refuse(monkeypatch, lambda commit: f"NOT EXISTS (SELECT 1 FROM {commit._staged()} WHERE name = 'poison')")
    for number, (name, text) in enumerate({"first": "x", "second": "y", "third": "poison"}.items()):
        steps.land(f"{name}/a.csv", f"{HEADER}{number},2026-01-0{1 if number < 2 else 2},{text}\n")
        steps.land(f"{name}/_SUCCESS")
    with pytest.raises(TerminalFailure, match="too many days"):
        steps.run()
    assert steps.rows() == []
    assert {state.partition(":")[0] for state in steps.files().values()} == {"seen"}
    with pytest.raises(TerminalFailure, match="no batch could be loaded"):
        steps.run(prefix=f"{steps.name}/third/")
    assert put_aside(steps) == {"third/a.csv", "third/a.csv.json"}
    assert steps.run()
    assert steps.rows() == [(1, "y")]
    assert steps.files()["first/a.csv"].startswith("held: late: the newer set of")

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
from landfall.gcp.refused import MOST_LOADS, Loaded, is_common, load_apart
from tests.plugins.gcp.steps import HEADER, Steps, named_after


class Loads:
    """A warehouse that refuses some batches; `tried` are the batches of each load, `came` those that were loaded.

    Args:
        bad: batch number to why it is refused.
    """

    def __init__(self, bad: Mapping[int, str]) -> None:
        self.bad = bad
        self.tried: list[list[int]] = []
        self.came: list[int] = []

    def __call__(self, done: Mapping[int, str]) -> Loaded:
        self.tried.append(sorted(done))
        causes = [self.bad[number] for number in sorted(done) if number in self.bad]
        if causes:
            raise RefusedData(f"job {len(self.tried)}: {causes[0]}")
        self.came += sorted(done)
        return {"commit": f"c{len(self.tried)}", "left": 0, "loaded": len(done)}, []


@given(st.sets(st.integers(0, 30), min_size=1), st.sampled_from(["append", "merge"]), st.data())
def test_all_batches_are_loaded_but_those_whose_own_data_are_refused(
    numbers: set[int], mode: str, data: st.DataObject
) -> None:
    bad = data.draw(st.sets(st.sampled_from(sorted(numbers))))
    load = Loads({number: chr(ord("A") + number) for number in bad})
    apart = load_apart(load, dict.fromkeys(numbers, "m"), mode)
    assert (set(apart.refused), apart.untried) == (bad, [])
    assert load.came == sorted(numbers - bad), "of a key that two bring, the later stays"
    if apart.results:
        assert apart.result["loaded"] == len(numbers - bad)
    if not bad:
        assert load.tried == [sorted(numbers)], "it costs nothing where nothing is refused"


@pytest.mark.parametrize(("mode", "most"), [("append", 4), ("merge", MOST_LOADS)])
def test_a_common_cause_of_many_batches_is_soon_the_runs(mode: str, most: int) -> None:
    load = Loads(dict.fromkeys(range(1_000), "no column x"))
    with pytest.raises(RefusedData):
        load_apart(load, dict.fromkeys(range(1_000), "m"), mode)
    assert len(load.tried) == most


@given(st.sets(st.integers(0, 299)), st.sampled_from(["append", "merge"]))
def test_what_cannot_be_told_apart_soon_is_left_to_the_next_run(bad: set[int], mode: str) -> None:
    load = Loads({number: "x" * (number + 1) for number in bad})
    apart = load_apart(load, dict.fromkeys(range(300), "m"), mode)
    assert len(load.tried) <= MOST_LOADS
    assert set(apart.refused) <= bad
    assert sorted([*load.came, *apart.refused, *apart.untried]) == list(range(300))
    assert mode == "append" or load.came == sorted(load.came)


def test_files_with_the_same_cause_do_not_keep_their_neighbours_out() -> None:
    load = Loads(dict.fromkeys((0, 2, 4), "too many days"))
    assert set(load_apart(load, dict.fromkeys(range(5), "m"), "append").refused) == {0, 2, 4}
    assert load.came == [1, 3]


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
    load = Loads(dict(enumerate(causes)))
    if common:
        with pytest.raises(RefusedData):
            load_apart(load, dict.fromkeys(range(batches), "m"), "append")
        return
    assert set(load_apart(load, dict.fromkeys(range(batches), "m"), "append").refused) == set(range(len(causes)))


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
    causes = [cause.format(n=n, id=f"{n:032x}", word="ab"[n]) for n in (0, 1)]
    assert is_common(RefusedData(f"BigQuery job landfall-{n}: {said}") for n, said in enumerate(causes)) is common


@pytest.fixture
def steps(request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch) -> Steps:
    made = Steps(named_after(request))
    made.write(tmp_path, complete="none", mode="append", glob="**")
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    monkeypatch.setattr("landfall.gcp.selection.has_ended", lambda _context, _run_id: True)
    return made


def refuse(monkeypatch: pytest.MonkeyPatch, condition: Callable[[Commit], str]) -> None:
    """Have the warehouse itself refuse a commit, inside its transaction."""
    count = Commit._count
    monkeypatch.setattr(Commit, "_count", lambda self: f"{count(self)}\nASSERT {condition(self)} AS 'too many days';")


def test_a_file_that_the_warehouse_refuses_becomes_a_dead_letter_and_its_neighbours_load(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    from landfall.gcp import commit

    refuse(monkeypatch, lambda made: f"NOT EXISTS (SELECT 1 FROM {made._staged()} WHERE name = 'poison')")
    for number, (name, text) in enumerate({"a": "x", "b": "poison", "c": "z"}.items()):
        steps.land(f"{name}.csv", f"{HEADER}{number},2026-01-01,{text}\n")
    with pytest.raises(TerminalFailure, match="no batch could be loaded"):
        steps.run()
    assert {state.partition(": at")[0] for state in steps.files().values()} == {"seen: failed_together"}
    nothing, tried = commit.commit_nothing, list[str]()
    monkeypatch.setattr(commit, "commit_nothing", lambda site, made, run: (tried.append(run), nothing(site, made, run)))
    result: Any = steps.run()
    assert (result["loaded"], result["failed"]) == (2, [1])
    assert len(tried) == 1, "without any file it is tried once, however often files are refused"
    assert steps.rows() == [(0, "x"), (2, "z")]
    assert steps.put_aside() == {"b.csv", "b.csv.json"}
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

    refuse(monkeypatch, lambda made: f"NOT EXISTS (SELECT 1 FROM {made._staged()} WHERE name = 'poison')")
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
    assert steps.put_aside() == {"b.csv", "b.csv.json"}


def test_a_column_that_a_refused_load_added_is_told_about(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.land("old.csv", f"{HEADER}0,2026-01-01,x\n")
    assert steps.run()
    contract = tmp_path / steps.name / "contract.yaml"
    contract.write_text(f"{contract.read_text().rstrip()}\n      - {{name: extra, logicalType: string}}\n")
    refuse(monkeypatch, lambda made: f"NOT EXISTS (SELECT 1 FROM {made._staged()} WHERE name = 'poison')")
    for number, (name, text) in enumerate({"a": "x", "b": "poison", "c": "z"}.items()):
        steps.land(f"{name}.csv", f"id,day,name,extra\n{number},2026-01-01,{text},e\n")
    with pytest.raises(TerminalFailure, match="no batch could be loaded"):
        steps.run()
    steps.query(f"ALTER TABLE steps.{steps.name} DROP COLUMN extra")  # the first load of the next run adds it again
    result: Any = steps.run()
    assert (result["loaded"], result["failed"], result["added"]) == (2, [1], ["extra"])


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
    assert steps.put_aside() == set()
    assert steps.run()
    assert steps.rows() == [(1, "x")]


def test_sets_of_one_day_are_loaded_together_or_not_at_all(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.write(tmp_path, complete="marker", mode="replace_partition", glob="*/*.csv")
    refuse(monkeypatch, lambda made: f"NOT EXISTS (SELECT 1 FROM {made._staged()} WHERE name = 'poison')")
    for number, (name, text) in enumerate({"first": "x", "second": "y", "third": "poison"}.items()):
        steps.land(f"{name}/a.csv", f"{HEADER}{number},2026-01-0{1 if number < 2 else 2},{text}\n")
        steps.land(f"{name}/_SUCCESS")
    with pytest.raises(TerminalFailure, match="too many days"):
        steps.run()
    assert steps.rows() == []
    assert {state.partition(":")[0] for state in steps.files().values()} == {"seen"}
    with pytest.raises(TerminalFailure, match="no batch could be loaded"):
        steps.run(prefix=f"{steps.name}/third/")
    assert steps.put_aside() == {"third/a.csv", "third/a.csv.json"}
    assert steps.run()
    assert steps.rows() == [(1, "y")]
    assert steps.files()["first/a.csv"].startswith("held: late: the newer set of")

"""When a file has failed too often, and what its envelope says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from include.ledger.dead_letters import dead_letter_uri, envelope, failure_reason, is_due
from include.ledger.landing import Landed, pack
from include.ledger.plan import PlannedFile
from include.ledger.queries import REASON_TYPES, decide_sql, let_go_sql
from include.ledger.states import FileState
from include.ledger.taking import Known, Taken, take
from include.spec.pipeline import Load
from landfall.gcp.warehouse import Structs, Warehouse
from tests.ledger.bench import Bench


def landed(name: str) -> Landed:
    return Landed("landing", name, 1, 10, "AAAAAA==")


def known(item: Landed, failures: int, alone: int = 1, state: str = "seen") -> Known:
    return Known(item.file_id, item.name, item.generation, state, failures=failures, failures_alone=alone)


def taken(files: list[Landed], ledger: list[Known], mode: str = "append", *, force: bool = False) -> Taken:
    load = Load.model_validate({"table": "d.t", "mode": mode})
    return take(files, ledger, load, run_id="own", lease=9, ended=lambda _: True, force=force, attempts=2)


@pytest.mark.parametrize(
    ("failures", "alone", "attempts", "due"),
    [(1, 1, 2, False), (2, 1, 2, True), (3, 3, 2, True), (2, 0, 2, False), (1, 1, 1, True), (9, 9, 0, False)],
)
def test_a_file_is_due_after_so_many_runs_one_of_them_alone(
    failures: int, alone: int, attempts: int, due: bool
) -> None:
    assert is_due(known(landed("a"), failures, alone), attempts) is due


def test_a_file_that_the_ledger_does_not_know_is_not_due() -> None:
    assert not is_due(None, 1)


def test_no_run_takes_a_file_that_is_due_and_its_neighbours_do_not_wait() -> None:
    a, b = landed("a"), landed("b")
    found = taken([a, b], [known(a, 2)])
    assert (found.open, found.dead) == ((b,), (a,))


def test_a_file_that_has_failed_before_is_taken_and_known_as_such() -> None:
    a, b = landed("a"), landed("b")
    found = taken([a, b], [known(a, 1)])
    assert (found.open, found.failed, found.dead) == ((a, b), {a.file_id}, ())


def test_a_dead_letter_that_was_not_moved_away_is_found() -> None:
    a = landed("a")
    assert taken([a], [known(a, 2, state="dead_lettered")]).dead == (a,)


def test_a_person_who_forces_takes_a_file_that_is_due() -> None:
    a = landed("a")
    assert taken([a], [known(a, 9)], force=True).open == (a,)


def test_a_set_in_which_a_file_was_mended_is_tried_again_as_a_whole() -> None:
    a, b, other = landed("1/a"), landed("1/b"), landed("2/a")
    found = taken([a, b, other], [known(a, 2), known(other, 2)], "replace_partition")
    assert (found.open, found.dead) == ((a, b), (other,))


def test_a_file_that_failed_before_gets_a_batch_of_its_own_in_its_place() -> None:
    files = [landed(name) for name in "abcde"]
    alone = {files[1].file_id, files[2].file_id}
    batches = pack(files, max_bytes=999, max_files=9, by_folder=False, alone=alone)
    assert [[item.name for item in batch] for batch in batches] == [["a"], ["b"], ["c"], ["d", "e"]]


def test_the_envelope_says_why_what_was_tried_and_how_to_retry() -> None:
    file = PlannedFile(file_id="f" * 32, bucket="in", name="x/a.csv", generation=7, size=9, checksum="AAAAAA==")
    uri = dead_letter_uri("archive", "orders", file)
    assert uri == "gs://archive/orders/dead-letter/7/x/a.csv"
    when = datetime(2026, 1, 1, tzinfo=UTC)
    reason = failure_reason("bad_rule:\n filter", tries=3, alone=True)
    rows = [{"run_id": "r1", "batch_id": "b1", "reason": reason, "at": when}]
    said = json.loads(envelope("orders", file, rows, uri=uri, when=when))
    assert said["why"] == "failed: at try 3: bad_rule: filter"
    assert said["tried"] == [{"run_id": "r1", "batch_id": "b1", "at": when.isoformat(), "message": said["why"]}]
    assert said["how_to_retry"]["command"] == f"landfall retry {'f' * 32} --dataset orders"
    assert (said["file"]["generation"], said["lies_at"]) == (7, uri)


def said(bench: Bench, run: str, reason: str) -> dict[str, Any]:
    files = Structs(REASON_TYPES, [{"file_id": "a.csv@1", "why": reason}])
    return {"dataset": bench.dataset.name, "run_id": run, "files": files}


def test_the_ledger_counts_runs_that_failed_and_decides_only_what_is_legal(warehouse: Warehouse) -> None:
    bench = Bench(warehouse, "append")
    for run, reason in (
        ("one", "failed_together: at try 1: x"),
        ("two", "failed: at try 1: x"),
        ("three", "given_up: y"),
    ):
        bench.event("a.csv", "planned", run=run)
        for _ in range(2):  # a task that is tried again says it again
            warehouse.query(let_go_sql(bench.ledger), said(bench, run, reason))
    item = bench.known("a.csv")["a.csv@1"]
    assert (item.state, item.holder, item.failures, item.failures_alone) == ("seen", None, 2, 1)
    warehouse.query(decide_sql(bench.ledger, FileState.RELEASED), said(bench, "person", "released: no"))
    assert bench.states() == {"a.csv@1": "seen"}, "it is not held"
    warehouse.query(decide_sql(bench.ledger, FileState.DEAD_LETTERED), said(bench, "three", "failed: x"))
    assert bench.states() == {"a.csv@1": "dead_lettered"}

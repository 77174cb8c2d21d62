"""Quarantined records are replayed under today's contract."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from landfall.compat import AirflowSkipException
from landfall.errors import TerminalFailure
from tests.plugins.gcp.replay.replays import DAY, FIRST, LONG, LOOSE, MODES, Replays
from tests.plugins.gcp.steps import CONTRACT


@MODES
def test_exactly_what_passes_is_loaded_and_only_once(replays: Callable[..., Replays], mode: str) -> None:
    case = replays(mode)
    case.ingest("s/a.csv", *FIRST)
    assert (case.rows(), case.open()) == ([(1, "good")], [1, 2, 3])
    case.amend()
    report = case.replay()
    assert {name: count for name, count in report["outcomes"].items() if count} == {"loaded": 2, "quarantined": 1}
    assert sorted(report["rules"].values(), key=str) == [{"loaded": 2}, {"quarantined": 1}]
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG)]
    assert case.open() == [2]
    found = case.query(f"SELECT DISTINCT _landfall_file_id AS f, _landfall_record AS r FROM steps.{case.name}")
    assert (len({row["f"] for row in found}), sorted(row["r"] for row in found)) == (1, [0, 1, 3])
    assert case.outcomes() == {"quarantined": 1}
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG)]


def test_a_dry_run_says_what_would_be_and_changes_nothing(replays: Callable[..., Replays]) -> None:
    case = replays()
    case.ingest("a.csv", *FIRST)
    case.amend()
    before = case.ledger()
    report = case.replay(dry_run=True)
    assert {name: count for name, count in report["outcomes"].items() if count} == {"loaded": 2, "quarantined": 1}
    samples = {(sample["outcome"], sample["record"], sample["line"]) for sample in report["samples"]}
    assert samples == {("loaded", 1, 3), ("quarantined", 2, 4), ("loaded", 3, 5)}
    assert LONG in next(sample["text"] for sample in report["samples"])
    assert case.ledger() == before
    assert case.outcomes() == {"loaded": 2, "quarantined": 1}


def test_in_a_merge_the_newer_row_wins(replays: Callable[..., Replays]) -> None:
    case = replays("merge")
    case.ingest("a.csv", (1, DAY, "oldest"), (2, DAY, "oldest"), (5, DAY, "first"), (5, DAY, LONG))
    case.ingest("b.csv", (1, DAY, LONG), (2, DAY, LONG))
    case.ingest("c.csv", (2, DAY, "newest"))
    case.amend()
    assert case.outcomes() == {"loaded": 2, "superseded": 1}
    assert case.rows() == [(1, LONG), (2, "newest"), (5, LONG)]
    assert case.open() == []


def test_of_two_replayed_records_with_one_key_the_later_files_wins(replays: Callable[..., Replays]) -> None:
    case = replays("merge")
    case.ingest("b.csv", (1, DAY, f"{LONG} b"))
    case.ingest("a.csv", (1, DAY, f"{LONG} a"))
    case.amend()
    assert case.outcomes() == {"loaded": 1, "superseded": 1}
    assert case.rows() == [(1, f"{LONG} a")]


def test_a_record_is_not_added_to_a_day_that_a_newer_set_replaced(replays: Callable[..., Replays]) -> None:
    case = replays("replace_partition")
    case.ingest("one/a.csv", *FIRST)
    case.ingest("two/a.csv", (7, DAY, "other"))
    case.amend()
    assert case.outcomes() == {"loaded": 1, "superseded": 1, "quarantined": 1}
    assert case.rows() == [(4, LONG), (7, "other")]


def test_what_would_have_been_a_duplicate_in_its_batch_is_one(replays: Callable[..., Replays]) -> None:
    case = replays()
    case.ingest("a.csv", (1, DAY, "good"), (1, DAY, LONG))
    case.ingest("b.csv", (1, DAY, LONG))
    case.amend()
    assert case.outcomes() == {"duplicate": 1, "loaded": 1}
    assert case.rows() == [(1, LONG), (1, "good")]


def test_records_are_chosen_by_file_rule_column_and_time(replays: Callable[..., Replays]) -> None:
    case = replays()
    case.ingest("a.csv", *FIRST)
    case.ingest("sub/b.csv", ("y", "no day", "z"))
    chosen = [
        ({"file": "b.csv"}, 1), ({"file": f"{case.name}/a.csv"}, 3), ({"rule": "type"}, 2), ({"rule": "type.day"}, 1),
        ({"column": "name"}, 2), ({"limit": 2}, 2), ({"since": "2020-01-01T00:00:00Z"}, 4),
        ({"file": "a.csv", "rule": "type", "column": "id"}, 1),
    ]  # fmt: skip
    assert [(choice, case.replay(dry_run=True, **choice)["chosen"]) for choice, _ in chosen] == chosen
    for nothing in ({"until": "2020-01-01T00:00:00Z"}, {"since": "2999-01-01T00:00:00Z"}, {"file": "z.csv"}):
        with pytest.raises(AirflowSkipException, match="no open quarantined record"):
            case.replay(**nothing)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"dataset": None}, "dataset: Field required"),
        ({"dataset": "nowhere"}, "there is no dataset 'nowhere'"),
        ({"since": "2026-01-01T00:00:00"}, "since: Input should have timezone info"),
        ({"limit": 0}, "limit: "),
    ],
)
def test_a_form_that_cannot_be_meant_is_refused(
    replays: Callable[..., Replays], choice: dict[str, Any], said: str
) -> None:
    with pytest.raises(TerminalFailure, match=said):
        replays().replay(**choice)


def test_a_record_that_todays_format_does_not_find_stays_open(replays: Callable[..., Replays]) -> None:
    case = replays()
    case.land("a.csv", "id,day,name\n1,2026-01-01,good\nbad\n")
    assert case.run()
    path = case.root / case.name / "pipeline.yaml"
    path.write_text(path.read_text().replace("{type: csv}", "{type: csv, comment: b}"))
    assert case.outcomes() == {"not_found": 1}
    assert case.open() == [1]


def test_masked_values_are_neither_in_a_report_nor_in_the_ledger(replays: Callable[..., Replays]) -> None:
    case = replays()
    case.amend(CONTRACT, mask={"name": "sha256"})
    case.ingest("a.csv", *FIRST)
    assert case.open() == [1, 2, 3]
    case.amend(LOOSE)
    report = case.replay(dry_run=True)
    assert report["outcomes"]["loaded"] == 2
    assert LONG not in json.dumps(report)
    assert case.outcomes() == {"loaded": 2, "quarantined": 1}
    assert all(re.fullmatch("[0-9a-f]{64}", name) for _, name in case.rows())
    assert LONG not in str(case.ledger())


def test_rows_that_a_replay_brought_are_reconciled_with_those_that_were_loaded(
    replays: Callable[..., Replays],
) -> None:
    from landfall.gcp.verify import VerifyLoad

    case = replays()
    case.ingest("a.csv", *FIRST)
    case.amend()
    assert case.outcomes()["loaded"] == 2
    (row,) = case.query("SELECT run_id FROM landfall_ops.files_current WHERE dataset = @d", {"d": case.name})
    verify = VerifyLoad(task_id="verify", dataset=case.name)
    assert verify.execute({"run_id": row["run_id"]}) == {}  # type: ignore[arg-type]
    case.query(f"DELETE FROM steps.{case.name} WHERE _landfall_record = 1")
    with pytest.raises(TerminalFailure, match="3 records were loaded, the table holds 2"):
        verify.execute({"run_id": row["run_id"]})  # type: ignore[arg-type]


def test_the_batches_account_for_what_was_replayed(replays: Callable[..., Replays]) -> None:
    case = replays()
    case.ingest("a.csv", *FIRST)
    case.amend(filter="id != 4")
    assert case.outcomes() == {"loaded": 1, "filtered": 1, "quarantined": 1}
    (row,) = case.query(
        "SELECT files, records, loaded, filtered, duplicates, quarantined FROM landfall_ops.batches"
        " WHERE dataset = @d AND mode = 'replay'", {"d": case.name},
    )  # fmt: skip
    assert row == {"files": 1, "records": 3, "loaded": 1, "filtered": 1, "duplicates": 0, "quarantined": 1}


def test_files_that_are_held_as_a_whole_are_shown_and_on_demand_released(replays: Callable[..., Replays]) -> None:
    case = replays()
    case.ingest("a.csv", *FIRST)
    path = case.root / case.name / "pipeline.yaml"
    path.write_text(path.read_text().replace("100%", "1%"))
    case.ingest("b.csv", (8, DAY, "good"), (9, DAY, LONG))
    case.amend()
    report = case.replay(dry_run=True, whole_files=True)
    assert [file["state"] for file in report["whole_files"]] == ["held"]
    assert case.files()["b.csv"].startswith("held")
    with pytest.raises(AirflowSkipException):
        case.replay(file="b.csv", rule="wrong_format", whole_files=True)
    assert case.files()["b.csv"].startswith("held")
    assert case.replay(whole_files=True)["whole_files"] == []
    assert case.files()["b.csv"].startswith("released")
    assert case.run()
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG), (8, "good"), (9, LONG)]

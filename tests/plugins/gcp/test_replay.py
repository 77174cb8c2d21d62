"""Quarantined records are replayed under today's contract: once, whatever else goes on."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from landfall.compat import AirflowSkipException
from landfall.errors import TerminalFailure
from landfall.gcp import warehouse
from tests.plugins.gcp.steps import CONTRACT, Steps

# As it is outside of tests: each of several that race has its turn.
RACE_BACKOFF = warehouse._RACE_BACKOFF
LONG = "a name of more than twenty letters"
LOOSE = CONTRACT.replace("maxLength: 20", "maxLength: 60")
MODES = pytest.mark.parametrize(
    "mode", ["merge", *(pytest.param(mode, marks=pytest.mark.fire) for mode in ("append", "replace_partition"))]
)


class Replays(Steps):
    """A dataset whose contract refuses long names until it is mended."""

    root: Path
    _number = 0

    def begin(self, root: Path, mode: str, more: str = "") -> None:
        self.root = root
        complete = "marker" if mode == "replace_partition" else "none"
        self.write(root, complete=complete, mode=mode, glob="**", more=more)
        path = root / self.name / "pipeline.yaml"
        path.write_text(path.read_text() + "tolerate: {quarantined: 100%}\n")

    def amend(self, contract: str = LOOSE, **pipeline: Any) -> None:
        """Put another contract in the place of the first, and keys into the pipeline."""
        (self.root / self.name / "contract.yaml").write_text(contract)
        path = self.root / self.name / "pipeline.yaml"
        path.write_text(path.read_text() + "".join(f"{key}: {json.dumps(value)}\n" for key, value in pipeline.items()))

    def ingest(self, name: str, *items: tuple[Any, str, str], **params: Any) -> None:
        self.land(name, "id,day,name\n" + "".join(f"{key},{day},{text}\n" for key, day, text in items))
        if "/" in name:
            self.land(f"{name.rpartition('/')[0]}/_SUCCESS")
        assert self.run(**params)

    def replay(self, *, dry_run: bool = False, between: Callable[[], Any] | None = None, **choice: Any) -> Any:
        """Run a replay's tasks; returns the report."""
        from landfall.gcp.replay_tasks import CommitReplay, SelectRecords
        from landfall.gcp.storage import Storage
        from landfall.gcp.transform import TransformBatch

        Replays._number += 1
        results: dict[str, Any] = {}
        ti = SimpleNamespace(xcom_pull=lambda task_ids: results[task_ids], try_number=1)
        params = {"dataset": self.name, "dry_run": dry_run, **choice}
        context: Any = {"run_id": f"replay{Replays._number}", "params": params, "ti": ti}
        results["select"] = SelectRecords(task_id="select").execute(context)
        done = [
            TransformBatch(task_id="transform", dataset=self.name, batch=batch).execute(context)
            for batch in results["select"]
        ]
        if between:
            between()
        committed = CommitReplay(task_id="commit", dataset=self.name, manifests=done).execute(context)
        return json.loads(Storage("google_cloud_default").read(committed["report"]))

    def outcomes(self, **choice: Any) -> dict[str, int]:
        return {name: count for name, count in self.replay(**choice)["outcomes"].items() if count}

    def open(self) -> list[int]:
        rows = self.query(
            "SELECT record FROM landfall_ops.quarantine_open WHERE dataset = @dataset ORDER BY name, record",
            {"dataset": self.name},
        )
        return [row["record"] for row in rows]

    def ledger(self) -> list[tuple[Any, ...]]:
        """All that a replay may write to, but for what it decides."""
        return [
            (table, tuple(sorted(map(str, self.query(f"SELECT * FROM {table} {where}", {"dataset": self.name})))))
            for table, where in (
                (f"steps.{self.name}", ""),
                *((f"landfall_ops.{name}", "WHERE dataset = @dataset") for name in
                  ("files", "batches", "quarantine", "replays")),
            )
        ]  # fmt: skip


@pytest.fixture
def replays(
    request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Replays]:
    from google.cloud import storage

    from landfall.gcp.warehouse import Warehouse

    def make(mode: str = "append", more: str = "") -> Replays:
        test, _, case = request.node.name.partition("[")
        name = re.sub(r"\W+", "_", f"{test[5:45]}_{case[:20].lower()}").rstrip("_")
        bucket = storage.Client(project="landfall-local").bucket("landfall-landing")
        for blob in bucket.client.list_blobs(bucket, prefix=f"{name}/"):
            blob.delete()
        made = Replays(name, bucket, Warehouse("google_cloud_default", "landfall-local", "US").query)
        made.begin(tmp_path, mode, more)
        monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
        monkeypatch.setattr("landfall.gcp.selection.has_ended", lambda _context, _run_id: True)
        return made

    return make


DAY, OTHER = "2026-01-01", "2026-01-02"
FIRST = ((1, DAY, "good"), (2, DAY, LONG), ("x", DAY, "bad"), (4, OTHER, LONG))


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


@MODES
def test_a_redelivery_that_is_faster_ends_a_replay(replays: Callable[..., Replays], mode: str) -> None:
    case = replays(mode)
    case.ingest("s/a.csv", *FIRST)
    case.amend()
    case.land("s/a.csv", "")  # nothing of it is taken before it is whole
    report = case.replay(between=lambda: case.ingest("s/a.csv", (2, DAY, "new"), (4, OTHER, LONG)))
    assert {name: count for name, count in report["outcomes"].items() if count} == {"superseded": 3}
    assert case.rows() == [*([(1, "good")] if mode == "merge" else []), (2, "new"), (4, LONG)]
    assert case.open() == []


@MODES
def test_a_redelivery_after_a_replay_takes_its_rows_out(replays: Callable[..., Replays], mode: str) -> None:
    case = replays(mode)
    case.ingest("s/a.csv", *FIRST)
    case.amend()
    assert case.outcomes()["loaded"] == 2
    case.ingest("s/a.csv", (2, DAY, "new"), (4, OTHER, LONG))
    assert case.rows() == [*([(1, "good")] if mode == "merge" else []), (2, "new"), (4, LONG)]


@pytest.mark.parametrize("mode", ["merge", pytest.param("append", marks=pytest.mark.fire)])
def test_a_file_that_is_loaded_again_is_decided_anew(replays: Callable[..., Replays], mode: str) -> None:
    case = replays(mode)
    case.ingest("a.csv", *FIRST, archived=False)
    case.amend()
    assert case.outcomes()["loaded"] == 2
    assert case.run(force=True)
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG)]
    assert case.open() == [2]
    assert case.outcomes() == {"quarantined": 1}


def test_two_replays_that_overlap_load_a_record_once(replays: Callable[..., Replays]) -> None:
    case = replays()
    case.ingest("a.csv", *FIRST)
    case.amend()
    report = case.replay(between=lambda: case.replay(limit=2))
    assert {name: count for name, count in report["outcomes"].items() if count} == {"loaded": 1, "quarantined": 1}
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG)]


def test_a_task_that_is_tried_again_finds_its_work_done(replays: Callable[..., Replays]) -> None:
    from landfall.gcp.landing import Site
    from landfall.gcp.replay import plan_replay, settle_replay
    from landfall.gcp.replay_tasks import read_choice
    from landfall.gcp.transform import transform_batch

    case = replays()
    case.ingest("a.csv", *FIRST)
    case.amend()
    site = Site.of(case.name)
    plan = plan_replay(site, read_choice({"dataset": case.name}), run_id="r", dry_run=False)
    assert plan
    manifests = {0: transform_batch(site, plan, plan.batches[0], 1)["manifest"]}
    first = settle_replay(site, plan, manifests)
    before = case.ledger()
    assert settle_replay(site, plan, manifests) == first
    assert case.ledger() == before
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG)]


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


def test_a_file_that_was_not_archived_yet_is_read_where_it_landed_and_one_that_is_gone_is_named(
    replays: Callable[..., Replays],
) -> None:
    case = replays()
    case.ingest("a.csv", *FIRST)
    case.land("b.csv", "id,day,name\n9,2026-01-01," + LONG)
    assert case.run(archived=False)
    case.amend()
    for blob in case.bucket.client.list_blobs("landfall-archive", prefix=f"{case.name}/"):
        blob.delete()
    # Of a file that an earlier release loaded, the ledger has no header.
    case.query("UPDATE landfall_ops.files SET opening = NULL WHERE dataset = @d", {"d": case.name})
    report = case.replay()
    (lost,) = report["lost"]
    assert (report["outcomes"]["loaded"], lost["records"]) == (1, [1, 2, 3])
    assert "does not have the header" in lost["why"]
    assert case.rows() == [(1, "good"), (9, LONG)]
    assert case.open() == [1, 2, 3]
    with pytest.raises(TerminalFailure, match=r"the header of its file.* Land the files again"):
        case.replay()


def forget_files(case: Replays) -> None:
    for bucket in ("landfall-archive", "landfall-landing"):
        for blob in case.bucket.client.list_blobs(bucket, prefix=f"{case.name}/"):
            blob.delete()


@MODES
def test_records_whose_file_is_gone_are_replayed_from_what_the_quarantine_kept(
    replays: Callable[..., Replays], mode: str
) -> None:
    from landfall.gcp.replay import complaints

    case = replays(mode)
    case.ingest("s/a.csv", *FIRST)
    case.ingest("t/b.csv", (7, "2026-01-07", "good"), (8, "2026-01-08", LONG))
    case.amend()
    with_files = case.replay(dry_run=True)
    forget_files(case)
    report = case.replay(dry_run=True)
    assert (report["outcomes"], report["rules"]) == (with_files["outcomes"], with_files["rules"])
    assert sorted(report["restored"].values()) == [1, 3]
    assert case.outcomes() == {"loaded": 3, "quarantined": 1}
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG), (7, "good"), (8, LONG)]
    assert case.open() == [2]
    again = case.replay()
    assert (again["outcomes"]["quarantined"], complaints(again)) == (1, [])
    places = "SELECT DISTINCT line, byte_offset FROM landfall_ops.quarantine WHERE dataset = @d AND record = 2"
    assert len(case.query(places, {"d": case.name})) == 1, "it keeps the place that it had in its file"


def test_a_record_too_long_for_the_quarantine_is_named_and_costs_no_other_its_replay(
    replays: Callable[..., Replays],
) -> None:
    from landfall.gcp.replay import complaints

    case = replays()
    case.ingest("a.csv", *FIRST, (5, "2026-01-05", "x" * 70_000))
    case.amend(CONTRACT.replace("maxLength: 20", "maxLength: 100000"))
    forget_files(case)
    report = case.replay()
    assert (report["outcomes"]["loaded"], report["lost"][0]["records"]) == (2, [4])
    (complaint,) = complaints(report)
    assert "1 records of it (4) cannot be read from the quarantine: it is longer than 65,536 bytes" in complaint
    assert case.open() == [2, 4]


def test_what_was_encrypted_is_restored_under_its_key_and_a_key_that_is_gone_is_named(
    replays: Callable[..., Replays],
) -> None:
    case = replays()
    case.amend(CONTRACT, mask={"name": "sha256"})
    case.ingest("a.csv", *FIRST)
    case.amend(LOOSE)
    forget_files(case)
    lock = "UPDATE landfall_ops.quarantine SET key_id = '{}' WHERE dataset = @d AND record = 1"
    (row,) = case.query(
        "SELECT key_id FROM landfall_ops.quarantine WHERE dataset = @d AND record = 1", {"d": case.name}
    )
    case.query(lock.format("00000000"), {"d": case.name})
    report = case.replay(dry_run=True)
    assert (report["outcomes"]["loaded"], report["outcomes"]["quarantined"]) == (1, 1)
    assert "key 00000000" in report["lost"][0]["why"]
    case.query(lock.format(row["key_id"]), {"d": case.name})
    report = case.replay()
    assert report["outcomes"]["loaded"] == 2
    assert LONG not in json.dumps(report)
    assert all(re.fullmatch("[0-9a-f]{64}", name) for _, name in case.rows())


def test_what_does_not_fit_into_one_replay_is_left_to_the_next(
    replays: Callable[..., Replays], monkeypatch: pytest.MonkeyPatch
) -> None:
    from landfall.gcp import replay

    case = replays()
    case.ingest("a.csv", *FIRST)
    case.amend()
    forget_files(case)
    monkeypatch.setattr(replay, "_MOST_KEPT", 0)
    with pytest.raises(AirflowSkipException, match="no open quarantined record"):
        case.replay()
    monkeypatch.setattr(replay, "_MOST_KEPT", 100)
    report = case.replay()
    assert report["later"] > 0
    assert report["chosen"] == 3
    before = case.open()
    monkeypatch.setattr(replay, "_MOST_KEPT", 32_000_000)
    case.replay()
    assert (len(before), case.open()) == (report["later"] + report["outcomes"]["quarantined"], [2])


def test_what_cannot_be_read_takes_no_room_from_what_can(
    replays: Callable[..., Replays], monkeypatch: pytest.MonkeyPatch
) -> None:
    from landfall.gcp import replay

    case = replays()
    case.ingest("a.csv", (1, DAY, LONG), (2, DAY, LONG))
    case.ingest("b.csv", (3, DAY, LONG), (4, DAY, LONG))
    case.amend()
    forget_files(case)
    old = "UPDATE landfall_ops.files SET opening = NULL WHERE dataset = @d AND ENDS_WITH(name, 'a.csv')"
    case.query(old, {"d": case.name})
    monkeypatch.setattr(replay, "_MOST_KEPT_RECORDS", 1)
    for loaded, later in ((1, 1), (1, 0)):
        report = case.replay()
        assert (report["outcomes"]["loaded"], report["later"]) == (loaded, later)
        assert [item["records"] for item in report["lost"]] == [[0, 1]]
    assert case.rows() == [(3, LONG), (4, LONG)]


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


@pytest.mark.parametrize(
    "place", ["plan.plan.after", "load.stage.after", "replay.commit.before", "replay.commit.after"]
)
def test_a_replay_that_is_killed_and_repeated_loads_once(
    replays: Callable[..., Replays], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    from include import crashpoints
    from tests.faults.driver import armed, in_process

    case = replays()
    case.ingest("a.csv", *FIRST)
    case.amend()
    bombs = tmp_path / "bombs"
    bombs.mkdir()
    monkeypatch.setattr(crashpoints, "_FOLDER", str(bombs))
    with armed(bombs, place):
        assert in_process(case.replay, tmp_path / "log").how == "killed"
    if place == "replay.commit.after":
        assert case.open() == [2]
    else:
        assert case.open() == [1, 2, 3]
    assert case.outcomes()["quarantined"] == 1
    assert case.rows() == [(1, "good"), (2, LONG), (4, LONG)]
    assert case.open() == [2]


@MODES
def test_replays_and_a_redelivery_that_commit_at_once_bring_each_record_once(
    replays: Callable[..., Replays], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    from landfall.gcp.landing import Site
    from landfall.gcp.replay import plan_replay, settle_replay
    from landfall.gcp.replay_tasks import read_choice
    from landfall.gcp.transform import transform_batch

    case = replays(mode)
    case.ingest("s/a.csv", *FIRST)
    case.ingest("t/b.csv", (7, "2026-01-07", "good"), (8, "2026-01-08", LONG))
    case.amend()
    work: list[Callable[[], Any]] = []
    for choice in ({}, {"limit": 1}, {"limit": 3}, {"file": "b.csv"}):
        site = Site.of(case.name)
        plan = plan_replay(site, read_choice({"dataset": case.name, **choice}), run_id=str(choice), dry_run=False)
        assert plan
        uris = {batch.number: transform_batch(site, plan, batch, 1)["manifest"] for batch in plan.batches}
        work.append(functools.partial(settle_replay, site, plan, uris))
    work.insert(2, functools.partial(case.ingest, "s/a.csv", (2, DAY, "new"), (5, OTHER, LONG)))
    monkeypatch.setattr(warehouse, "_RACE_BACKOFF", RACE_BACKOFF)
    with ThreadPoolExecutor(len(work)) as pool:
        list(pool.map(lambda act: act(), work))
    old = [(1, "good"), (4, LONG)] if mode == "merge" else []
    rows = [row for row in case.rows() if row not in old]
    assert rows == [(2, "new"), (5, LONG), (7, "good"), (8, LONG)]
    assert case.open() == []
    settled = case.query(
        "SELECT file_id, record, COUNT(*) AS n FROM landfall_ops.replays WHERE dataset = @d"
        " AND outcome != 'quarantined' GROUP BY file_id, record HAVING COUNT(*) > 1", {"d": case.name},
    )  # fmt: skip
    assert settled == []

"""What a replay plans and tells, from rows as the ledger gives them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.engine.account import FileAccount, Manifest, Opening
from include.functions.protocol import Selection
from include.ledger import accounts, replay_plan
from include.ledger.choice import Choice
from include.ledger.landing import Landed
from include.ledger.left_over import Left, left_over
from include.ledger.plan import Plan
from include.ledger.replay_plan import make_replay_plan, open_files, rule_names
from include.ledger.replay_report import file_rows, make_report
from include.spec.dataset import CONTRACT, PIPELINE, build_dataset

TEXT = b"{kind: DataContract, apiVersion: v3.1.0, id: t, version: 1.0.0, status: active, schema: [{name: t, properties:"
DATASET = build_dataset("t", {
    CONTRACT: TEXT + b" [{name: a, logicalType: string}]}]}",
    PIPELINE: b'{source: {uri: "gs://{landing}/t/*"}, format: {type: csv}, load: {table: a.t, mode: append}}',
})  # fmt: skip


def row(name: str, record: int, of_batch: str = "b1", *rules: tuple[str, str | None]) -> dict[str, Any]:
    landed = Landed("b", name, 7, 10, "c")
    reasons = [{"rule": rule, "column": column, "message": "m"} for rule, column in rules or [("type", "a")]]
    return {"file_id": landed.file_id, "bucket": "b", "name": name, "generation": 7, "checksum": "c", "size": 10,
            "of_batch": of_batch, "record": record, "byte_offset": 10 * record,
            "reasons": json.dumps(reasons)}  # fmt: skip


def plan(
    rows: list[dict[str, Any]],
    kept: list[bytes],
    gone: tuple[str, ...] = (),
    run: str = "r",
    left: dict[str, Left] | None = None,
) -> Plan:
    files = open_files(rows)

    def keep(content: bytes) -> str:
        kept.append(content)
        return f"gs://work/{len(kept)}"

    where = {f.landed.file_id: Landed("archive", f.landed.name, 8, 10, "c") for f in files if f.landed.name not in gone}
    return make_replay_plan(DATASET, files, where, run_id=run, dry_run=False, choice=Choice(dataset="t"),
                            references={}, engine="e", keys={}, keep=keep, left=left or {})  # fmt: skip


def test_a_rule_is_named_with_its_column_once() -> None:
    reasons = [("type", "a"), ("clean.a", "a"), ("type", "a"), ("malformed", None)]
    assert rule_names(row("n", 1, "b", *reasons)["reasons"]) == ("type.a", "clean.a", "malformed")


def test_records_of_one_original_batch_are_read_together_and_of_two_never() -> None:
    kept: list[bytes] = []
    made = plan([row("x", 1), row("x", 2), row("y", 0), row("z", 5, "b2")], kept)
    assert [[file.name for file in batch.files] for batch in made.batches] == [["x", "y"], ["z"]]
    assert [batch.chosen for batch in made.batches] == ["gs://work/1", "gs://work/2"]
    first = json.loads(kept[0])["files"]
    assert sorted(first.values()) == [[[0, 0]], [[1, 10], [2, 20]]]
    assert {file.bucket for file in made.files} == {"archive"}
    assert all(file.file_id == Landed("b", file.name, 7, 10, "c").file_id for file in made.files)


@given(st.permutations([("x", 1), ("x", 2), ("x", 3)]), st.text(min_size=1))
def test_the_same_choice_gives_the_same_batch_whoever_makes_it(order: list[tuple[str, int]], run: str) -> None:
    (one,) = plan([row("x", 1), row("x", 2), row("x", 3)], []).batches
    (other,) = plan([row(*item) for item in order], [], run=run).batches
    assert one == other


@pytest.mark.parametrize("other", [[row("x", 1)], [row("x", 1, "b2"), row("x", 2, "b2")], [row("x", 1), row("x", 3)]])
def test_another_choice_or_another_load_gives_another_batch(other: list[dict[str, Any]]) -> None:
    (one,) = plan([row("x", 1), row("x", 2)], []).batches
    assert plan(other, []).batches[0].batch_id != one.batch_id


def test_what_is_gone_and_what_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_plan, "MAX_BATCHES", 1)
    left = left_over(DATASET, {Landed("b", "x", 7, 10, "c").file_id: [1]}, [kept_row("x", 1, opening=None)])
    made = plan([row("x", 1), row("y", 1, "b2"), row("z", 1, "b3"), row("z", 2, "b3")], [], gone=("x",), left=left)
    assert made.replay
    assert (made.replay.gone, made.replay.later) == ({"gs://b/x": 1}, 2)
    assert [file.uri for file in made.replay.files] == ["gs://b/y"]
    report = make_report(made, "id", {}, [], [])
    assert (report["chosen"], report["failed"]) == (4, ["gs://b/y"])
    assert [(item["uri"], item["records"]) for item in report["lost"]] == [("gs://b/x", [1])]


def kept_row(name: str, record: int, **changed: Any) -> dict[str, Any]:
    opening = json.dumps({"encoding": "utf-8", "header": "YQ=="})
    return {"file_id": row(name, record)["file_id"], "record": record, "line": record + 1, "byte_length": 3,
            "raw": b"raw", "key_id": None, "opening": opening} | changed  # fmt: skip


def test_a_file_that_is_gone_is_read_as_far_as_the_quarantine_has_it() -> None:
    kept: list[bytes] = []
    rows = [row("x", 1), row("x", 2), row("x", 3), row("x", 4), row("y", 1)]
    x, y = (Landed("b", name, 7, 10, "c").file_id for name in "xy")
    found = [kept_row("x", 1), kept_row("x", 2, raw=None, byte_length=70_000), kept_row("x", 3, raw=None)]
    left = left_over(DATASET, {x: [1, 2, 3, 4], y: [1]}, [*found, kept_row("y", 1, opening=None)])
    made = plan(rows, kept, gone=("x", "y"), left=left)
    assert made.replay
    assert [(file.uri, file.records, file.gone) for file in made.replay.files] == [("gs://b/x", (1,), True)]
    assert (made.replay.gone, made.replay.later) == ({"gs://b/x": 2, "gs://b/y": 1}, 1)
    assert [file.uri for file in made.files] == ["gs://b/x"]
    (selection,) = (Selection.model_validate_json(content) for content in kept)
    (record,) = selection.kept[x].records
    assert (record.number, record.line, record.raw, record.key) == (1, 2, "cmF3", None)
    assert make_report(made, "id", {}, [], [])["chosen"] == 5


def test_what_cannot_be_read_is_lost_as_a_whole_and_what_does_not_fit_waits() -> None:
    numbers = {kept_row(name, 1)["file_id"]: [1, 2] for name in "xyz"}
    rows = [kept_row("x", 1, opening=None, raw=None), kept_row("y", 2)]
    x, y, z = left_over(DATASET, numbers, rows).values()
    assert list(x.lost.values()) == [[1, 2]]
    assert (x.later, list(y.records), y.later, z.later, z.lost) == ((), [2], (1,), (1, 2), {})


def test_of_a_parquet_file_nothing_is_asked_and_all_is_lost() -> None:
    text = b'{source: {uri: "gs://{landing}/t/*"}, format: {type: parquet}, load: {table: a.t, mode: append}}'
    rows = build_dataset("t", {CONTRACT: TEXT + b" [{name: a, logicalType: string}]}]}", PIPELINE: text})
    (left,) = left_over(rows, {"x": [1, 2]}, ()).values()
    assert (list(left.lost.values()), left.later) == ([[1, 2]], ())


def test_what_was_restored_is_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_plan, "MAX_BATCHES", 1)
    names = ("x", "y", "z")
    x, y, z = (Landed("b", name, 7, 10, "c").file_id for name in names)
    found = [kept_row("x", 1), kept_row("x", 2), kept_row("y", 1), kept_row("z", 1)]
    left = left_over(DATASET, {x: [1, 2], y: [1], z: [1]}, found)
    made = plan([row("x", 1), row("x", 2), row("y", 1), row("z", 1, "b2")], [], gone=names, left=left)
    read = FileAccount(x, "gs://b/x", "accepted", 1, 1, 0, 0, 0, 9, lost=((2, "why"),))
    unread = FileAccount(y, "gs://b/y", "accepted", 0, 0, 0, 0, 0, 9, lost=((1, "why"),))
    report = make_report(made, "id", {0: Manifest("t", "b", 1, 1, 0, 0, 0, (read, unread), (), ())}, [], [])
    assert (report["restored"], report["later"], report["chosen"]) == ({"gs://b/x": 1}, 1, 4)
    assert {item["uri"]: item["records"] for item in report["lost"]} == {"gs://b/x": [2], "gs://b/y": [1]}
    assert make_report(made, "id", {}, [], [])["restored"] == {}


def test_two_versions_of_one_object_are_both_told() -> None:
    rows = [row("x", 1), row("x", 2), row("x", 5, "b2") | {"file_id": "newer", "generation": 8}]
    files = {file.landed.file_id: file for file in open_files(rows)}
    found = [item | {"file_id": name} for name, file in files.items() for item in
             (kept_row("x", number, raw=None, byte_length=70_000) for number in file.records)]  # fmt: skip
    left = left_over(DATASET, {name: list(file.records) for name, file in files.items()}, found)
    made = plan(rows, [], gone=("x",), left=left)
    assert made.replay
    assert made.replay.gone == {"gs://b/x": 3}
    assert [item["records"] for item in make_report(made, "id", {}, [], [])["lost"]] == [[1, 2, 5]]


def test_records_that_the_function_could_not_read_are_told_and_not_decided() -> None:
    made = plan([row("x", 1), row("x", 2)], [])
    x = made.files[0].file_id
    account = FileAccount(x, "gs://b/x", "accepted", 1, 1, 0, 0, 0, 9, lost=((2, "why"),))
    manifest = Manifest("t", made.batches[0].batch_id, 1, 1, 0, 0, 0, (account,), (), ())
    assert [item["records"] for item in file_rows(made, {0: manifest})] == ["1"]
    report = make_report(made, "id", {0: manifest}, [], [])
    assert report["lost"] == [{"uri": "gs://b/x", "why": "why", "records": [2]}]
    lost = replace(account, records=0, loaded=0, lost=((1, "why"), (2, "why")))
    assert file_rows(made, {0: replace(manifest, records=0, loaded=0, files=(lost,))}) == []


def test_openings_never_make_a_commit_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_MOST_OPENINGS", 100)
    made = plan([row("x", 1), row("y", 1), row("z", 1)], [])
    opening = Opening("utf-8", "YQ==")
    files = tuple(FileAccount(f.file_id, f.uri, "accepted", 1, 0, 0, 0, 1, 9, opening=opening) for f in made.files)
    rows = accounts.file_rows(made, {0: Manifest("t", "b", 3, 0, 0, 0, 3, files, (), ())}, whole_sets=False)
    assert [item["opening"] and json.loads(item["opening"])["header"] for item in rows] == ["YQ==", "YQ==", None]


def test_a_file_that_is_held_is_told_and_not_committed() -> None:
    from include.engine.account import Reason

    made = plan([row("x", 1), row("y", 2)], [])
    ids = [file.file_id for file in made.files]
    held = FileAccount(ids[0], "gs://a/x", "held", 1, 0, 0, 0, 1, 9, Reason("empty_file", "no bytes"))
    fine = FileAccount(ids[1], "gs://a/y", "accepted", 1, 0, 1, 0, 0, 9, left_out=(2,))
    manifest = Manifest("t", "b", 2, 0, 1, 0, 1, (held, fine), (), ())
    (only,) = file_rows(made, {0: manifest})
    assert (only["uri"], only["records"], only["left_out"], only["missing"]) == ("gs://b/y", "2", "2", "")
    assert make_report(made, "id", {0: manifest}, [], [])["held"] == {"gs://b/x": "no bytes"}

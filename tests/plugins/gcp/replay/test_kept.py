"""Records whose file is gone are replayed from what the quarantine kept of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from landfall.compat import AirflowSkipException
from landfall.errors import TerminalFailure
from tests.plugins.gcp.replay.replays import DAY, FIRST, LONG, LOOSE, MODES, Replays, forget_files
from tests.plugins.gcp.steps import CONTRACT

pytestmark = pytest.mark.long


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

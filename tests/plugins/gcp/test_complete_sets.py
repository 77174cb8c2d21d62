"""When a set counts, that it counts once, and what becomes of files that come after it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from landfall.gcp.storage import Storage
from tests.plugins.gcp.steps import HEADER, Steps, named_after

SETS = "*/*.csv"


@pytest.fixture
def steps(
    request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Steps]:
    def make(complete: str = "marker", mode: str = "replace_partition", glob: str = SETS, more: str = "") -> Steps:
        made = Steps(named_after(request))
        made.write(tmp_path, complete=complete, mode=mode, glob=glob, more=more)
        monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))

        def tell(_context: object, _dataset: object, held: dict[str, str]) -> int:
            made.told.append(dict(held))
            return 1

        monkeypatch.setattr("landfall.notifiers.held.tell_held", tell)
        # Here a run has ended when the next one begins.
        monkeypatch.setattr("landfall.gcp.selection.has_ended", lambda _context, _run_id: True)
        asked = Storage.now
        monkeypatch.setattr(Storage, "now", lambda self, uri: asked(self, uri) + made.ahead)
        return made

    return make


def rows(*items: tuple[int, str], day: str = "2026-01-01") -> str:
    return HEADER + "".join(f"{key},{day},{name}\n" for key, name in items)


def listed(name: str, content: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "size": len(content), **more}


def manifest(*files: dict[str, Any]) -> str:
    return json.dumps({"files": files})


def test_a_set_waits_for_its_marker_and_says_so(steps: Any) -> None:
    it = steps()
    it.land("1/a.csv", rows((1, "a")))
    it.land("1/b.csv", rows((2, "b")))
    assert it.look() == f"0 files to load, 2 files wait in {it.name}/1/ for _SUCCESS"
    assert it.run() is None
    it.land("1/_SUCCESS")
    assert it.run()["loaded"] == 2
    assert it.landed() == set()
    assert it.run() is None


def test_files_that_land_after_their_marker_wait_for_the_next(steps: Any) -> None:
    it = steps()
    it.land("1/a.csv", rows((1, "a")))
    it.land("1/_SUCCESS")
    it.land("1/b.csv", rows((2, "b")))
    assert f"1 file waits in {it.name}/1/ for a new _SUCCESS; they landed after" in it.look()
    it.run()
    assert it.rows() == [(1, "a")]
    assert it.landed() == {"1/b.csv"}
    it.land("1/_SUCCESS")
    it.run()
    assert it.rows() == [(2, "b")], "the new set is the whole partition"


@pytest.mark.parametrize(
    "mode", ["replace_partition", *(pytest.param(mode, marks=pytest.mark.long) for mode in ("append", "merge"))]
)
def test_a_marker_that_could_not_be_moved_never_vouches_for_the_next_set(steps: Any, mode: str) -> None:
    it = steps(mode=mode)
    it.land("1/a.csv", rows((1, "a")))
    it.land("1/_SUCCESS")
    it.run(archived=False)
    it.land("1/b.csv", rows((2, "b")))
    assert it.run() is None
    assert it.rows() == [(1, "a")]
    it.land("1/_SUCCESS")
    assert it.run()["loaded"] == 1
    assert it.rows() == ([(2, "b")] if mode == "replace_partition" else [(1, "a"), (2, "b")])
    assert it.landed() == set(), "what the first run left behind is archived as well"


def test_a_marker_vouches_once_for_files_that_were_there_whatever_the_glob_said_then(
    steps: Any, tmp_path: Path
) -> None:
    it = steps(glob="*/a.csv")
    it.land("1/a.csv", rows((1, "a")))
    it.land("1/b.csv", rows((2, "b")))
    it.land("1/_SUCCESS")
    it.run(archived=False)
    it.write(tmp_path, complete="marker", mode="replace_partition", glob=SETS)
    assert it.run() is None
    assert it.rows() == [(1, "a")], "b alone would have replaced the day"


def test_a_set_with_a_bad_file_is_loaded_whole_once_the_file_is_mended(steps: Any) -> None:
    it = steps()
    it.land("1/a.csv", rows((1, "a")))
    it.land("1/b.csv", "nonsense\n")
    it.land("1/_SUCCESS")
    it.run()
    assert it.rows() == []
    assert it.run() is None
    it.land("1/b.csv", rows((2, "b")))
    assert it.run() is None
    assert "for a new _SUCCESS" in it.look()
    it.land("1/_SUCCESS")
    it.run()
    assert it.rows() == [(1, "a"), (2, "b")]


def test_a_manifest_waits_for_all_that_it_lists_and_leaves_the_rest(steps: Any) -> None:
    it = steps("manifest")
    a, b = rows((1, "a")), rows((2, "b"))
    it.land("1/_MANIFEST.json", manifest(listed("a.csv", a, records=1), listed("b.csv", b)))
    it.land("1/a.csv", a)
    assert f"1 file waits in {it.name}/1/ for b.csv: 1 of 2 files in _MANIFEST.json are not there" in it.look()
    assert it.run() is None
    it.land("1/b.csv", b)
    it.land("1/other.csv", rows((3, "other")))
    assert "1 file waits" in it.look()
    assert it.run()["loaded"] == 2
    assert it.rows() == [(1, "a"), (2, "b")]
    assert it.landed() == {"1/other.csv"}


GOOD = rows((1, "a"), (2, "b"))
DIGESTS = {
    "md5": hashlib.md5(GOOD.encode()).hexdigest(),
    "sha256": hashlib.sha256(GOOD.encode()).hexdigest(),
}


def test_everything_that_a_manifest_says_is_verified(steps: Any) -> None:
    it = steps("manifest")
    blob = it.land("1/a.csv", GOOD)
    it.land("1/_MANIFEST.json", manifest(listed("a.csv", GOOD, records=2, crc32c=blob.crc32c, **DIGESTS)))
    assert it.run()["loaded"] == 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"size": 5}, f"size 5, found {len(GOOD)}"),
        pytest.param({"crc32c": "AAAAAA=="}, "crc32c AAAAAA==, found ", marks=pytest.mark.long),
        pytest.param(
            {"md5": base64.b64encode(bytes(16)).decode()},
            "md5 AAAAAAAAAAAAAAAAAAAAAA==, found ",
            marks=pytest.mark.long,
        ),
        pytest.param({"sha256": "0" * 64}, f"sha256 {'0' * 64}, found {DIGESTS['sha256']}", marks=pytest.mark.long),
        ({"records": 3}, "records 3, found 2"),
    ],
)
def test_a_file_that_is_not_as_its_manifest_says_is_held_with_its_set(
    steps: Any, wrong: dict[str, Any], says: str
) -> None:
    it = steps("manifest")
    folder = next(iter(wrong))
    b = rows((3, "c"))
    it.land(f"{folder}/a.csv", GOOD)
    it.land(f"{folder}/b.csv", b)
    it.land(f"{folder}/_MANIFEST.json", manifest({"name": "a.csv", **wrong}, listed("b.csv", b)))
    it.run()
    found = it.files()
    assert found[f"{folder}/a.csv"].startswith("held: manifest_mismatch: _MANIFEST.json says ")
    assert says in found[f"{folder}/a.csv"]
    assert found[f"{folder}/b.csv"].startswith("held: set_incomplete: ")
    assert sorted(it.told[0]) == [f"gs://landfall-landing/{it.name}/{folder}/{name}.csv" for name in "ab"]
    assert it.run() is None
    assert len(it.told) == 1
    it.land(f"{folder}/_MANIFEST.json", manifest({"name": "a.csv"}, listed("b.csv", b)))
    assert it.run() is None, "nothing new has landed but a manifest: a person releases, or the files land again"
    it.land(f"{folder}/a.csv", GOOD)
    assert it.run()["loaded"] == 3


BROKEN = ["nonsense", manifest(listed("../a.csv", "x")), "[]", manifest(listed("a.csv", "x"), listed("a.csv", "x"))]


def test_a_broken_manifest_is_told_about_once_and_keeps_no_other_folder_out(steps: Any) -> None:
    it = steps("manifest")
    for number, text in enumerate(BROKEN):
        it.land(f"bad{number}/a.csv", rows((1, "a")))
        it.land(f"bad{number}/_MANIFEST.json", text)
    it.land("good/a.csv", GOOD)
    it.land("good/_MANIFEST.json", manifest(listed("a.csv", GOOD)))
    it.run()
    assert it.rows() == [(1, "a"), (2, "b")]
    assert len(it.told) == 1
    assert [
        f"bad_manifest: {why}" for why in ("expected", "files.0.name", "Input should be an object", "it lists")
    ] == [
        reason[: len(why) + 14]
        for reason, why in zip(
            (it.told[0][f"gs://landfall-landing/{it.name}/bad{n}/_MANIFEST.json"] for n in range(4)),
            ("expected", "files.0.name", "Input should be an object", "it lists"),
            strict=True,
        )
    ]
    assert it.run() is None
    assert len(it.told) == 1
    assert "for a _MANIFEST.json that can be used" in it.look()
    it.land("bad0/_MANIFEST.json", manifest(listed("a.csv", rows((1, "a")))))
    assert it.run()["loaded"] == 1


@pytest.mark.parametrize("mode", ["replace_partition", pytest.param("append", marks=pytest.mark.long)])
def test_a_manifest_counts_once(steps: Any, mode: str) -> None:
    it = steps("{manifest: files.json}", mode=mode)
    it.land("1/a.csv", rows((1, "a")))
    it.land("1/files.json", json.dumps({"files": [{"name": "a.csv"}]}))
    it.run(archived=False)
    it.land("1/a.csv", rows((1, "a2")))
    assert it.run() is None
    assert it.rows() == [(1, "a")]
    it.land("1/files.json", json.dumps({"files": [{"name": "a.csv"}]}))
    it.run()
    assert it.rows() == [(1, "a2")]


def test_a_manifest_as_redshift_writes_it_is_read(steps: Any) -> None:
    it = steps("manifest")
    it.land("1/a.csv", GOOD)
    url = f"gs://landfall-landing/{it.name}/1/a.csv"
    entry = {"url": url, "mandatory": True, "meta": {"content_length": len(GOOD), "record_count": 2}}
    it.land("1/_MANIFEST.json", json.dumps({"entries": [entry], "author": {"name": "Amazon Redshift"}}))
    assert it.run()["loaded"] == 2


def test_a_file_counts_once_it_lies_unchanged(steps: Any) -> None:
    it = steps("{stable: 5m}", mode="append", glob="*.csv")
    it.land("a.csv", rows((1, "a")))
    assert it.look() == f"0 files to load, 1 file waits in {it.name}/ to lie unchanged for 5m"
    assert it.run() is None
    it.ahead = timedelta(minutes=6)
    it.run()
    assert it.rows() == [(1, "a")]


def test_a_late_file_is_held_and_told_about(steps: Any) -> None:
    it = steps(more="late_after: 30m")
    it.land("1/a.csv", rows((1, "a")))
    it.land("1/_SUCCESS")
    it.run()
    it.land("1/b.csv", rows((2, "b")))
    assert "the set is loaded, and after 30m they are late" in it.look()
    assert it.run() is None
    it.ahead = timedelta(hours=2)
    assert it.run() is None
    assert it.files()["1/b.csv"].startswith("held: late: it came after the set of its folder was loaded")
    assert it.told == [{f"gs://landfall-landing/{it.name}/1/b.csv": it.files()["1/b.csv"].partition(": ")[2]}]
    assert it.run() is None
    assert len(it.told) == 1
    it.land("1/a.csv", rows((1, "a2")))
    it.land("1/_SUCCESS")
    it.run()
    assert it.rows() == [(1, "a2"), (2, "b")], "a complete new set is a redelivery, and takes along what came late"


def test_a_late_file_is_added_to_its_partition_where_the_policy_says_so(steps: Any) -> None:
    it = steps(more="late: load")
    it.land("1/a.csv", rows((1, "a"), (3, "c")))
    it.land("1/z.csv", rows((9, "z")))
    it.land("1/_SUCCESS")
    it.run()
    it.land("1/b.csv", rows((2, "b")))
    it.land("1/z.csv", rows((8, "z2")))
    it.ahead = timedelta(hours=2)
    assert it.run()["loaded"] == 2
    assert it.rows() == [(1, "a"), (2, "b"), (3, "c"), (8, "z2")], "and a late version takes the place of the old one"
    assert it.files()["1/b.csv"] == "loaded: late: it came after its set; its rows were added to the partition"
    assert it.landed() == set()
    it.land("1/a.csv", rows((1, "a2")))
    it.land("1/_SUCCESS")
    it.run()
    assert it.files()["1/a.csv"].startswith("held: set_incomplete: b.csv, z.csv of its folder came late")
    assert (2, "b") in it.rows(), "a set that does not hold what came late does not replace it unseen"
    for name, content in (("a", rows((1, "a3"))), ("b", rows((2, "b3"))), ("z", rows((9, "z3")))):
        it.land(f"1/{name}.csv", content)
    it.land("1/_SUCCESS")
    it.run()
    assert it.rows() == [(1, "a3"), (2, "b3"), (9, "z3")]


@pytest.mark.parametrize("late", ["hold", "load"])
def test_a_set_whose_day_a_newer_set_has_replaced_comes_late(steps: Any, late: str) -> None:
    it = steps(more=f"late: {late}")
    it.land("first/a.csv", rows((1, "first")))
    it.land("first/_SUCCESS")
    it.land("second/a.csv", rows((2, "second")))
    it.land("second/_SUCCESS")
    it.run()
    held = [(2, "second")]
    assert it.rows() == (held if late == "hold" else [(1, "first"), (2, "second")])
    state = "held" if late == "hold" else "loaded"
    says = f"{state}: late: the newer set of {it.name}/second/_SUCCESS has replaced 2026-01-01"
    assert it.files()["first/a.csv"].startswith(says)
    assert it.run() is None
    it.land("first/a.csv", rows((1, "again")))
    it.land("first/_SUCCESS")
    it.run()
    assert it.rows() == [(1, "again")], "delivered again, it is the newest"


def test_a_set_that_was_planned_before_a_newer_one_was_loaded_replaces_nothing_of_it(steps: Any) -> None:
    it = steps()
    it.land("first/a.csv", rows((1, "first")))
    it.land("first/_SUCCESS")

    def newer() -> None:
        it.land("second/a.csv", rows((2, "second")))
        it.land("second/_SUCCESS")
        it.run(prefix=f"{it.name}/second/")

    it.run(between=newer)
    assert it.rows() == [(2, "second")]
    assert it.files()["first/a.csv"].startswith("held: late: the newer set of")


def test_a_file_that_changes_after_it_was_planned_is_loaded_in_its_new_version(steps: Any) -> None:
    it = steps("none", mode="append", glob="*.csv")
    it.land("a.csv", rows((1, "a")))
    it.land("b.csv", rows((2, "b")))
    assert it.run(between=lambda: it.land("a.csv", rows((1, "new")))) is None
    assert "input_changed" in str(it.failures[0])
    it.run()
    assert it.rows() == [(1, "new"), (2, "b")]
    assert it.landed() == set()

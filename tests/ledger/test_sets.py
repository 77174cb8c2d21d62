"""Which files count, which are held, and what is said of those that wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.ledger.completeness import Arrived, Remembered, Terms, Waiting, shown, unchanged_for, voucher_of
from include.ledger.landing import Landed
from include.ledger.set_manifest import ListedFile
from include.ledger.sets import Scene, judge_sets
from include.spec.arrival import Completeness
from include.spec.pipeline import Load

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def landed(name: str, minute: int = 0, generation: int = 1) -> Landed:
    return Landed("b", name, generation, 10, "AAAAAA==", created=NOON + timedelta(minutes=minute))


def judge(
    *files: Landed,
    voucher: Landed | None = None,
    listed: Any = None,
    mode: Literal["append", "replace_partition"] = "replace_partition",
    states: dict[str, str] | None = None,
    known: Remembered | None = None,
    late: Literal["hold", "load"] = "hold",
    minute: int = 0,
    **more: Any,
) -> Arrived:
    kind: Literal["marker", "manifest"] = "marker" if listed is None else "manifest"
    base = "_SUCCESS" if listed is None else "_MANIFEST.json"
    states = states or {}
    opened = {f.file_id for f in files if states.get(f.file_id) in (None, "planned", "released")}
    scene = Scene(
        terms=Terms(Completeness(kind=kind, voucher=base), Load(table="a.b", mode=mode, late=late, late_after="30m")),
        vouchers={voucher.folder: voucher} if voucher else {},
        lists={voucher_of(voucher): listed} if voucher and listed is not None else {},
        opened=frozenset(more.pop("opened", opened)),
        states=states,
        released=frozenset(name for name, state in states.items() if state == "released"),
        known=known or Remembered(),
        clock=lambda: NOON + timedelta(minutes=minute),
        **more,
    )
    return judge_sets(scene, files)


A, B = landed("1/a.csv"), landed("1/b.csv")
MARKER = landed("1/_SUCCESS", 1)
MANIFEST = landed("1/_MANIFEST.json", 1)


def test_a_set_is_what_was_there_when_its_marker_was_written() -> None:
    young = landed("1/c.csv", 2)
    found = judge(A, B, young, voucher=MARKER)
    assert found.taken == [A, B]
    assert found.vouched[A.file_id].voucher == "1/_SUCCESS#1"
    assert [str(w) for w in found.waiting] == [
        "1 file waits in 1/ for a new _SUCCESS; they landed after the one that is there"
    ]


def test_a_marker_that_vouched_for_a_loaded_set_vouches_for_nothing_more() -> None:
    known = Remembered(spent={"1/_SUCCESS#1": frozenset({""})}, closed=frozenset({"1"}))
    found = judge(A, voucher=MARKER, known=known)
    assert found.taken == []
    assert found.left == [MARKER]
    again = landed("1/_SUCCESS", 1, generation=2)
    assert judge(A, voucher=again, known=known).taken == [A], "a new generation counts"


def test_a_set_of_which_another_run_has_a_file_waits_whole() -> None:
    found = judge(A, B, voucher=MARKER, states={A.file_id: "planned"}, opened={B.file_id})
    assert found.taken == []
    assert str(found.waiting[0]) == "1 file waits in 1/ for another run, which has a.csv"


def test_an_open_file_takes_the_held_ones_of_its_set_along() -> None:
    assert judge(A, B, voucher=MARKER, states={A.file_id: "held"}).taken == [A, B]
    assert judge(A, B, voucher=MARKER, states={A.file_id: "held", B.file_id: "held"}).taken == []


def test_a_held_file_does_not_make_a_set_without_the_mended_one() -> None:
    mended, states = landed("1/b.csv", 2, generation=2), {A.file_id: "held"}
    opened = {A.file_id, mended.file_id}
    assert judge(A, mended, voucher=MARKER, states=states, opened=opened).taken == []


def test_a_released_file_waits_for_no_set() -> None:
    young, states = landed("1/c.csv", 2), {A.file_id: "released"}
    assert judge(A, B, young, voucher=MARKER, states=states).taken == [A, B]
    assert judge(young, voucher=MARKER, states={young.file_id: "released"}).taken == [young]
    assert judge(A, B, states=states).taken == [A, B]
    assert judge(A, B, states=states, mode="append").taken == [A]
    listed = {"1/a.csv": ListedFile(name="a.csv", size=1), "1/c.csv": ListedFile(name="c.csv")}
    assert judge(A, voucher=MANIFEST, listed=listed, states=states).taken == [A]


def test_a_wanted_file_brings_its_whole_set() -> None:
    found = judge(A, B, voucher=MARKER, wanted=lambda name: name == "1/a.csv", mode="replace_partition")
    assert found.taken == [A, B]
    found = judge(A, B, voucher=MARKER, wanted=lambda name: name == "1/a.csv", mode="append")
    assert found.taken == [A]


def test_files_of_a_folder_are_loaded_each_by_itself_where_they_are_added() -> None:
    states = {A.file_id: "held"}
    assert judge(A, B, voucher=MARKER, states=states, mode="append").taken == [B]
    planned = {B.file_id: "planned"}
    assert judge(A, B, states=planned, mode="append").taken == [B], "its marker was there when it was planned"


def test_a_name_counts_once_for_each_generation_of_a_manifest() -> None:
    new = landed("1/a.csv", 5, generation=2)
    known = Remembered(spent={"1/_MANIFEST.json#1": frozenset({"1/a.csv"})})
    listed = {"1/a.csv": ListedFile(name="a.csv"), "1/b.csv": ListedFile(name="b.csv")}
    assert judge(new, B, voucher=MANIFEST, listed=listed, mode="append", known=known).taken == [B]


@pytest.mark.parametrize(
    ("minute", "late", "taken", "held"),
    [(10, "hold", 0, 0), (40, "hold", 0, 1), (10, "load", 0, 0), (40, "load", 1, 0)],
)
def test_a_file_in_a_closed_folder_is_late_after_a_while(minute: int, late: Any, taken: int, held: int) -> None:
    found = judge(A, known=Remembered(closed=frozenset({"1"})), minute=minute, late=late)
    assert (len(found.taken), len(found.held)) == (taken, held)
    assert all(found.vouched[item.file_id].late for item in found.taken)
    assert bool(found.waiting) == (minute == 10)


def test_a_late_file_that_is_released_is_added() -> None:
    found = judge(A, known=Remembered(closed=frozenset({"1"})), states={A.file_id: "released"})
    assert found.vouched[A.file_id].late


def test_a_file_that_was_held_as_late_goes_with_the_next_set_and_not_with_its_own_again() -> None:
    states = {A.file_id: "held"}
    known = Remembered(held_late={A.file_id: ""})
    assert judge(A, voucher=MARKER, states=states, known=known).taken == [A]
    own = Remembered(held_late={A.file_id: "1/_SUCCESS#1"})
    assert judge(A, voucher=MARKER, states=states, known=own).taken == []


def test_a_set_without_what_was_added_late_replaces_nothing_unseen() -> None:
    known = Remembered(closed=frozenset({"1"}), alone={"1": frozenset({"1/c.csv"})})
    found = judge(A, voucher=MARKER, known=known)
    assert found.held[0].reason.startswith("set_incomplete: c.csv of its folder came late and was loaded by itself")
    assert judge(A, landed("1/c.csv", generation=2), voucher=MARKER, known=known).held == []


def test_what_has_to_lie_unchanged_waits_by_the_stores_clock() -> None:
    old, young = landed("x/a.csv"), landed("x/b.csv", 9)
    taken, waiting = unchanged_for([old, young], timedelta(minutes=5), lambda: NOON + timedelta(minutes=10))
    assert (taken, waiting) == ([old], [Waiting("x", 1, "to lie unchanged for 5m")])


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (90, "1m30s"), (3600, "1h"), (90061, "1d1h1m1s")])
def test_a_span_is_written_as_in_the_pipeline(seconds: int, text: str) -> None:
    assert shown(timedelta(seconds=seconds)) == text


names = st.lists(st.sampled_from(["1/a", "1/b", "2/a", "2/b"]), unique=True)
STATES = st.sampled_from([None, "planned", "held", "loaded", "superseded", "rejected", "released"])


@given(names, st.dictionaries(st.sampled_from(["1/a", "1/b", "2/a", "2/b"]), STATES), st.booleans(), st.booleans())
def test_no_file_is_both_taken_and_held_and_none_that_is_loaded_is_taken(
    given_names: list[str], of: dict[str, Any], has_marker: bool, closed: bool
) -> None:
    files = [landed(name) for name in given_names]
    states = {f.file_id: of[f.name] for f in files if of.get(f.name)}
    known = Remembered(closed=frozenset({"1"} if closed else ()))
    found = judge(*files, voucher=MARKER if has_marker else None, states=states, known=known, minute=60)
    taken, held = {f.file_id for f in found.taken}, {item.file.file_id for item in found.held}
    assert not taken & held
    assert not any(states.get(name) in ("loaded", "superseded", "rejected") for name in taken | held)
    assert len(taken) == len(found.taken)
    assert taken == set(found.vouched)

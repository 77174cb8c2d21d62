"""Which landed files a run takes, leaves to another run, or turns away."""

from __future__ import annotations

from typing import Any

import pytest

from include.ledger.landing import Landed
from include.ledger.states import FileState, is_final
from include.ledger.taking import Known, Taken, take
from include.spec.pipeline import Load

LEASE = 100.0


def landed(name: str, generation: int = 1) -> Landed:
    return Landed("landing", name, generation, 10, "AAAAAA==")


def known(item: Landed, state: str, **more: Any) -> Known:
    return Known(item.file_id, item.name, item.generation, state, **more)


def planned(item: Landed, run: str = "other", age: int = 1, state: str = "planned") -> Known:
    return known(item, state, run_id=run, holder=run, age=age)


def taken(
    files: list[Landed],
    ledger: list[Known],
    mode: str = "append",
    redelivered: str | None = None,
    *,
    ended: tuple[str, ...] = (),
    force: bool = False,
) -> Taken:
    load = Load.model_validate({"table": "d.t", "mode": mode, "redelivered": redelivered})
    return take(files, ledger, load, run_id="own", lease=LEASE, ended=lambda run: run in ended, force=force)


@pytest.mark.parametrize("state", [state.value for state in FileState])
def test_a_run_takes_what_is_in_no_final_state(state: str) -> None:
    item = landed("a.csv")
    assert bool(taken([item], [known(item, state)]).open) is not is_final(state)


def test_a_file_that_the_ledger_never_saw_is_taken() -> None:
    assert taken([landed("a.csv")], []).open == (landed("a.csv"),)


def test_files_are_taken_in_the_order_of_their_names() -> None:
    assert [item.name for item in taken([landed("b"), landed("a")], []).open] == ["a", "b"]


def test_a_person_who_forces_takes_them_all() -> None:
    files = [landed("a"), landed("b"), landed("c", 2)]
    ledger = [known(files[0], "loaded"), planned(files[1]), known(landed("c"), "loaded")]
    assert taken(files, ledger, redelivered="skip", force=True).open == tuple(files)


@pytest.mark.parametrize("state", ["loaded", "rejected"])
def test_what_is_done_and_still_lies_there_is_left_behind(state: str) -> None:
    item = landed("a.csv")
    assert taken([item], [known(item, state)]).left_behind == (item,)


def test_of_two_versions_of_an_object_the_newer_is_taken() -> None:
    assert taken([landed("a", 2), landed("a", 1)], []).open == (landed("a", 2),)


class TestLeases:
    def test_a_file_that_a_living_run_has_taken_is_left_to_it(self) -> None:
        item = landed("a.csv")
        found = taken([item, landed("b.csv")], [planned(item)])
        assert (found.open, found.leased) == ((landed("b.csv"),), (item,))

    def test_a_runs_own_file_is_taken_again(self) -> None:
        item = landed("a.csv")
        assert taken([item], [planned(item, "own")]).open == (item,)

    def test_a_lease_ends_with_its_time(self) -> None:
        item = landed("a.csv")
        assert taken([item], [planned(item, age=int(LEASE))]).open == (item,)

    def test_a_lease_ends_with_its_run(self) -> None:
        item = landed("a.csv")
        assert taken([item], [planned(item)], ended=("other",)).open == (item,)

    def test_a_file_that_a_run_let_go_of_is_taken(self) -> None:
        item = landed("a.csv")
        assert taken([item], [known(item, "seen", run_id="other", age=1)]).open == (item,)

    def test_a_released_file_that_a_run_has_taken_is_left_to_it(self) -> None:
        item = landed("a.csv")
        assert taken([item], [planned(item, state="released")]).leased == (item,)

    def test_airflow_is_asked_once_for_each_run(self) -> None:
        asked: list[str] = []

        def ended(run: str) -> bool:
            asked.append(run)
            return False

        files = [landed(str(number)) for number in range(9)]
        load = Load.model_validate({"table": "d.t", "mode": "append"})
        take(files, [planned(item) for item in files], load, run_id="own", lease=LEASE, ended=ended)
        assert asked == ["other"]


class TestRedelivery:
    OLD, NEW = landed("1/a", 1), landed("1/a", 2)

    @pytest.mark.parametrize("mode", ["append", "merge", "replace_partition"])
    @pytest.mark.parametrize("policy", [None, "replace", "version"])
    @pytest.mark.parametrize("state", ["loaded", "superseded"])
    def test_a_new_version_is_taken(self, mode: str, policy: str | None, state: str) -> None:
        assert taken([self.NEW], [known(self.OLD, state)], mode, policy).open == (self.NEW,)

    @pytest.mark.parametrize("mode", ["append", "merge", "replace_partition"])
    def test_under_skip_a_new_version_of_a_loaded_file_is_turned_away(self, mode: str) -> None:
        found = taken([self.NEW, landed("2/b")], [known(self.OLD, "loaded")], mode, "skip")
        assert (found.open, found.turned_away) == ((landed("2/b"),), (self.NEW,))

    @pytest.mark.parametrize("state", ["held", "rejected", "planned", "released", "dead_lettered", "seen"])
    def test_under_skip_a_new_version_of_a_file_that_was_never_loaded_is_taken(self, state: str) -> None:
        assert taken([self.NEW], [known(self.OLD, state)], redelivered="skip").open == (self.NEW,)

    def test_what_was_turned_away_is_so_once(self) -> None:
        ledger = [known(self.OLD, "loaded"), known(self.NEW, "rejected")]
        found = taken([self.NEW], ledger, redelivered="skip")
        assert (found.turned_away, found.left_behind) == ((), (self.NEW,))


class TestSets:
    """A folder, where a delivery replaces a partition."""

    A, B = landed("1/a"), landed("1/b")

    def test_a_set_of_which_a_living_run_has_a_file_is_left_to_it(self) -> None:
        found = taken([self.A, self.B, landed("2/a")], [planned(self.A)], "replace_partition")
        assert (found.open, found.leased) == ((landed("2/a"),), (self.A, self.B))

    def test_a_redelivered_set_is_turned_away_as_a_whole(self) -> None:
        found = taken([landed("1/a", 2), self.B], [known(self.A, "loaded")], "replace_partition", "skip")
        assert (found.open, found.turned_away) == ((), (landed("1/a", 2), self.B))

    def test_a_mended_file_takes_the_held_ones_of_its_set_with_it(self) -> None:
        mended = landed("1/b", 2)
        ledger = [known(self.A, "held"), known(self.B, "held"), known(landed("2/a"), "held")]
        assert taken([self.A, mended, landed("2/a")], ledger, "replace_partition").open == (self.A, mended)

    def test_a_released_file_takes_the_held_ones_of_its_set_with_it(self) -> None:
        ledger = [known(self.A, "held"), known(self.B, "released", released=True)]
        found = taken([self.A, self.B], ledger, "replace_partition")
        assert (found.open, found.released) == ((self.A, self.B), frozenset({self.B.file_id}))

    def test_elsewhere_held_files_stay_where_they_are(self) -> None:
        assert taken([self.A, self.B], [known(self.A, "held")]).open == (self.B,)

"""Dead letters below Airflow: what is broken off is finished later, sets go as a whole, jobs do not grow with files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from landfall.errors import TerminalFailure
from landfall.gcp import dead_letters, decisions, function
from landfall.gcp.landing import Site
from landfall.gcp.warehouse import Warehouse
from tests.plugins.gcp.steps import HEADER, Steps, die, named_after

Make = Callable[..., Steps]


@pytest.fixture
def steps(request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch) -> Make:
    def make(suffix: str = "", **settings: str) -> Steps:
        made = Steps(f"{named_after(request)}{suffix}")
        made.write(tmp_path, **{"complete": "none", "mode": "append", "glob": "**", **settings})
        monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
        return made

    return make


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What channels are told of dead letters."""
    alerts: list[dict[str, str]] = []

    def tell(_context: object, _dataset: object, dead: dict[str, str]) -> int:
        alerts.append(dead)
        return 1

    monkeypatch.setattr(dead_letters, "tell_dead_lettered", tell)
    return alerts


def refuse(*_: Any) -> Any:
    """Stand in for a function that can do no batch."""
    raise TerminalFailure("the function answered 422 bad_rule: filter: no", code="bad_rule")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A function that can do no batch, until undone."""
    with monkeypatch.context() as patched:
        patched.setattr(function, "_post", refuse)
        yield patched


def test_a_dead_letter_that_was_recorded_and_not_moved_is_moved_by_the_next_run(
    steps: Make, told: list[dict[str, str]], broken: pytest.MonkeyPatch
) -> None:
    it = steps()
    it.land("a.csv", HEADER + "1,2026-01-01,x\n")
    with broken.context() as dying:
        dying.setattr(dead_letters, "move_files", die)
        with pytest.raises(ConnectionAbortedError):
            it.run()
    assert it.files()["a.csv"].startswith("dead_lettered: failed: at try 1: the function answered 422 bad_rule")
    assert it.landed() == {"a.csv"}
    it.run()
    assert (it.landed(), it.put_aside()) == (set(), {"a.csv", "a.csv.json"})
    assert len(told) == 1


def test_a_run_that_failed_before_it_could_say_so_leaves_it_to_the_next_run(
    steps: Make, told: list[dict[str, str]], broken: pytest.MonkeyPatch
) -> None:
    it = steps()
    it.land("a.csv", HEADER + "1,2026-01-01,x\n")
    with broken.context() as dying:
        dying.setattr("landfall.gcp.dead_letters.bury", die)
        with pytest.raises(ConnectionAbortedError):
            it.run()
    assert it.files()["a.csv"].startswith("seen: failed")
    assert told == []
    it.run()
    assert it.files()["a.csv"].startswith("dead_lettered: failed")
    assert (it.landed(), len(told)) == (set(), 1)


def test_a_set_is_put_aside_as_a_whole(steps: Make, told: list[dict[str, str]], broken: pytest.MonkeyPatch) -> None:
    it = steps(complete="marker", mode="replace_partition", glob="*/*.csv")
    for name in "ab":
        it.land(f"1/{name}.csv", HEADER + "1,2026-01-01,x\n")
    it.land("1/_SUCCESS")
    it.run()
    assert it.put_aside() == {"1/a.csv", "1/a.csv.json", "1/b.csv", "1/b.csv.json"}
    broken.undo()
    site = Site.of(it.name)
    letters = [f"{it.name}/1/{name}.csv" for name in "ab"]
    from include.ledger.choosing import Wish

    decisions.retry(site, "person", decisions.find(site, Wish.RETRY, letters))
    assert it.run() is None, "it came after its marker"
    it.land("1/_SUCCESS")
    assert it.run() is not None
    assert it.rows() == [(1, "x")]


def test_a_retry_that_broke_off_is_finished_by_the_next_and_an_occupied_place_is_left_alone(
    steps: Make, told: list[dict[str, str]], broken: pytest.MonkeyPatch
) -> None:
    from include.ledger.choosing import Wish

    it = steps()
    it.land("a.csv", HEADER + "1,2026-01-01,x\n")
    it.run()
    site = Site.of(it.name)
    versions = decisions.find(site, Wish.RETRY, [f"{it.name}/a.csv"])
    with broken.context() as dying:
        dying.setattr("landfall.gcp.events.note_retried", die)
        with pytest.raises(ConnectionAbortedError):
            decisions.retry(site, "person", versions)
    assert it.landed() == {"a.csv"}
    assert len(decisions.retry(site, "person", versions)) == 1
    assert it.files()["a.csv"].startswith("dead_lettered: retried: moved back as generation ")
    it.run()
    assert it.put_aside() == {"a.csv", "a.csv.json"}, "it failed again"
    it.land("a.csv", HEADER + "2,2026-01-01,mended\n")
    with pytest.raises(TerminalFailure, match="holds another delivery by now"):
        decisions.retry(site, "person", decisions.find(site, Wish.RETRY, [f"{it.name}/a.csv"]))
    broken.undo()
    it.run()
    assert it.rows() == [(2, "mended")]
    assert it.files() == {"a.csv": "loaded"}


def test_a_replay_of_whole_files_frees_a_letter_once_that_was_retried_and_died_again(
    steps: Make, told: list[dict[str, str]], broken: pytest.MonkeyPatch
) -> None:
    from include.ledger.choice import Choice
    from include.ledger.choosing import Wish
    from landfall.gcp.replay import free_whole_files

    it = steps()
    it.land("a.csv", HEADER + "1,2026-01-01,x\n")
    it.run()
    site = Site.of(it.name)
    decisions.retry(site, "person", decisions.find(site, Wish.RETRY, [f"{it.name}/a.csv"]))
    it.run()
    assert (it.landed(), len(told)) == (set(), 2)
    assert free_whole_files(site, Choice(dataset=it.name), "replay") == 1
    broken.undo()
    it.run()
    assert it.rows() == [(1, "x")]


def test_a_replay_of_whole_files_leaves_a_held_version_alone_that_was_overwritten_by_what_is_a_dead_letter_now(
    steps: Make, told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.ledger.choice import Choice
    from landfall.gcp.replay import free_whole_files

    it = steps()
    it.land("a.csv", "id,day,another\n1,2026-01-01,x\n")
    it.run()
    assert it.files()["a.csv"].startswith("held")
    it.land("a.csv", HEADER + "1,2026-01-01,x\n")
    with monkeypatch.context() as broken:
        broken.setattr(function, "_post", refuse)
        it.run()
    assert it.landed() == set()
    assert free_whole_files(Site.of(it.name), Choice(dataset=it.name), "replay") == 1
    it.run()
    assert it.rows() == [(1, "x")]


def test_the_number_of_jobs_does_not_grow_with_the_number_of_dead_letters(
    steps: Make, told: list[dict[str, str]], broken: pytest.MonkeyPatch
) -> None:
    jobs: list[str] = []
    query = Warehouse.query

    def counted(self: Warehouse, sql: str, parameters: Any = None) -> Any:
        jobs.append(sql)
        return query(self, sql, parameters)

    broken.setattr(Warehouse, "query", counted)
    needed = []
    for number in (1, 4):
        it = steps(f"_{number}")
        for name in range(number):
            it.land(f"{name}.csv", HEADER + "1,2026-01-01,x\n")
        if number > 1:
            it.run()
            assert {why.partition(" at")[0] for why in it.files().values()} == {"seen: failed_together:"}
        jobs.clear()
        it.run()
        needed.append(len(jobs))
        assert len(it.put_aside()) == 2 * number
        assert len(told[-1]) == number
    assert needed[0] == needed[1]

"""What `make chaos` draws, and how a failure is tried again."""

from __future__ import annotations

import argparse
import functools
import shlex
from typing import Any

import pytest

from tests.faults.airflow_schedules import draw
from tests.faults.chaos import _complete, _failure, _is_named
from tests.faults.faults import LoseAnswer, Truncate
from tests.faults.histories import HISTORIES
from tests.faults.pairs import crash, strike
from tests.faults.world import LOADS

SEEDS = range(70)


def test_a_seed_draws_the_same_schedule_each_time() -> None:
    assert [draw(seed) for seed in SEEDS] == [draw(seed) for seed in SEEDS]


def test_schedules_through_airflow_come_to_everything() -> None:
    drawn = [draw(seed) for seed in SEEDS]
    rounds = [each for schedule in drawn for each in schedule.rounds]
    assert {(schedule.mode, schedule.policy) for schedule in drawn} == set(LOADS)
    assert all(each.crashes or each.rules for each in rounds), "a round without trouble shows nothing"
    assert any(each.crashes for each in rounds)
    assert any(each.rules for each in rounds)
    assert {each.runs for each in rounds} == {1, 2}
    assert {each.replay for each in rounds} == {each.amend for each in rounds} == {True, False}


def options(**given: Any) -> argparse.Namespace:
    filled = argparse.Namespace(**{"pair": None, "pairs": None, "airflow": None, "seed": None, **given})
    _complete(filled)
    return filled


@pytest.mark.parametrize(("schedules", "airflow"), [(1000, 20), (50, 2), (10, 0), (5000, 20)])
def test_some_of_many_schedules_go_through_airflow(schedules: int, airflow: int) -> None:
    assert options(schedules=schedules).airflow == airflow


def test_no_more_schedules_go_through_airflow_than_there_are() -> None:
    assert options(schedules=3, airflow=20).airflow == 3


def test_a_pair_that_failed_is_found_again_by_its_name() -> None:
    site: Any = object()
    history, other = HISTORIES[:2]
    pairs = [
        functools.partial(crash, site, history, "load.commit.before", "append"),
        functools.partial(crash, site, history, "load.commit.before", "merge"),
        functools.partial(crash, site, other, "load.commit.before", "append"),
        functools.partial(strike, site, history, "bigquery.insert_job", LoseAnswer(), "merge"),
        functools.partial(strike, site, history, "bigquery.insert_job", Truncate(), "merge"),
    ]

    def found(*pair: str) -> list[int]:
        line = dict(zip(("place", "fault", "mode"), pair, strict=True)) | {"result": "lost: a row"}
        command = shlex.split(_failure(line).rpartition("once more: ")[2])
        _, flag, *named = shlex.split(command[2].replace("ARGS=", "ARGS= "))
        assert flag == "--pair"
        return [number for number, judge in enumerate(pairs) if _is_named(judge, named)]

    assert found("load.commit.before", "kill -9", f"{history.name}, append") == [0]
    assert found("load.commit.before", "kill -9", f"{other.name}, append") == [2]
    assert found("bigquery.insert_job", repr(Truncate()), f"{history.name}, merge") == [4]

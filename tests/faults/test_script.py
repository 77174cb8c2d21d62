"""Rules strike the requests that they say, and the same ones each time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.faults import Fault, LoseAnswer, Refuse, Reset, Status
from tests.faults.script import Exchange, Rule, Script

INSERT = ("bigquery", "bigquery.insert_job", "POST", "/bigquery/v2/projects/p/jobs")
GET = ("bigquery", "bigquery.get_job", "GET", "/bigquery/v2/projects/p/jobs/load-7?location=US")
MEDIA = ("function_storage", "storage.get_media", "GET", "/download/storage/v1/b/x/o/a%2Fb?alt=media")


def struck(script: Script, *requests: tuple[str, str, str, str]) -> list[Fault | None]:
    return [script.strike(Exchange(*request)) for request in requests]


def test_without_rules_nothing_is_struck() -> None:
    assert struck(Script(), INSERT, GET) == [None, None]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [0]),
        ({"times": None}, [0, 1, 2, 3, 4, 5]),
        ({"nth": 3}, [2]),
        ({"nth": 2, "times": 2}, [1, 2]),
        ({"nth": 5, "times": None}, [4, 5]),
        ({"nth": 9}, []),
    ],
)
def test_a_rule_strikes_from_one_match_on_and_so_many(given: dict[str, Any], expected: list[int]) -> None:
    faults = struck(Script([Rule(fault=Refuse(), **given)]), *[INSERT] * 6)
    assert [number for number, fault in enumerate(faults) if fault] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"call": "bigquery.insert_job"}, [INSERT]),
        ({"call": "bigquery.*"}, [INSERT, GET]),
        ({"door": "function_*"}, [MEDIA]),
        ({"method": "GET"}, [GET, MEDIA]),
        ({"path": r"jobs/load-\d"}, [GET]),
        ({"path": "location=US", "method": "POST"}, []),
    ],
)
def test_a_rule_strikes_only_what_fits(given: dict[str, Any], expected: list[tuple[str, ...]]) -> None:
    requests = (INSERT, GET, MEDIA)
    faults = struck(Script([Rule(fault=Refuse(), times=None, **given)]), *requests)
    assert [request for request, fault in zip(requests, faults, strict=True) if fault] == expected


def test_a_rule_may_ask_what_stands_in_the_body() -> None:
    script = Script([Rule(fault=Refuse(), body=r'"crc32c": "ab\+c="', times=None)])
    bodies = (b"", b'{"crc32c": "ab+c="}', b'{"crc32c": "abbc="}')
    assert [script.strike(Exchange(*INSERT), body) for body in bodies] == [None, Refuse(), None]
    assert (script.reads_bodies, Script([Rule(fault=Refuse())]).reads_bodies) == (True, False)


def test_only_matches_are_counted() -> None:
    script = Script([Rule(fault=Refuse(), call="bigquery.get_job", nth=2)])
    assert struck(script, INSERT, GET, INSERT, GET, GET) == [None, None, None, Refuse(), None]


def test_the_first_rule_that_strikes_does_and_all_count() -> None:
    script = Script([Rule(fault=Refuse(), nth=2), Rule(fault=Reset(), times=None), Rule(fault=LoseAnswer(), nth=3)])
    assert struck(script, INSERT, INSERT, INSERT) == [Reset(), Refuse(), Reset()]


def test_a_chance_is_drawn_from_the_seed() -> None:
    def drawn(seed: int) -> list[Fault | None]:
        return struck(Script([Rule(fault=Status(503), times=None, chance=0.3)], seed), *[INSERT] * 400)

    assert drawn(1) == drawn(1) != drawn(2)
    assert 80 < sum(fault is not None for fault in drawn(1)) < 160


def test_what_else_is_asked_does_not_change_what_a_rule_draws() -> None:
    rules = [Rule(fault=Refuse(), call="bigquery.get_job", times=None, chance=0.5)]
    alone = struck(Script(rules, 1), *[GET] * 50)
    among = struck(Script([*rules, Rule(fault=Reset(), call="*.insert_job", chance=0.5)], 1), *[INSERT, GET] * 50)
    assert among[1::2] == alone


def test_a_rule_prints_as_what_makes_it_again() -> None:
    rule = Rule(fault=Status(429, "2"), call="storage.*", nth=2, times=None, chance=0.5)
    assert eval(repr(rule)) == rule

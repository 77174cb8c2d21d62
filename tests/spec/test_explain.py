"""A validation error becomes where, what, and what to do."""

from __future__ import annotations

from typing import Any

import pytest


def put(path: tuple[Any, ...], value: Any) -> Any:
    def change(spec: Any) -> None:
        data: Any = {"contract": spec.contract, "pipeline": spec.pipeline}
        for part in path[:-1]:
            data = data.setdefault(part, {}) if isinstance(data, dict) else data[part]
        data[path[-1]] = value

    return change


PROPERTY = ("contract", "schema", 0, "properties", 2)
SAID = [
    (put(("pipeline", "laod"), {}), "laod", "is not a known key", "Did you mean `load`?"),
    (put(("pipeline", "load", "modee"), "x"), "load.modee", "is not a known key", "Did you mean `mode`?"),
    (put(("pipeline", "load", "zzz"), "x"), "load.zzz", "is not a known key", "Known keys here: keep, late"),
    (put(("contract", "schema_"), []), "schema_", "is not a known key", "Did you mean `schema`?"),
    (put(("contract", "id"), 7), "id", "must be text", "Put it in quotes."),
    (put(("pipeline", "load"), "shop.x"), "load", "must be a mapping of keys", "{key: value}"),
    (put(("pipeline", "notify"), {"type": "log"}), "notify", "must be a list", "[one, two]"),
    (put(("pipeline", "notify"), [{"type": "slack"}]), "notify.0", "slack needs `to`", "Change"),
    (put(("pipeline", "notify"), [{"type": "sms"}]), "notify.0.type", "must be 'log', 'slack'", "one of these"),
    (put(("pipeline", "retry"), {"attempts": "3"}), "retry.attempts", "must be a whole number", "without quotes"),
    (put(("pipeline", "retry"), {"attempts": 2.5}), "retry.attempts", "must be a whole number", "fraction"),
    (put(("pipeline", "retry"), {"attempts": 0}), "retry.attempts", "must be at least 1", "Change"),
    (put(("pipeline", "retry"), {"attempts": 99}), "retry.attempts", "must be at most 20", "Change"),
    (put(("pipeline", "retry"), {"base": "10"}), "retry.base", "a duration is a number and a unit", "Change"),
    (put(("pipeline", "transform"), {"dataflow_above": "1g"}), "transform.dataflow_above", "a size is", "Change"),
    (put(("pipeline", "transform"), {"dataflow_above": 1000}), "transform.dataflow_above", "must be text", "in quotes"),
    (put(("pipeline", "transform"), {"shard": "64KB"}), "transform.shard", "at least 100KB", "Change"),
    (put(("pipeline", "transform"), {"above": "1GB"}), "transform.above", "known key", "here: dataflow_above, shard"),
    (put(("pipeline", "format", "header"), "no"), "format.header", "must be true or false", "without quotes"),
    (put(("pipeline", "format", "delimiter"), ";;"), "format.delimiter", "at most 1 character", "Change"),
    (put(("pipeline", "clean"), {"a b": "id"}), "clean.a b", "must match ^[A-Za-z_]", "Change"),
    (put(("pipeline", "load", "table"), "shop"), "load.table", "must match", "Change"),
    # unions: the member of the right shape speaks, and only it
    (put(("pipeline", "mask"), {"note": "md5"}), "mask.note", "must be 'sha256' or 'redact'", "one of these"),
    (put(("pipeline", "mask"), {"note": {"truncate": -1}}), "mask.note.truncate", "at least 0", "Change"),
    (put(("contract", "team"), "shop"), "team", "must be a mapping of keys", "{key: value}"),
    (put(("contract", "team"), {"name": 7}), "team.name", "must be text", "quotes"),
    (put(("contract", "team"), {"members": [{"role": 7}]}), "team.members.0.role", "must be text", "quotes"),
    (put(("contract", "team"), [{"username": 7}]), "team.0.username", "must be text", "quotes"),
    # nested
    (put((*PROPERTY, "logicaltype"), "x"), "schema.0.properties.2.logicaltype", "known key", "`logicalType`?"),
    (put((*PROPERTY, "required"), "yes"), "schema.0.properties.2.required", "true or false", "without quotes"),
    (put((*PROPERTY, "quality"), [{"metrc": "x"}]), "schema.0.properties.2.quality.0.metrc", "known key", "`metric`?"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "key", "message", "fix"), SAID)
def test_a_mistake_is_said_once_at_its_key_in_plain_words(
    spec: Any, change: Any, key: str, message: str, fix: str
) -> None:
    change(spec)
    problem = spec.problem()
    assert problem.key == key
    assert message in problem.message
    assert fix in problem.fix


def test_a_missing_key_is_named_and_its_parents_line_given(spec: Any) -> None:
    del spec.pipeline["load"]["table"]
    problem = spec.problem()
    assert (problem.key, problem.message, problem.fix) == ("load.table", "is missing", "Add `table:` here.")
    assert problem.line == 5


def test_a_misspelt_key_and_the_one_it_leaves_missing_are_both_said(spec: Any) -> None:
    spec.pipeline["load"]["tabel"] = spec.pipeline["load"].pop("table")
    assert {(problem.key, problem.fix) for problem in spec.problems()} == {
        ("load.table", "Add `table:` here."),
        ("load.tabel", "Did you mean `table`?"),
    }


def test_a_range_with_one_end_lacks_an_item(spec: Any) -> None:
    spec.columns[2]["quality"] = [{"metric": "rowCount", "mustBeBetween": [1]}]
    assert spec.problem().fix == "Add the missing items."

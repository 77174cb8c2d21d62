"""The published schema says what the models say, as far as a JSON schema can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from include.spec.document import parse_yaml
from include.spec.schema import PATH, pipeline_schema, schema_text
from include.spec.settings import DATASETS

NAMES = ("events", "inventory", "orders")


def errors(data: Any) -> list[Any]:
    schema = pipeline_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return list(jsonschema.Draft202012Validator(schema).iter_errors(data))


def test_the_file_is_what_the_models_give() -> None:
    assert PATH.read_text(encoding="utf-8") == schema_text(), "run: python -m include.spec.schema"


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_pipelines_are_valid(name: str) -> None:
    assert errors(parse_yaml((DATASETS / name / "pipeline.yaml").read_bytes(), name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_pipelines_point_an_editor_to_it(name: str) -> None:
    path = DATASETS / name / "pipeline.yaml"
    found = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / found).resolve() == PATH.resolve()


def changed(**parts: Any) -> Any:
    def change(pipeline: dict[str, Any]) -> None:
        for key, value in parts.items():
            held = pipeline.get(key)
            pipeline[key] = {**held, **value} if isinstance(held, dict) and isinstance(value, dict) else value

    return change


BROKEN = {
    "a misspelt key": changed(laod={}),
    "a misspelt key below": changed(load={"modee": "x"}),
    "no table": changed(load={"table": None}),
    "an unknown mode": changed(load={"mode": "upsert"}),
    "a table of three parts": changed(load={"table": "a.b.c"}),
    "an address that is no bucket": changed(source={"uri": "/data/*.csv"}),
    "an address that climbs": changed(source={"uri": "gs://b/../x/*.csv"}),
    "an unknown placeholder": changed(source={"uri": "gs://{bucket}/*.csv"}),
    "an interval without a unit": changed(source={"every": "5"}),
    "completeness in two words": changed(source={"complete": "stable 5m"}),
    "completeness without a duration": changed(source={"complete": {"stable": "5"}}),
    "completeness with two values": changed(source={"complete": {"stable": "5m", "manifest": "x"}}),
    "completeness without a value": changed(source={"complete": {}}),
    "a manifest elsewhere": changed(source={"complete": {"manifest": "../x.json"}}),
    "an unknown format": changed(format={"type": "xlsx"}),
    "a delimiter of two": changed(format={"delimiter": "||"}),
    "a size that is none": changed(format={"max_record": "lots"}),
    "a column name that is none": changed(clean={"a b": "id"}),
    "an empty rule": changed(filter=""),
    "a rule that is a number": changed(derive={"note": 5}),
    "an unknown mask": changed(mask={"note": "md5"}),
    "a mask that keeps less than nothing": changed(mask={"note": {"truncate": -1}}),
    "a reference outside its folder": changed(enrich={"with": "../x.csv", "on": "id", "take": ["note"]}),
    "nothing to take": changed(enrich={"with": "reference/x.csv", "on": "id", "take": []}),
    "more than all": changed(tolerate={"quarantined": "200%"}),
    "a share that is a number": changed(tolerate={"quarantined": 0.1}),
    "a bound that is no size": changed(transform={"dataflow_above": "1 gig"}),
    "too many attempts": changed(retry={"attempts": 21}),
    "a slack channel without a name": changed(notify=[{"type": "slack"}]),
    "a webhook without an address": changed(notify=[{"type": "webhook"}]),
    "a webhook that is not https": changed(notify=[{"type": "webhook", "to": "http://h.example"}]),
    "an unknown channel": changed(notify=[{"type": "sms"}]),
    "a source that is text": changed(source="gs://b/*.csv"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_the_schema_refuses_the_models_refuse(spec: Any, what: str) -> None:
    assert errors(spec.pipeline) == []
    BROKEN[what](spec.pipeline)
    for part in spec.pipeline.values():
        for key in [key for key, value in part.items() if value is None] if isinstance(part, dict) else []:
            del part[key]
    assert errors(spec.pipeline)
    assert spec.problems()


@pytest.mark.parametrize("every", ["0s", "61 * * * *", "* * * * MOON", "0 6 * *"])
def test_the_models_know_more_than_the_schema(spec: Any, every: str) -> None:
    spec.pipeline["source"]["every"] = every
    assert spec.problem().key == "source.every"


@pytest.mark.parametrize("every", ["5m", "1h30m", "@daily", "0 6 * * *", "*/15 8-18 * * MON-FRI", "0 0 1,15 JAN,JUL 7"])
def test_schedules_of_each_kind_pass_both(spec: Any, every: str) -> None:
    spec.pipeline["source"]["every"] = every
    assert errors(spec.pipeline) == []
    assert spec.build().pipeline.source.every == every


def _objects(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield part
        for value in part.values():
            yield from _objects(value)
    if isinstance(part, list):
        for item in part:
            yield from _objects(item)


def test_every_key_is_described_and_no_object_is_open() -> None:
    for found in _objects(pipeline_schema()):
        assert found.get("additionalProperties") is not None
        for key, value in found.get("properties", {}).items():
            assert value.get("description"), key


def test_it_says_which_dialect_and_what_it_is() -> None:
    schema = json.loads(PATH.read_text(encoding="utf-8"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == "urn:landfall:pipeline"
    assert schema["title"] == "Landfall pipeline"
    assert schema["$defs"]["Source"]["properties"]["uri"]["examples"]

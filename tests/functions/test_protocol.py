"""What the transform function takes as a request."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from include.functions.protocol import TransformRequest

REQUEST: dict[str, Any] = {
    "dataset": {"name": "orders"},
    "batch_id": "b1",
    "attempt": 2,
    "inputs": [{"file_id": "f1", "uri": "gs://landing/a b.csv", "generation": 7, "size": 3, "crc32c": "AAAAAA=="}],
    "references": {"reference/customers.csv": {"uri": "gs://work/ref", "generation": 1}},
    "output": "gs://work/batches/b1/attempt-2/",
}


def test_a_request_says_where_its_manifest_goes_and_how_it_is_told_from_others() -> None:
    request = TransformRequest.model_validate(REQUEST)
    assert request.manifest == "gs://work/batches/b1/attempt-2/manifest.json"
    assert request.idempotency_key == "b1-2"


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("batch_id", "../b1", "batch_id"),
        ("batch_id", "", "batch_id"),
        ("attempt", 0, "attempt"),
        ("attempt", "2", "attempt"),
        ("inputs", [], "inputs"),
        ("output", "gs://work/batches/b1/attempt-1/", ""),
        ("output", "gs://work/batches/b1/attempt-2", ""),
        ("output", "gs://work/../b1/attempt-2/", ""),
        ("output", "/tmp/b1/attempt-2/", "output"),
        ("output", "gs://UPPER/b1/attempt-2/", "output"),
        ("unknown", 1, "unknown"),
    ],
)
def test_what_is_no_request_is_refused_at_its_field(key: str, value: Any, place: str) -> None:
    with pytest.raises(ValidationError) as raised:
        TransformRequest.model_validate(REQUEST | {key: value})
    assert ".".join(map(str, raised.value.errors()[0]["loc"])) == place


@pytest.mark.parametrize(
    ("key", "value"), [("size", -1), ("generation", -1), ("uri", "https://x/y"), ("uri", "gs://b")]
)
def test_an_input_must_be_pinned(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        TransformRequest.model_validate(REQUEST | {"inputs": [REQUEST["inputs"][0] | {key: value}]})

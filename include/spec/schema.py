"""The JSON schema of `pipeline.yaml`, for editors; `python -m include.spec.schema` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from include.spec.pipeline import Pipeline

PATH = Path(__file__).with_name("pipeline.schema.json")
_HEAD = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:landfall:pipeline",
    "title": "Landfall pipeline",
}


def pipeline_schema() -> dict[str, Any]:
    """Return what an editor holds a `pipeline.yaml` against; the models (`landfall check`) know more."""
    return {**_HEAD, **_tidied(Pipeline.model_json_schema(by_alias=True)), "title": _HEAD["title"]}


def _tidied(part: Any) -> Any:  # noqa: ANN401 - a piece of JSON
    """Close what pydantic leaves open (keys that no pattern allows), and drop titles that repeat the key."""
    if isinstance(part, list):
        return [_tidied(item) for item in part]
    if not isinstance(part, dict):
        return part
    found = {key: _tidied(value) for key, value in part.items()}
    if "patternProperties" in found:
        found["additionalProperties"] = False
    if isinstance(found.get("properties"), dict):
        for value in found["properties"].values():
            value.pop("title", None)
    return found


def schema_text() -> str:
    """Return the schema as it stands in `pipeline.schema.json`."""
    return json.dumps(pipeline_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(schema_text(), encoding="utf-8")

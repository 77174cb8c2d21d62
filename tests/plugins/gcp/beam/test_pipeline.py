"""The pipeline itself as a process of the task, by the seam that the stand-in has: its answer and its reasons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from landfall.errors import TerminalFailure
from landfall.gcp.beam_process import PROGRAM, ProcessJob
from landfall.gcp.large import LargeBatch
from landfall.gcp.transform import transform_batch
from tests.plugins.gcp.steps import Steps

CONTEXT: Any = {}


@pytest.fixture
def masked(steps: Steps, large: Callable[[], LargeBatch], tmp_path: Path) -> Callable[[], LargeBatch]:
    """Return the batch of a file whose names are masked, planned with the names of the function's keys."""
    from landfall.gcp.function import ask_function

    path = tmp_path / steps.name / "pipeline.yaml"
    path.write_text(path.read_text() + "mask: {name: sha256}\n")

    def make() -> LargeBatch:
        it = large()
        keys = ask_function(it.site.settings.function_url).keys
        return LargeBatch(it.site, it.plan.model_copy(update={"keys": keys}), it.batch)

    return make


@pytest.mark.long
def test_the_pipeline_answers_as_the_function_does_under_the_same_keys(masked: Callable[[], LargeBatch]) -> None:
    import pyarrow.parquet as pq
    from google.cloud import storage

    it = masked()
    client = storage.Client(project="landfall-local")

    def rows(uri: str) -> list[dict[str, Any]]:
        import io
        import json

        bucket, _, name = uri.removeprefix("gs://").partition("/")
        manifest = json.loads(client.bucket(bucket).blob(name).download_as_bytes())
        parts = [part.removeprefix(f"gs://{bucket}/") for part in manifest["good"]]
        contents = [client.bucket(bucket).blob(part).download_as_bytes() for part in parts]
        return [row for content in contents for row in pq.read_table(io.BytesIO(content)).to_pylist()]

    by_beam = ProcessJob(it, PROGRAM).run(CONTEXT)
    by_function = transform_batch(it.site, it.plan, it.batch, 1)
    assert {**by_beam, "manifest": ""} == {**by_function, "manifest": ""}
    assert rows(by_beam["manifest"]) == rows(by_function["manifest"])
    assert len({row["name"] for row in rows(by_beam["manifest"])} - {"a", "b"}) == 2


@pytest.mark.slow
def test_the_pipeline_says_why_it_cannot(large: Callable[[], LargeBatch]) -> None:
    it = large()
    gone = it.batch.files[0]
    it.site.storage.delete(gone.uri)
    with pytest.raises(TerminalFailure, match="job 1 of the batch failed: input_missing") as caught:
        ProcessJob(it, PROGRAM).run(CONTEXT)
    assert caught.value.code == "input_missing"

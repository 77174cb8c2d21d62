"""Fixtures of the tests of replays."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins.gcp.replay.replays import Replays


@pytest.fixture
def replays(
    request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Replays]:
    """Make datasets, each named after its test."""
    from google.cloud import storage

    from landfall.gcp.warehouse import Warehouse

    def make(mode: str = "append", more: str = "") -> Replays:
        test, _, case = request.node.name.partition("[")
        name = re.sub(r"\W+", "_", f"{test[5:45]}_{case[:20].lower()}").rstrip("_")
        bucket = storage.Client(project="landfall-local").bucket("landfall-landing")
        for blob in bucket.client.list_blobs(bucket, prefix=f"{name}/"):
            blob.delete()
        made = Replays(name, bucket, Warehouse("google_cloud_default", "landfall-local", "US").query)
        made.begin(tmp_path, mode, more)
        monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
        monkeypatch.setattr("landfall.gcp.selection.has_ended", lambda _context, _run_id: True)
        return made

    return make

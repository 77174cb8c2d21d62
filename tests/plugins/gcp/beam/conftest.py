"""One large file of a dataset of its own, and the stand-in for the pipeline."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.functions.protocol import TransformRequest
from landfall.gcp.large import LargeBatch
from tests.plugins.gcp.beam.service import Dataflow, Redirected
from tests.plugins.gcp.steps import HEADER, Steps, named_after

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))
TEMPLATE = "gs://landfall-work/templates/landfall.json"
IMAGE = "europe-west1-docker.pkg.dev/p/landfall/dataflow@sha256:abc"
MASK = "projects/p/secrets/mask/versions/3"
ROWS = HEADER + "1,2026-01-01,a\n2,2026-01-01,b\n"


@pytest.fixture
def steps(request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """A dataset whose every batch is one file, for Dataflow."""
    from include.ledger import plan

    made = Steps(named_after(request))
    made.write(tmp_path, complete="none", mode="append", glob="*.csv")
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    monkeypatch.setattr("landfall.gcp.beam_process.PROGRAM", STAND_IN)
    packed = plan.make_plan

    def all_large(*args: Any, **named: Any) -> plan.Plan:
        found = packed(*args, **named)
        batches = tuple(batch.model_copy(update={"runner": "dataflow"}) for batch in found.batches)
        return found.model_copy(update={"batches": batches})

    monkeypatch.setattr(plan, "make_plan", all_large)
    return made


@pytest.fixture
def large(steps: Steps) -> Callable[[], LargeBatch]:
    """Return the batch of one file that has landed."""

    def make() -> LargeBatch:
        from include.ledger import plan
        from include.ledger.identity import content_hash
        from landfall.gcp.landing import Site

        steps.land("a.csv", ROWS)
        site = Site.of(steps.name)
        landed = site.storage.find(*site.source)
        made = plan.make_plan(site.dataset, landed, run_id=content_hash(b"run"), references={}, force=False)
        return LargeBatch(site, made, made.batches[0])

    return make


class Heard(logging.Handler):
    """Calls back with each line that a job's log gets."""

    def __init__(self, callback: Callable[[str], None]) -> None:
        super().__init__()
        self.callback = callback

    def emit(self, record: logging.LogRecord) -> None:
        self.callback(record.getMessage())


@pytest.fixture
def hear() -> Any:
    log = logging.getLogger("landfall.gcp.beam_process")
    before, handlers = log.level, []

    def start(callback: Callable[[str], None]) -> None:
        handlers.append(Heard(callback))
        log.addHandler(handlers[-1])
        log.setLevel(logging.INFO)

    yield start
    for handler in handlers:
        log.removeHandler(handler)
    log.setLevel(before)


@pytest.fixture
def dataflow(in_cloud: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dataflow]:
    """A Dataflow to which the provider's hook is led, and a deployment that names a template."""
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
    from google.cloud import storage

    service = Dataflow()
    port = service.server.server_port
    monkeypatch.setattr(GoogleBaseHook, "_authorize", lambda _: Redirected(port))
    # The client waits up to a minute between its own tries.
    monkeypatch.setattr("googleapiclient.http.time", SimpleNamespace(sleep=lambda _: None, time=time.time))
    named = {
        "DATAFLOW": TEMPLATE,
        "DATAFLOW_REGION": "europe-west1",
        "DATAFLOW_ACCOUNT": "workers@p.iam.gserviceaccount.com",
        "DATAFLOW_SUBNETWORK": "regions/europe-west1/subnetworks/landfall",
        "DATAFLOW_WORKERS": "7",
        "MASK_KEY_SECRET": MASK,
        "RAW_KEY_SECRET": "",
    }
    for name, value in named.items():
        monkeypatch.setenv(f"LANDFALL_{name}", value)
    bucket = storage.Client(project="landfall-local").bucket("landfall-work")
    bucket.blob("templates/landfall.json").upload_from_string(json.dumps({"image": IMAGE}))
    yield service
    service.server.shutdown()
    service.server.server_close()


def publish(request: TransformRequest) -> None:
    """Publish what a job would, by the function's code."""
    from google.cloud import storage

    from include.functions.gcp.objects import Objects
    from include.functions.gcp.secrets import read_keys
    from include.functions.job import run_job
    from include.spec.settings import Settings

    run_job(request, Objects(storage.Client(project="landfall-local")), Settings.from_environment(), read_keys())

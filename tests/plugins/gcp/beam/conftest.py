"""One large file of a dataset of its own, and the stand-in for the pipeline."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from landfall.gcp.large import LargeBatch
from tests.plugins.gcp.steps import HEADER, Steps, named_after

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))
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

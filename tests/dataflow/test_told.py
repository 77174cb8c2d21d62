"""What a job tells of itself while it works: Beam's counters, and lines of its workers' logs."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from include.dataflow.main import _of_worker
from include.dataflow.work import worker
from include.functions.protocol import TransformRequest
from tests.dataflow.builder import FolderStore, job
from tests.engine.builder import column, dataset

CONTENT = b"id,name\n" + b"".join(b'%d,"a\nb"\n' % n if n % 10 else b"x,bad\n" for n in range(200)) + b"1,again\n"


@pytest.mark.parametrize("shard_bytes", [len(CONTENT) // 4, 64 << 20], ids=["in shards", "as a whole"])
def test_beams_counters_are_the_counts_of_the_run(shard_bytes: int, tmp_path: Path) -> None:
    import apache_beam as beam
    from apache_beam.metrics import MetricsFilter

    from include.dataflow.pipeline import NAMESPACE, build

    spec = dataset(column("id", "integer", primaryKey=True), column("name"), tolerate={"quarantined": "50%"})
    given = job(spec, CONTENT, tmp_path, shard_bytes=shard_bytes)
    pipeline = beam.Pipeline(runner="DirectRunner")
    build(pipeline, given, worker(given).why_whole())
    result = pipeline.run()
    result.wait_until_finish()
    found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]
    counters = {counter.key.metric.name: counter.committed for counter in found}
    manifest = TransformRequest.model_validate_json(given.request).manifest
    published = json.loads(FolderStore(tmp_path).path(manifest).read_text())
    assert (published["records"], published["loaded"], published["duplicates"]) == (201, 180, 1)
    # What a whole file's worker has loaded is without duplicates; a shard does not know of them yet.
    good = 180 if shard_bytes > len(CONTENT) else 181
    assert counters == {"records": 201, "good": good, "bad": published["quarantined"], "bytes": len(CONTENT)}


@pytest.mark.parametrize(
    ("message", "passed"),
    [
        ("progress: shard 1 of 3: 4,095 records", "progress: shard 1 of 3: 4,095 records"),
        ('landfall: its set\'s "manifest" – at C:\\x', 'landfall: its set\'s "manifest" – at C:\\x'),
        ("a line of Beam's", None),
    ],
)
def test_a_workers_line_is_passed_on_as_it_was_said(message: str, passed: str | None) -> None:
    from apache_beam.portability.api import beam_fn_api_pb2

    # As the direct runner logs what its workers said.
    entry = beam_fn_api_pb2.LogEntry(message=message, severity=3, log_location="pipeline.py:1", thread="Thread-1")
    text = str(entry).replace("\n", " ")
    record = logging.LogRecord("apache_beam", logging.INFO, "", 0, "Worker: %s", (text,), None)
    assert _of_worker(record) == bool(passed)
    if passed:
        assert record.getMessage() == passed

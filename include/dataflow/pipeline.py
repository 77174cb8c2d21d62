"""The job of a large file as a Beam pipeline: which step follows which; `work` has the steps.

    ranges -> scout -> resolve -> read -> hashes -> repeating -> suspects -> losers -> thin -> finish

Without keys, `read` is followed by `finish`. A file that cannot be split is one element, read as the function reads it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

from include.dataflow.work import Job, Worker, telling, worker
from include.engine.keys import key_sets
from include.engine.shard_result import ShardPart, ShardResult
from include.engine.shards import Range, Shard

NAMESPACE = "landfall"
# Each shard tells its hashes in so many arrays; a billion and a half of rows make 25 MB of one of them, of all shards.
HASH_RANGES = 256
# Dataflow gives a worker's process a dozen threads; each shard that is read takes half a gigabyte.
ONE_AT_A_TIME = "--number_of_worker_harness_threads=1"
log = logging.getLogger(__name__)


class Step(beam.DoFn):
    """A step that yields what a function of the worker and the element yields."""

    def __init__(self, job: Job, do: Callable[[Worker, Any], Iterable[Any]]) -> None:
        self._job, self._do = job, do

    def process(self, element: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever the step before gave
        """Do the step; what goes wrong for good is told beside the manifest's place."""
        with telling(self._job):
            yield from self._do(worker(self._job), element)


def run_pipeline(job: Job, why_whole: str, options: Sequence[str]) -> None:
    """Make a job's pipeline, and run it; on Dataflow's launcher, only make it.

    Args:
        job: the job.
        why_whole: why the file is not split; empty: it is.
        options: Beam's.

    Raises:
        RuntimeError: a worker failed; what went wrong is told beside the manifest's place.
    """
    pipeline = beam.Pipeline(options=PipelineOptions([ONE_AT_A_TIME, *options]))
    build(pipeline, job, why_whole)
    pipeline.run().wait_until_finish()


def build(pipeline: beam.Pipeline, job: Job, why_whole: str) -> None:
    """Add a job's steps to a pipeline.

    Args:
        job: the job.
        why_whole: why the file is not split; empty: it is.
    """

    def step(name: str, do: Callable[[Worker, Any], Iterable[Any]]) -> Any:  # noqa: ANN401
        return name >> beam.ParDo(Step(job, do))

    if why_whole:
        pipeline | beam.Create([why_whole]) | step("read", _whole)
        return
    doing = worker(job)
    ranges = doing.ranges()
    scouted = pipeline | beam.Create(ranges) | "spread ranges" >> beam.Reshuffle() | step("scout", _scout)
    shards = scouted | beam.combiners.ToList() | step("resolve", _resolve)
    results = shards | "spread shards" >> beam.Reshuffle() | step("read a shard", _read)
    if key_sets(doing.dataset):
        results_and_parts = _settled(results, step, min(len(ranges), HASH_RANGES))
    else:
        results_and_parts = results | step("keep", _keep)
    results_and_parts | "all parts" >> beam.combiners.ToList() | step("finish", _finish)


def _settled(results: Any, step: Callable[..., Any], ranges: int) -> Any:  # noqa: ANN401 - PCollections
    """Take the duplicates out: each shard's number, what it gave, and the parts that are left."""
    hashes = results | step("hashes", lambda doing, told: doing.hashes(*told, ranges))
    repeating = hashes | "by range" >> beam.GroupByKey() | step("repeating", _repeating)
    asked = {"result": results, "told": repeating} | "ask shards" >> beam.CoGroupByKey()
    suspects = asked | step("suspects", lambda doing, told: _suspects(doing, told, ranges))
    lost = suspects | "by group" >> beam.GroupByKey() | step("losers", lambda doing, told: doing.losers(told[1]))
    answered = {"result": results, "lost": lost} | "answer shards" >> beam.CoGroupByKey()
    return answered | step("thin", _thin)


def _whole(doing: Worker, why: str) -> Iterator[dict[str, int]]:
    log.info("landfall: the file is read by one worker: %s", why)
    counts = doing.whole()
    _count(counts["records"], counts["loaded"], counts["quarantined"], doing.request.inputs[0].size)
    yield counts


def _scout(doing: Worker, wanted: Range) -> Iterator[Any]:
    yield doing.scout(wanted)


def _resolve(doing: Worker, scouted: list[Any]) -> Iterator[tuple[int, Shard, int]]:
    shards = doing.resolve(scouted)
    log.info("landfall: cut into %d shards", len(shards))
    for number, shard in shards:
        yield number, shard, len(shards)


def _read(doing: Worker, element: tuple[int, Shard, int]) -> Iterator[tuple[int, ShardResult]]:
    number, shard, shards = element
    result = doing.read(number, shard)
    _count(result.records, result.good, result.failed, result.size)
    log.info(
        "progress: shard %d of %d: %s records (%s good, %s bad), %s bytes",
        number + 1, shards, f"{result.records:,}", f"{result.good:,}", f"{result.failed:,}", f"{result.size:,}",
    )  # fmt: skip
    yield number, result


def _keep(_: Worker, element: tuple[int, ShardResult]) -> Iterator[tuple[int, ShardResult, tuple[ShardPart, ...]]]:
    number, result = element
    yield number, result, result.parts


def _repeating(doing: Worker, element: tuple[tuple[int, int], Iterable[Any]]) -> Iterable[Any]:
    (key, place), told = element
    return doing.repeating(key, place, told)


def _suspects(doing: Worker, element: tuple[int, dict[str, list[Any]]], ranges: int) -> Iterable[Any]:
    number, found = element
    if not found["told"]:
        return ()
    return doing.suspects(number, found["result"][0], found["told"], ranges)


def _thin(doing: Worker, element: tuple[int, dict[str, list[Any]]]) -> Iterator[Any]:
    number, found = element
    result = found["result"][0]
    yield number, result, doing.thin(number, result, found["lost"])


def _finish(doing: Worker, done: list[Any]) -> Iterator[dict[str, int]]:
    counts = doing.finish(done)
    log.info("progress: all shards: %s", ", ".join(f"{count:,} {name}" for name, count in counts.items()))
    yield counts


def _count(records: int, good: int, bad: int, size: int) -> None:
    for name, count in (("records", records), ("good", good), ("bad", bad), ("bytes", size)):
        Metrics.counter(NAMESPACE, name).inc(count)

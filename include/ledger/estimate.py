"""Estimates what a batch costs by the function and on Dataflow, from a price table and the engine's measured pace.

An estimate tells which choice is dearer and by how much, roughly: the pace is that of one CSV file on one machine.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from include.ledger.runner import Sized
from include.spec.dataset import Dataset
from include.spec.document import parse_yaml
from include.spec.model import Model

PRICES = Path(__file__).with_name("prices.yaml")

# docs/performance.md, "The engine": 5M orders as CSV, 663 MB, take 9.1 s and 14.0 s of CPU on two cores.
WALL_SECONDS_PER_BYTE = 9.1 / 663e6
CPU_SECONDS_PER_BYTE = 14.0 / 663e6
BYTES_PER_RECORD = 663e6 / 5e6
# The same, "cold start".
FUNCTION_START_SECONDS = 1.14
# The machine of that measurement, with the gigabyte that the engine is held to there.
FUNCTION_VCPUS, FUNCTION_GIB = 2, 1.0
# The call of a function is given up after this long.
FUNCTION_MOST_SECONDS = 3_600.0

# The workers' machines; jobs are begun with these.
MACHINE, WORKER_VCPUS, WORKER_GB = "e2-standard-2", 2, 8.0
# Assumed, not measured: minutes until a machine and its container are up, so many workers that each has ten minutes of
# work, and text that is a quarter as long compressed.
WORKER_START_SECONDS = 180.0
WORKER_SECONDS, MOST_WORKERS = 600.0, 10
INFLATED = 4
# What is shuffled is a hash of the key and the place of its record.
SHUFFLED_PER_RECORD = 16


class Tariff(Model):
    """What one service asks for.

    Args:
        source: the page, and which prices of it.
        as_of: the month of which they are.
        each: USD for one unit of what is used.
    """

    source: str
    as_of: str
    each: dict[str, float]


class Prices(Model):
    """The price table."""

    currency: str
    region: str
    function: Tariff
    dataflow: Tariff


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one choice takes.

    Args:
        usd: by list prices.
        seconds: from start to end; several jobs on Dataflow run side by side.
        uses: unit of the price table to how many of it.
        possible: it ends before it is given up.
    """

    usd: float
    seconds: float
    uses: Mapping[str, float]
    possible: bool = True


@functools.cache
def prices() -> Prices:
    """Return the price table in `prices.yaml`."""
    return Prices.model_validate(parse_yaml(PRICES.read_bytes(), PRICES.name))


def by_function(dataset: Dataset, files: Sequence[Sized]) -> Estimate:
    """Estimate one call of the function for a batch."""
    seconds = FUNCTION_START_SECONDS + WALL_SECONDS_PER_BYTE * sum(_inflated(dataset, file) for file in files)
    uses = {"vcpu_seconds": seconds * FUNCTION_VCPUS, "gib_seconds": seconds * FUNCTION_GIB, "invocations": 1.0}
    return Estimate(_usd(uses, prices().function), seconds, uses, seconds <= FUNCTION_MOST_SECONDS)


def by_dataflow(dataset: Dataset, files: Sequence[Sized]) -> Estimate:
    """Estimate a batch on Dataflow: one job for each file."""
    jobs = [_job(dataset, file) for file in files]
    uses = {unit: math.fsum(used[unit] for _, used in jobs) for unit in prices().dataflow.each}
    return Estimate(_usd(uses, prices().dataflow), max(seconds for seconds, _ in jobs), uses)


def _job(dataset: Dataset, file: Sized) -> tuple[float, dict[str, float]]:
    """Return how long a job takes, and what it uses."""
    from include.engine.shards import why_whole

    size = _inflated(dataset, file)
    # A worker of two cores keeps both busy with two shards, and with one as the engine does by itself.
    if why_whole(dataset, file.name):
        workers, busy = 1, WALL_SECONDS_PER_BYTE * size
    else:
        work = CPU_SECONDS_PER_BYTE * size / WORKER_VCPUS
        workers = min(max(1, math.ceil(work / WORKER_SECONDS)), MOST_WORKERS)
        busy = work / workers
    seconds = WORKER_START_SECONDS + busy
    hours = workers * seconds / 3_600
    shuffled = SHUFFLED_PER_RECORD * size / BYTES_PER_RECORD / 1e9 if dataset.key else 0.0
    return seconds, {"vcpu_hours": hours * WORKER_VCPUS, "gb_hours": hours * WORKER_GB, "shuffle_gb": shuffled}


def _inflated(dataset: Dataset, file: Sized) -> int:
    from include.engine.shards import compression_of

    return file.size * (1 if compression_of(dataset.pipeline.format, file.name) == "none" else INFLATED)


def _usd(uses: Mapping[str, float], tariff: Tariff) -> float:
    return math.fsum(amount * tariff.each[unit] for unit, amount in uses.items())

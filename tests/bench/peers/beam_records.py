"""Beam as its own examples have it: a row is an element, each is checked by itself, and keys are grouped row by row."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from tests.bench.engine_data import SCHEMA
from tests.bench.peers.beam_engine import OPTIONS
from tests.bench.peers.common import NAMES, typed

GOOD = pa.schema([field for field in SCHEMA if field.name != "record"])


def rows(source: str) -> Iterator[dict[str, str]]:
    """Read a file's rows."""
    with open(source, newline="", encoding="utf-8", errors="replace") as file:
        yield from csv.DictReader(file)


def check(row: dict[str, str]) -> Iterator[Any]:
    """Type a row."""
    try:
        yield dict(zip(NAMES, typed(row), strict=True))
    except (ValueError, TypeError, KeyError):
        yield beam.pvalue.TaggedOutput("bad", repr(row))


def first(group: tuple[Any, Iterable[dict[str, Any]]]) -> dict[str, Any]:
    """Keep one row of each key."""
    return next(iter(group[1]))


def main(source: str, out: str) -> None:
    """Write good rows as Parquet and bad ones as text."""
    with beam.Pipeline(options=PipelineOptions(list(OPTIONS))) as pipeline:
        read = pipeline | beam.Create([source]) | beam.FlatMap(rows) | beam.Reshuffle()
        found = read | beam.FlatMap(check).with_outputs("bad", main="good")
        keyed = found.good | beam.WithKeys(lambda row: row["order_id"]) | beam.GroupByKey() | beam.Map(first)
        keyed | beam.io.WriteToParquet(f"{out}/good", GOOD)
        found.bad | beam.io.WriteToText(f"{out}/bad")


if __name__ == "__main__":
    main(*sys.argv[1:])

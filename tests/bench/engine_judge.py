"""Holds what a program wrote against the truth: bad records found where they stand, good rows lost, exact values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.engine_data import SCHEMA, Data

RECORD = "_landfall_record"


@dataclass(frozen=True)
class Verdict:
    """How right an answer is.

    Args:
        bad: bad records in the file.
        found: those that were reported at their line; of duplicates, which are counted, those left out.
        with_raw: those reported with their exact bytes too.
        lost: good rows that are not in the answer.
        wrong: what is not exactly as it should be; empty: nothing.
    """

    bad: int
    found: int | None = None
    with_raw: int | None = None
    lost: int | None = None
    wrong: str = ""


def judge_engine(data: Data, out: Path) -> Verdict:
    """Compare every good row and value, and every quarantined record, with the truth."""
    manifest = json.loads((out / "manifest.json").read_text())
    bad = list(data.bad_records())
    twins = [record for record in bad if record["kind"] == "duplicate"]
    quarantined = {
        row["record"]: row
        for name in manifest["quarantine"]
        for row in pq.read_table(out / name, columns=["record", "line", "byte_offset", "raw"]).to_pylist()
    }
    places = [quarantined.get(record["record"]) for record in bad if record["kind"] != "duplicate"]
    wanted = [record for record in bad if record["kind"] != "duplicate"]
    hits = [found is not None and (found["line"], found["byte_offset"]) == (record["line"], record["offset"])
            for record, found in zip(wanted, places, strict=True)]  # fmt: skip
    raws = [hit and found is not None and found["raw"] == record["raw"]
            for hit, record, found in zip(hits, wanted, places, strict=True)]  # fmt: skip
    ours = pa.concat_tables([pq.read_table(out / name) for name in manifest["good"]])
    ours = ours.sort_by(RECORD)  # rows that might have been duplicates are written last
    wrong = _compare(ours, pq.read_table(data.good))
    extra = len(quarantined) - sum(hits)
    if extra:
        wrong = wrong or f"{extra} records are quarantined that should not be, or stand elsewhere"
    left_out = manifest["duplicates"] if manifest["duplicates"] == len(twins) and not wrong else 0
    lost = data.rows - len(bad) - ours.num_rows
    return Verdict(len(bad), sum(hits) + left_out, sum(raws) + left_out, lost, wrong)


def _compare(ours: pa.Table, truth: pa.Table) -> str:
    """Name the first difference between two tables of good rows."""
    records = truth.column("record")
    if not ours.column(RECORD).equals(records):
        return "the good rows are not those that they should be"
    for field in SCHEMA:
        if field.name != "record" and not ours.column(field.name).equals(truth.column(field.name)):
            return f"values of {field.name} differ"
    return ""


def judge_peer(data: Data, out: Path) -> Verdict:
    """Compare a peer's rows, by their key, and what it reported, with the truth."""
    parts = sorted(out.glob("good-*.parquet"))
    truth = pq.read_table(data.good, columns=["order_id"]).column(0).to_numpy()
    theirs = [pq.read_table(part, columns=["order_id"]).column(0).to_numpy() for part in parts]
    lost = int(np.count_nonzero(~np.isin(truth, np.concatenate(theirs)))) if theirs else len(truth)
    bad = {record["line"]: record["raw"] for record in data.bad_records()}
    reported = {row["line"]: row["raw"] for row in _reported(out) if row["line"] in bad}
    with_raw = sum(raw is not None and bad[line] in _bytes(raw) for line, raw in reported.items())
    return Verdict(len(bad), len(reported), with_raw, lost)


def _reported(out: Path) -> Iterator[dict[str, object]]:
    path = out / "found.jsonl"
    if path.exists():
        yield from map(json.loads, path.read_text().splitlines())


def _bytes(text: object) -> tuple[bytes, ...]:
    whole = str(text).rstrip("\r\n")
    return (whole.encode(errors="replace"), whole.encode("latin-1", errors="replace"))

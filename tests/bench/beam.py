"""`make bench BEAM=1`: large files on two local processes, against the engine on halves and Beam's usual way.

python -m tests.bench.beam [--rows N] [--rounds N] [--growth N…] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from include.engine.files import FileReader, FileState, Input
from include.engine.shards import Range, scout
from include.spec.dataset import Dataset
from local.paths import BUILD
from tests.bench.engine import FOLDER, command, environment
from tests.bench.engine_bounds import Bound
from tests.bench.engine_data import Data, make
from tests.bench.engine_judge import judge_engine
from tests.bench.engine_orders import wire
from tests.bench.engine_process import Cost, run

ROWS, ROUNDS = 20_000_000, 3
GROWTH = (1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000)
RECORDS = 200_000  # rows of the way that makes an element of each


@dataclass(frozen=True)
class Run:
    """One whole process, or a few that one started."""

    name: str
    rows: int
    cost: Cost


def halves(data: Data) -> list[Path]:
    """Return the file's halves, each with its header, cut where a record begins."""
    paths = [data.path.with_suffix(f".half-{number}.csv") for number in range(2)]
    if all(path.exists() for path in paths):
        return paths
    size = data.path.stat().st_size
    reader = FileReader(Dataset.from_wire(wire("csv")), block=4 << 20, inflated_limit=1 << 40, progress=lambda *_: None)
    header = reader.header(FileState(0, Input("half", "gs://a/half", lambda: data.path.open("rb"), size))) or b""
    with data.path.open("rb") as source:
        found = scout(source, Range(0, size // 2), reader.framer)
        middle = found.next.offset if found.next else size
        for path, (start, stop) in zip(paths, ((0, middle), (middle, size)), strict=True):
            source.seek(start)
            with path.open("wb") as half:
                half.write(header + b"\n" if start else b"")
                left = stop - start
                while left:
                    left -= half.write(source.read(min(left, 8 << 20)))
    return paths


def measure(name: str, rows: int, *arguments: object) -> Run:
    """Run a program on a file."""
    out = FOLDER / "out"
    print(f"bench: {name}, {rows:,} rows", file=sys.stderr, flush=True)
    return Run(name, rows, run(command("airflow", name, *arguments, out), out, environment()))


def median(runs: Sequence[Run]) -> Run:
    """Return the medians of a program's runs."""
    middle = {name: statistics.median(getattr(one.cost, name) for one in runs)
              for name in ("cpu_s", "wall_s", "rss_mb", "with_files_mb")}  # fmt: skip
    error = next((one.cost.error for one in runs if one.cost.error), "")
    return Run(runs[0].name, runs[0].rows, Cost(**middle, error=error))


def slope(runs: Sequence[Run]) -> tuple[float, float]:
    """Return CPU seconds for each million rows more, and by how much the dearest and cheapest step part from that."""
    rows, cpu = np.array([one.rows for one in runs]) / 1e6, np.array([one.cost.cpu_s for one in runs])
    steps = np.diff(cpu) / np.diff(rows)
    whole = (cpu[-1] - cpu[0]) / (rows[-1] - rows[0])
    return float(whole), float(np.abs(steps / whole - 1).max())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 where the answer is not exact."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.beam", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--growth", type=int, nargs="*", default=GROWTH, help="rows of the files for the plot")
    parser.add_argument("--out", type=Path, default=BUILD / "bench-beam.json")
    options = parser.parse_args(arguments)
    data = make(FOLDER / "data", options.rows, "csv")
    parts = halves(data)
    runs: dict[str, list[Run]] = {"beam_engine": [], "halves": [], "beam_records": []}
    wrong = ""
    for turn in range(options.rounds):
        runs["beam_engine"].append(measure("beam_engine", data.rows, data.path))
        if not turn and not runs["beam_engine"][0].cost.error:
            wrong = judge_engine(data, FOLDER / "out" / "batch-000").wrong
        runs["halves"].append(measure("halves", data.rows, *parts))
    small = make(FOLDER / "data", min(RECORDS, data.rows), "csv")
    runs["beam_records"].append(measure("beam_records", small.rows, small.path))
    growth = []
    for rows in (rows for rows in options.growth if rows <= options.rows):
        path = make(FOLDER / "data", rows, "csv").path
        whole = runs["beam_engine"] if rows == options.rows else []
        growth.append(median(whole or [measure("beam_engine", rows, path) for _ in range(options.rounds)]))
    shutil.rmtree(FOLDER / "out", ignore_errors=True)
    ours, theirs, usual = (median(runs[name]) for name in ("beam_engine", "halves", "beam_records"))
    each, parting = slope(growth) if len(growth) > 1 else (0.0, None)
    judged = [
        Bound("wall, times the engine twice at once on halves", 1.5, 1.2, _ratio(ours.cost.wall_s, theirs.cost.wall_s)),
        Bound("peak RSS of a process, MB", 800, 600, ours.cost.rss_mb),
        Bound("CPU per row less than Beam record by record, times", 10, 10,
              _ratio(usual.cost.cpu_s / usual.rows, ours.cost.cpu_s / ours.rows), True),
        Bound("CPU of a step of the plot apart from all, at most", 0.15, 0.15, parting and round(parting, 3)),
    ]  # fmt: skip
    for one in (ours, theirs, usual, *growth):
        print(f"{one.name:14} {one.rows:>12,} rows {one.cost.cpu_s:8.1f} s CPU {one.cost.wall_s:8.1f} s wall "
              f"{one.cost.rss_mb:7.0f} MB  {one.cost.error}")  # fmt: skip
    print(f"CPU for each million rows more: {each:.2f} s")
    for bound in judged:
        print(f"{bound.what}: {bound.measured} (must {bound.must}, aim {bound.aim}): {bound.verdict}")
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    content = {
        "rows": options.rows, "rounds": options.rounds, "machine": machine, "wrong": wrong,
        "measured": [asdict(one) for one in (ours, theirs, usual)], "growth": [asdict(one) for one in growth],
        "bounds": [{**asdict(bound), "verdict": bound.verdict} for bound in judged],
    }  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    failed = wrong or next((one.cost.error for one in (ours, theirs, usual, *growth) if one.cost.error), "")
    if failed:
        print(f"bench: not exact, or failed: {failed}", file=sys.stderr)
    return 1 if failed else 0


def _ratio(one: float, other: float) -> float | None:
    return round(one / other, 2) if other else None


if __name__ == "__main__":
    sys.exit(main())

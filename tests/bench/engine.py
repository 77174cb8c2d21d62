"""`make bench`: the engine and its peers on the same file, in alternation, each as a whole process.

python -m tests.bench.engine [--rows N] [--rounds N] [--only NAME…] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from local.paths import BUILD, ROOT, python_of
from tests.bench.engine_bounds import bounds, table
from tests.bench.engine_data import Data, make, make_small_files
from tests.bench.engine_judge import Verdict, judge_engine, judge_peer
from tests.bench.engine_process import Cost, hard_limit, run

FOLDER = BUILD / "bench"
ROWS, ROUNDS, SMALL_FILES = 5_000_000, 3, 10_000
# NDJSON of as many records is more than twice as long, and the loop over it takes minutes.
JSON_SHARE = 5
DLT_ROWS = 100_000
HARD_LIMIT_MB = 1024


@dataclass(frozen=True)
class Program:
    """Something to measure.

    Args:
        name: in the table.
        module: under tests.bench.peers.
        shape: the file it reads.
        environment: whose interpreter runs it.
        clean: it reads the file without its bad records, which would stop it.
        rows: at most so many; None: all.
    """

    name: str
    module: str
    shape: str = "csv"
    environment: str = "bench"
    clean: bool = False
    rows: int | None = None


PROGRAMS = (
    Program("landfall", "engine", environment="function"),
    Program("duckdb floor", "duckdb_floor", clean=True),
    Program("polars floor", "polars_floor", clean=True),
    Program("duckdb rejects", "duckdb_rejects"),
    Program("pandas", "pandas_chunked"),
    Program("stdlib loop", "stdlib_loop"),
    Program("dlt", "dlt_typed", rows=DLT_ROWS),
    Program("landfall ndjson", "engine", shape="ndjson", environment="function"),
    Program("stdlib ndjson", "stdlib_loop", shape="ndjson"),
)


@dataclass(frozen=True)
class Measured:
    """The medians of a program's rounds.

    Args:
        rows: records in its file.
    """

    name: str
    rows: int
    cost: Cost
    verdict: Verdict


def environment(program: Program | None = None) -> dict[str, str]:
    """The same for every program: nothing of the caller's but where programs and scratch files are."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT)}


def command(name: str, module: str, *arguments: object) -> list[str]:
    """The command that runs a module in an environment."""
    python = os.environ.get(f"LANDFALL_BENCH_{name.upper()}") or str(python_of(name))
    return [python, "-m", f"tests.bench.peers.{module}", *map(str, arguments)]


def measure(programs: Sequence[Program], rows: int, rounds: int) -> list[Measured]:
    """Run every program once per round, in turn; the first round's answers are judged."""
    files = {p.name: _file(p, rows) for p in programs}
    costs: dict[str, list[Cost]] = {p.name: [] for p in programs}
    verdicts: dict[str, Verdict] = {}
    out = FOLDER / "out"
    for turn in range(rounds):
        for program in programs:
            data = files[program.name]
            source = data.clean if program.clean else data.path
            print(f"bench: round {turn + 1} of {rounds}: {program.name}", file=sys.stderr, flush=True)
            cost = run(command(program.environment, program.module, source, out), out, environment())
            costs[program.name].append(cost)
            if not turn:
                verdicts[program.name] = _judge(program, data, out, cost)
    shutil.rmtree(out, ignore_errors=True)
    return [Measured(p.name, files[p.name].rows, _median(costs[p.name]), verdicts[p.name]) for p in programs]


def _file(program: Program, rows: int) -> Data:
    rows = rows // JSON_SHARE if program.shape == "ndjson" else rows
    return make(FOLDER / "data", min(rows, program.rows or rows), program.shape)  # type: ignore[arg-type]


def _judge(program: Program, data: Data, out: Path, cost: Cost) -> Verdict:
    if cost.error:
        return Verdict(0, wrong=cost.error)
    if program.module == "engine":
        return judge_engine(data, out / "batch-000")
    return Verdict(0) if program.clean or program.rows else judge_peer(data, out)


def _median(costs: Sequence[Cost]) -> Cost:
    middle = {name: statistics.median(getattr(cost, name) for cost in costs)
              for name in ("cpu_s", "wall_s", "rss_mb", "with_files_mb")}  # fmt: skip
    return Cost(**middle, error=next((cost.error for cost in costs if cost.error), ""))


def measure_rest(rows: int, rounds: int) -> dict[str, object]:
    """Measure a cold start, many small files, and a run under a hard limit."""
    files = make_small_files(FOLDER / "data", SMALL_FILES)
    out = FOLDER / "out"
    cold, small = [], []
    for turn in range(rounds):
        print(f"bench: round {turn + 1} of {rounds}: cold start, small files", file=sys.stderr, flush=True)
        started = run(command("function", "cold_function", files[0], out), out, environment())
        cold.append(float((out / "seconds").read_text()) if not started.error else float("inf"))
        if not turn:
            small.append(run(command("function", "engine", files[0].parent, out), out, environment()))
    data = make(FOLDER / "data", rows, "csv")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as memory:
        place = Path(memory) / "out"
        with hard_limit(HARD_LIMIT_MB) as limit:
            held = run(command("function", "engine", data.path, place), place, environment(), limit)
        verdict = Verdict(0, wrong=held.error) if held.error else judge_engine(data, place / "batch-000")
    shutil.rmtree(out, ignore_errors=True)
    return {
        "cold_start_s": statistics.median(cold),
        "small_files": {"files": SMALL_FILES, **asdict(small[0])},
        "hard_limit": {"limit": limit.name, **asdict(held), "wrong": verdict.wrong},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 where the engine's answer is not exact."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.engine", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="*", help="some programs, by name; nothing else is measured then")
    parser.add_argument("--out", type=Path, default=BUILD / "bench.json")
    options = parser.parse_args(arguments)
    programs = [p for p in PROGRAMS if not options.only or p.name in options.only]
    measured = measure(programs, options.rows, options.rounds)
    rest = {} if options.only else measure_rest(options.rows, options.rounds)
    judged = bounds({row.name: (row.rows, row.cost, row.verdict) for row in measured}, rest)
    print(table([(row.name, row.rows, row.cost, row.verdict) for row in measured], judged))
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    content = {
        "rows": options.rows, "rounds": options.rounds, "machine": machine, "measured": list(map(asdict, measured)),
        "rest": rest, "bounds": [{**asdict(bound), "verdict": bound.verdict} for bound in judged],
    }  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    inexact = [row for row in measured if row.name.startswith("landfall") and (row.cost.error or row.verdict.wrong)]
    for row in inexact:
        print(f"bench: {row.name} is not exact: {row.cost.error or row.verdict.wrong}", file=sys.stderr)
    return 1 if inexact else 0


if __name__ == "__main__":
    sys.exit(main())

"""`make bench-ledger`: what planning and the ledger cost in a run of many small files, and how many jobs a run takes.

python -m tests.bench.ledger [--files 10 100 1000] [--out FILE]

The operators' own `execute`, one after the other in this process, on an embedded cloud of its own. Airflow's share of a
run, which would make the ledger's smaller, is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local.paths import BUILD, ROOT

COUNTS = (10, 100, 1000)
MOST_SHARE = 0.10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns 0 whatever the numbers are."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger", description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=COUNTS, help="files of a run")
    parser.add_argument("--out", type=Path, default=BUILD / "bench-ledger.json", help="where the numbers go")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="landfall-bench-", ignore_cleanup_errors=True) as work:
        measured = _measure(Path(work), options.files, console.print)
    show(console, measured)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report = {"processors": os.cpu_count(), "load_at_start": round(load, 2), "runs": [_plain(run) for run in measured]}
    options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    console.print(f"The same as JSON: {options.out}")
    return 0


def _measure(work: Path, counts: Sequence[int], say: Callable[[str], None]) -> list[Any]:
    from local.cloud import Cloud

    say("starting the embedded cloud")
    cloud = Cloud(work / "cloud")
    cloud.up()
    try:
        quiet = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        os.environ.update(cloud.environ(), **quiet, LANDFALL_DATASETS=str(work / "datasets"))
        sys.path.insert(0, str(ROOT / "plugins"))
        # Airflow reads its settings when it is first imported: below, with all that needs it.
        from tests.bench.small_files import SmallFiles

        measured = []
        for count in counts:
            say(f"{count} files")
            files = SmallFiles(f"small_{count}", work / "datasets", cloud)
            files.land("first", 1)
            files.run()  # makes the tables
            files.land("then", count)
            measured.append(files.run())
        return measured
    finally:
        cloud.down()


def _plain(run: Any) -> dict[str, Any]:
    return {**asdict(run), "ledger_s": run.ledger_s, "share": round(run.share, 4), "own_share": round(run.own_share, 4),
            "jobs": run.jobs}  # fmt: skip


def show(console: Console, measured: Sequence[Any]) -> None:
    """Print the seconds of each step, what of them is planning and ledger, and the jobs."""
    table = Table("step", title="Seconds, of them the ledger's, and BigQuery jobs; by files of the run")
    for run in measured:
        table.add_column(f"{run.files:,}", justify="right")
    for number, step in enumerate(measured[0].steps):
        cells = [run.steps[number] for run in measured]
        table.add_row(step.name, *(f"{cell.seconds:.2f} / {cell.ledger_s:.2f} / {cell.jobs}" for cell in cells))
    table.add_row(
        "all", *(f"{run.seconds:.2f} / {run.ledger_s:.2f} / {run.jobs}" for run in measured), end_section=True
    )
    table.add_row("the ledger's share", *(f"{run.share:.1%}" for run in measured))
    table.add_row("seconds waiting for BigQuery", *(f"{run.waiting_s:.2f}" for run in measured))
    table.add_row("the share of the rest", *(f"{run.own_share:.1%}" for run in measured))
    for service in ("storage", "bigquery", "function"):
        table.add_row(f"CPU of {service}, emulated", *(f"{run.cpu_s[service]:.2f}" for run in measured))
    table.add_row("CPU of the tasks", *(f"{run.cpu_s['tasks']:.2f}" for run in measured))
    console.print(table)
    last = measured[-1]
    verdict = "reached" if last.share < MOST_SHARE else "NOT REACHED"
    console.print(f"{last.files:,} files: below {MOST_SHARE:.0%} of the run's time: {last.share:.1%}, {verdict}")
    same = len({run.jobs for run in measured}) == 1
    console.print(f"jobs do not grow with files: {'reached' if same else 'NOT REACHED'}")


if __name__ == "__main__":
    sys.exit(main())

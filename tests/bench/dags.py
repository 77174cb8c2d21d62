"""`make bench-dags`: what light DAG files are worth, measured side by side in one run.

python -m tests.bench.dags [--quick] [--only parse|tasks] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local.paths import BUILD
from tests.bench.parse import Parsed, measure_parse
from tests.bench.tasks import Timed, measure_tasks

MADE_OF = {
    "landfall": "Landfall, a dataset folder per DAG",
    "plain": "nothing but Airflow, one trivial task",
    "usual": "hand-written, provider operators",
}
COUNTS, PARSE_ROUNDS, TASK_ROUNDS = (1, 200, 1000), 5, 15
QUICK_COUNTS, QUICK_ROUNDS = (20,), 1


@dataclass(frozen=True)
class Bound:
    """What must be reached.

    Args:
        what: the quantity.
        below: its bound.
        measured: what was measured; None where this run measures something else.
    """

    what: str
    below: float
    measured: float | None

    @property
    def verdict(self) -> str:
        """In words, for a person."""
        if self.measured is None:
            return "not measured"
        return "reached" if self.measured < self.below else "NOT REACHED"


def judge(parsed: Sequence[Parsed], timed: Sequence[Timed]) -> list[Bound]:
    """Hold what was measured against what must be reached."""
    parse = {row.dags: row.parse_cpu_s for row in parsed if row.file == "landfall"}
    whole = {row.file: row.whole_s for row in timed}
    process = {row.file: row.process_s for row in timed}
    return [
        Bound("200 folders: CPU seconds beyond Airflow's own import", 1.0, parse.get(200)),
        Bound("1,000 folders: times as long as 200", 5.0, _ratio(parse.get(1000), parse.get(200))),
        Bound("a task, start to finish: times the plain file's", 1.2, _of_plain(whole)),
        Bound("a task's process alone: times the plain file's", 1.2, _of_plain(process)),
    ]


def _of_plain(seconds: Mapping[str, float]) -> float | None:
    return _ratio(seconds.get("landfall"), seconds.get("plain"))


def _ratio(one: float | None, other: float | None) -> float | None:
    return round(one / other, 3) if one is not None and other else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns 0 whatever the numbers are."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dags", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, which show only that it works")
    parser.add_argument("--only", choices=["parse", "tasks"], help="one half of it")
    parser.add_argument("--out", type=Path, default=BUILD / "bench-dags.json", help="where the numbers go")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    console = Console(highlight=False)
    try:
        report = run(options.only, console, quick=options.quick)
    except KeyboardInterrupt:
        console.print("interrupted; what it started is stopped")
        return 130
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    console.print(f"The same as JSON: {options.out}")
    return 0


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def run(only: str | None, console: Console, *, quick: bool) -> dict[str, Any]:
    """Measure, show, and return it as plain data.

    Args:
        only: parse or tasks; None measures both.
        console: where it is shown.
        quick: small numbers.
    """
    began, load = time.monotonic(), os.getloadavg()[0]
    own = 0.0
    parsed: list[Parsed] = []
    timed: list[Timed] = []
    with ExitStack() as stack:
        say = _progress(stack, console)
        work = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="landfall-bench-", ignore_cleanup_errors=True))
        )
        if only != "tasks":
            counts, rounds = (QUICK_COUNTS, QUICK_ROUNDS) if quick else (COUNTS, PARSE_ROUNDS)
            own, parsed = measure_parse(_folder(work / "parse"), counts, rounds, lambda text: say(f"parse, {text}"))
        if only != "parse":
            rounds = QUICK_ROUNDS if quick else TASK_ROUNDS
            timed = measure_tasks(_folder(work / "tasks"), rounds, lambda text: say(f"tasks, {text}"))
    bounds = judge(parsed, timed)
    show(console, own, parsed, timed, bounds)
    return {
        "quick": quick,
        "machine": _machine(load),
        "seconds": round(time.monotonic() - began, 1),
        "airflow_import_cpu_s": round(own, 4),
        "parse": [row.to_json() for row in parsed],
        "tasks": [row.to_json() for row in timed],
        "bounds": [{**asdict(bound), "verdict": bound.verdict} for bound in bounds],
    }


def _progress(stack: ExitStack, console: Console) -> Callable[[str], None]:
    if not console.is_terminal:
        return console.print
    return stack.enter_context(console.status("starting")).update


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _machine(load: float) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "processors": os.cpu_count(),
        "load_at_start": round(load, 2),
        "python": platform.python_version(),
        "airflow": version("apache-airflow"),
    }


def show(
    console: Console, own: float, parsed: Sequence[Parsed], timed: Sequence[Timed], bounds: Sequence[Bound]
) -> None:
    """Print the tables and whether the bounds are reached."""
    if parsed:
        console.print(_parse_table(own, parsed))
    if timed:
        console.print(_task_table(timed))
    table = Table("must be reached", "below", "measured", "", title="Bounds")
    for bound in bounds:
        measured = "" if bound.measured is None else f"{bound.measured:.2f}"
        table.add_row(bound.what, f"{bound.below:g}", measured, bound.verdict)
    console.print(table)


def _parse_table(own: float, parsed: Sequence[Parsed]) -> Table:
    table = Table("DAG file", title=f"Parse: CPU seconds beyond Airflow's own import ({own:.2f} s); then to serialise")
    counts = sorted({row.dags for row in parsed})
    for count in counts:
        table.add_column(f"{count:,} DAGs" if count > 1 else "1 DAG", justify="right")
    for file in dict.fromkeys(row.file for row in parsed):
        rows = {row.dags: row for row in parsed if row.file == file}
        cells = [f"{rows[count].parse_cpu_s:.2f} + {rows[count].serialise_cpu_s:.2f}" for count in counts]
        table.add_row(MADE_OF[file], *cells)
    return table


def _task_table(timed: Sequence[Timed]) -> Table:
    table = Table("DAG file", title="A trivial task under a real scheduler: seconds to its end, and times plain")
    names = {"whole_s": "from the run's trigger", "queued_s": "from the executor", "process_s": "its process alone"}
    for name in names.values():
        table.add_column(name, justify="right")
    plain = next(row for row in timed if row.file == "plain")
    for row in timed:
        pairs = [(getattr(row, name), getattr(plain, name)) for name in names]
        table.add_row(MADE_OF[row.file], *(f"{mine:.2f} ({mine / theirs:.2f})" for mine, theirs in pairs))
    return table


if __name__ == "__main__":
    sys.exit(main())

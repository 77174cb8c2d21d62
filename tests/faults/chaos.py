"""`make chaos`: every crash point and every fault, then random schedules; writes build/chaos.md.

python -m tests.faults.chaos [--schedules N] [--airflow N] [--pairs N] [--seed S] [--processes P] [--out FILE]
python -m tests.faults.chaos --pair PLACE FAULT MODE

Each process has an embedded cloud of its own. Its schedules below Airflow follow from a seed of its own, S, S + 1, ...;
of those through whole Airflow runs each has one of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from include.crashpoints import VARIABLE
from local.settings import airflow_settings

ROOT = Path(__file__).resolve().parent.parent.parent
STEPS = 14
"""Actions of a schedule at most."""
WRITTEN_SECONDS = 30
"""How often the report is written while it grows: hours of work are not lost with the process."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them all; returns 1 where something was lost, doubled or stuck."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000, help="random schedules")
    parser.add_argument(
        "--airflow",
        type=int,
        default=None,
        help="of these, through whole Airflow runs; by default one in 25, at most 20",
    )
    parser.add_argument("--pairs", type=int, default=None, help="so many pairs, drawn by the seed; by default all")
    parser.add_argument("--pair", nargs=3, metavar=("PLACE", "FAULT", "MODE"), help="this pair alone, as in the table")
    parser.add_argument("--seed", type=int, default=None, help="drawn where none is given")
    parser.add_argument(
        "--processes", type=int, default=max(1, (os.cpu_count() or 1)), help="processes, each with a cloud"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "chaos.md", help="where the report goes")
    parser.add_argument("--worker", type=int, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker is not None:
        return _work(options)
    _complete(options)
    console = Console(highlight=False)
    pairs = "all" if options.pairs is None else options.pairs
    console.print(
        f"seed {options.seed}: {options.schedules} schedules, {options.airflow} of them through whole Airflow runs, "
        f"and {pairs} pairs, in {options.processes} processes"
    )
    began = time.monotonic()
    told: list[dict[str, Any]] = []
    written = 0.0
    for line in _run_workers(options, console):
        told.append(line)
        if failure := _failure(line):
            console.print(failure)
        if time.monotonic() - written > WRITTEN_SECONDS:
            _write(options, told, began)
            written = time.monotonic()
    _write(options, told, began)
    bad = [line for line in told if _failure(line)]
    console.print(f"{'FAILED' if bad else 'all well'}; the table is in {options.out}")
    return 1 if bad else 0


def _complete(options: argparse.Namespace) -> None:
    """Fill in what was not said."""
    if options.pair:
        options.schedules, options.processes, options.pairs = 0, 1, 1
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 31)
    if options.airflow is None:
        options.airflow = min(20, options.schedules // 25)
    options.airflow = min(options.airflow, options.schedules)


def _failure(line: dict[str, Any]) -> str:
    """Say what is wrong with what a process told, and how to try it again; empty where all is well."""
    if "failure" in line:
        return str(line["failure"])
    if line.get("result", "ok") == "ok":
        return ""
    named = " ".join(map(shlex.quote, (line["place"], line["fault"], line["mode"])))
    again = f'make chaos ARGS="--pair {named}"'
    return f"{line['place']} x {line['fault']} ({line['mode']}): {line['result']}\nonce more: {again}"


def _run_workers(options: argparse.Namespace, console: Console) -> Iterator[dict[str, Any]]:
    """Yield what the processes tell, until all have ended."""
    told: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def follow(number: int) -> None:
        try:
            _follow(options, number, told.put)
        finally:
            told.put(None)

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bars = {
            "pair": progress.add_task("pairs", total=None),
            "schedule": progress.add_task("schedules", total=options.schedules - options.airflow),
            "airflow": progress.add_task("through Airflow", total=options.airflow),
        }
        for number in range(options.processes):
            threading.Thread(target=follow, args=(number,)).start()
        running = options.processes
        while running:
            line = told.get()
            if line is None:
                running -= 1
                continue
            yield line
            if line["kind"] in bars:
                progress.update(bars[line["kind"]], advance=1, total=line.get("of"))
                done = int(progress.tasks[bars[line["kind"]]].completed)
                if not console.is_terminal and done % (1 if line["kind"] == "airflow" else 50) == 0:
                    console.print(f"{line['kind']} {done}")


def _follow(options: argparse.Namespace, number: int, take: Callable[[dict[str, Any]], None]) -> None:
    command = [sys.executable, "-m", "tests.faults.chaos", "--worker", str(number), "--seed", str(options.seed),
               "--schedules", str(options.schedules), "--processes", str(options.processes),
               "--airflow", str(options.airflow),
               *(("--pairs", str(options.pairs)) if options.pairs is not None else ()),
               *(("--pair", *options.pair) if options.pair else ())]  # fmt: skip
    pipes: dict[str, Any] = {
        "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
    }  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="landfall-airflow-") as home,
        subprocess.Popen(command, cwd=ROOT, env=_environment(home), **pipes) as worker,
    ):
        errors: list[str] = []
        assert worker.stdout is not None
        assert worker.stderr is not None
        reader = threading.Thread(target=lambda: errors.extend(worker.stderr or ()))
        reader.start()
        for line in worker.stdout:
            if line.startswith("{"):
                take(json.loads(line))
        reader.join()
    if worker.returncode != 0:
        take(
            {"kind": "broken", "failure": f"process {number} ended with {worker.returncode}:\n{''.join(errors[-60:])}"}
        )


def _end_with_parent() -> None:
    """Take the embedded cloud down when the process that started this one is gone, however it went."""
    # Not SystemExit: hypothesis would take that for a failure of the schedule, and shrink it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def wait() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def _environment(home: str) -> dict[str, str]:
    bombs = Path(home, "bombs")
    bombs.mkdir()
    return {**os.environ, **airflow_settings(Path(home)), VARIABLE: str(bombs)}


def _work(options: argparse.Namespace) -> int:
    """Do one process's share."""
    from tests.faults.site import site

    _end_with_parent()

    def tell(**line: Any) -> None:
        print(json.dumps(line), flush=True)

    def ended(name: str) -> None:
        if not name.startswith("pair"):
            tell(kind="schedule")

    with site(ended) as where:
        _pairs(options, where, tell)
        share = len(range(options.worker, options.schedules - options.airflow, options.processes))
        failure = _schedules(where, share, options.seed + options.worker)
        if failure:
            tell(kind="failed", failure=failure)
        _through_airflow(options, where, tell)
    return 0


def _pairs(options: argparse.Namespace, where: Any, tell: Callable[..., None]) -> None:
    """Try out this process's share of the pairs."""
    from tests.faults.pairs import all_pairs

    if options.pairs == 0:
        return
    pairs = all_pairs(where)
    if options.pair:
        pairs = [judge for judge in pairs if _is_named(judge, options.pair)]
        if not pairs:
            sys.exit(f"there is no pair {' x '.join(options.pair)}; {ROOT / 'build' / 'chaos.md'} has their names")
    elif options.pairs is not None:
        pairs = random.Random(options.seed).sample(pairs, min(options.pairs, len(pairs)))
    for judge in pairs[options.worker :: options.processes]:
        pair = judge()
        tell(kind="pair", of=len(pairs), place=pair.place, fault=pair.fault, mode=pair.mode, result=pair.result)


def _is_named(judge: Any, pair: Sequence[str]) -> bool:
    """Whether the table calls it so; a pair that was not tried out yet knows only what it will be made of."""
    named = {said for part in judge.args for said in (str(part), repr(part), getattr(part, "name", ""))}
    place, fault, mode = pair
    return {place, fault, *mode.split(", ")} - {"kill -9"} <= named


def _through_airflow(options: argparse.Namespace, where: Any, tell: Callable[..., None]) -> None:
    """Live through this process's share of the schedules of whole Airflow runs."""
    from tests.faults.airflow_runs import warm_up
    from tests.faults.airflow_schedules import draw, live

    mine = range(options.worker, options.airflow, options.processes)
    if mine:
        warm_up()
    for number in mine:
        seed = options.seed + number
        lived = live(where, draw(seed))
        tell(kind="airflow", runs=lived.runs, killed=lived.killed, failed=lived.failed, met=lived.met)
        if lived.problems:
            told = "\n".join((*lived.problems, lived.story))
            again = f"make chaos SCHEDULES=1 WHOLE=1 PAIRS=0 SEED={seed} ARGS='--processes 1'"
            tell(kind="failed", failure=f"through Airflow, seed {seed}: {told}\nonce more: {again}")


def _schedules(where: Any, count: int, seed: int) -> str:
    """Run random schedules; returns what failed, shrunk, with its seed."""
    import traceback

    import hypothesis
    from hypothesis import HealthCheck, settings
    from hypothesis.stateful import run_state_machine_as_test

    from tests.faults.schedules import schedules

    if not count:
        return ""
    chosen = settings(
        max_examples=count, stateful_step_count=STEPS, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    try:
        run_state_machine_as_test(hypothesis.seed(seed)(schedules(where)), settings=chosen)
    except Exception as error:  # noqa: BLE001 - whatever a schedule led to
        notes = "\n".join(getattr(error, "__notes__", ()))
        again = f"make chaos SCHEDULES={count} WHOLE=0 PAIRS=0 SEED={seed} ARGS='--processes 1'"
        return f"{''.join(traceback.format_exception_only(error))}\n{notes}\nseed {seed}; once more: {again}"
    return ""


def _write(options: argparse.Namespace, told: Sequence[dict[str, Any]], began: float) -> None:
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(_report(options, told, time.monotonic() - began), encoding="utf-8")


def _report(options: argparse.Namespace, told: Sequence[dict[str, Any]], seconds: float) -> str:
    pairs = sorted((line for line in told if line["kind"] == "pair"), key=lambda p: (p["place"], p["fault"], p["mode"]))
    failures = [line["failure"] for line in told if "failure" in line]
    ran = sum(line["kind"] == "schedule" for line in told)
    whole = [line for line in told if line["kind"] == "airflow"]
    through = {name: sum(line[name] for line in whole) for name in ("runs", "killed", "failed", "met")}
    lines = [
        "# What was broken on purpose, and what became of it",
        "",
        f"Seed {options.seed}, {options.processes} processes, {seconds:.0f} s.",
        "",
        f"Random schedules: {ran + len(whole)} run of {options.schedules} asked for, {len(failures)} failed.",
        f"{len(whole)} of them through whole Airflow runs: {through['runs']} runs of `airflow dags test`, of which "
        f"{through['killed']} were killed and {through['failed']} failed, by {through['met']} crashes and faults.",
        f"Pairs: {len(pairs)}, of which {sum(p['result'] == 'ok' for p in pairs)} are well.",
        "",
        *(f"```\n{failure}\n```\n" for failure in failures),
        "| place | fault | mode | result |",
        "|---|---|---|---|",
        *(f"| {p['place']} | {p['fault']} | {p['mode']} | {p['result'].replace('|', '/')} |" for p in pairs),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())

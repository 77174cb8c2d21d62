"""What `make run` tells at the end: the accounting, some rows, what was put aside, and what to try next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.ledger import LedgerFile, Quarantined
from cli.show import COUNTS, accounting, console, plain, rows

if TYPE_CHECKING:
    from rich.console import Console

_CELL = 28
_RAW = 160


@dataclass
class Outcome:
    """What a run did to one dataset.

    Args:
        files: file versions that this run committed; empty: there was nothing new.
        large: names of those that went to Dataflow, and why.
        columns, rows: a few rows read back from the target table.
    """

    dataset: str
    table: str
    well: bool = True
    files: list[LedgerFile] = field(default_factory=list)
    large: dict[str, str] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)

    def totals(self) -> dict[str, int]:
        """Return the sums over the files."""
        return {name: sum(getattr(file, name) for file in self.files) for name in COUNTS}

    def unbalanced(self) -> list[str]:
        """Return the names of files whose records are not all accounted for."""
        return [
            file.name
            for file in self.files
            if file.records != file.loaded + file.filtered + file.duplicates + file.quarantined
        ]


def show_outcome(outcome: Outcome) -> None:
    """Print a dataset's accounting, rows and quarantined records."""
    out = console()
    out.print()
    if not outcome.files:
        what = "nothing new" if outcome.well else "[red]nothing was loaded, the run failed[/]"
        out.print(f"[bold]{plain(outcome.dataset)}[/]: {what}", soft_wrap=True)
        return
    title = f"{outcome.dataset} -> {outcome.table}"
    out.print(accounting(title, [(file.name, file) for file in outcome.files]))
    for file in outcome.files:
        if file.reason:
            out.print(f"  {plain(file.name)}: {plain(file.reason)}", soft_wrap=True)
    for name, why in outcome.large.items():
        out.print(f"  {plain(name)} went to Dataflow, on a laptop a process of the task: {plain(why)}", soft_wrap=True)
    if outcome.rows:
        _show_rows(out, outcome)
    if outcome.quarantined:
        out.print(f"[bold]{len(outcome.quarantined)} of the quarantined records[/]")
        for record in outcome.quarantined:
            _show_quarantined(out, record)


def _show_rows(out: Console, outcome: Outcome) -> None:
    values = [[None if value is None else _short(value) for value in row] for row in outcome.rows]
    fitting = _fitting(outcome.columns, values, out.width)
    left_out = len(outcome.columns) - fitting
    more = f", and {left_out} more columns" if left_out else ""
    title = f"{len(values)} rows of {outcome.table}{more}"
    out.print(rows(title, outcome.columns[:fitting], [row[:fitting] for row in values]))


def _fitting(columns: Sequence[str], values: Sequence[Sequence[str | None]], width: int) -> int:
    """Return how many columns stand side by side without breaking their values."""
    used = 0
    for number, name in enumerate(columns):
        used += max(len(name), *(len(row[number] or "–") for row in values)) + 2
        if used > width:
            return max(number, 1)
    return len(columns)


def _short(value: object) -> str:
    if isinstance(value, datetime):
        digits = "milliseconds" if value.microsecond else "seconds"
        return value.isoformat(" ", digits).replace("+00:00", "Z")
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"


def _show_quarantined(out: Console, record: Quarantined) -> None:
    name = record.uri.partition("://")[2].partition("/")[2] or record.uri
    where = f"{name}:{record.line}" if record.line > 0 else name
    reasons = "; ".join(_reason(entry) for entry in json.loads(record.reasons))
    out.print(f"  [yellow]{plain(where)}[/]  {plain(reasons)}", soft_wrap=True)
    text = record.text or "(the record's bytes are not kept)"
    out.print(f"    [dim]{plain(text if len(text) <= _RAW else text[: _RAW - 1] + '…')}[/]", soft_wrap=True)


def of_several_kinds(records: Sequence[Quarantined], most: int) -> list[Quarantined]:
    """Return a few records, those with a reason that none before them has first."""
    seen: set[tuple[str, str]] = set()
    new: list[Quarantined] = []
    others: list[Quarantined] = []
    for record in records:
        kinds = {(str(entry.get("rule")), str(entry.get("column"))) for entry in json.loads(record.reasons)}
        (others if kinds <= seen else new).append(record)
        seen |= kinds
    return (new + others)[:most]


def _reason(entry: dict[str, Any]) -> str:
    column = f"{entry['column']}: " if entry.get("column") else ""
    return f"{column}{entry.get('message') or entry.get('rule')}"


def show_next(anything_new: bool) -> None:
    """Print what to try next."""
    out = console()
    tries = {"make run": "once more: it finds nothing new"} if anything_new else {}
    tries |= {
        "source local/env.sh": "then, in this shell:",
        "  landfall status": "every file and its state",
        "  landfall check": "are the dataset folders right?",
        "  landfall ingest orders FILE.csv": "a file of your own, and what became of its records",
        "  python -m local.samples orders --rows 200000 --out build/more/orders": "more of the same mess,",
        "  LANDFALL_SAMPLES=build/more make run": "and how long it takes",
        "make ui": "Airflow's UI at http://localhost:8080",
    }
    width = max(map(len, tries)) + 2
    out.print("\n[bold]What to try next[/]")
    for command, what in tries.items():
        out.print(f"  {command:<{width}} [dim]{plain(what)}[/]", soft_wrap=True)


def write_report(
    path: Path, outcomes: Sequence[Outcome], seconds: dict[str, float], *, total: float, well: bool
) -> None:
    """Write the accounting and the seconds per stage as JSON.

    Args:
        seconds: stage to its seconds, `<dataset>.<task>` for tasks.
        total: seconds in all.
        well: whether the run ended as it should.
    """
    stages: dict[str, Any] = {}
    for name, took in seconds.items():
        dataset, dot, task = name.partition(".")
        (stages.setdefault(dataset, {}) if dot else stages)[task or dataset] = round(took, 2)
    document = {
        "ok": well,
        "seconds": round(total, 2),
        "stages": stages,
        "datasets": {outcome.dataset: _as_json(outcome) for outcome in outcomes},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def _runner(outcome: Outcome, file: LedgerFile) -> dict[str, str]:
    why = outcome.large.get(file.name)
    return {"runner": "function"} if why is None else {"runner": "dataflow", "runner_reason": why}


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "ok": outcome.well,
        "table": outcome.table,
        **outcome.totals(),
        "files": [asdict(file) | _runner(outcome, file) for file in outcome.files],
        "rows": [dict(zip(outcome.columns, row, strict=True)) for row in outcome.rows],
        "quarantine": [asdict(record) for record in outcome.quarantined],
    }

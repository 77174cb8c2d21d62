"""What the engine must reach, what it aims at, what it did; and the table that a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.engine_judge import Verdict
from tests.bench.engine_process import Cost

Row = tuple[int, Cost, Verdict]


@dataclass(frozen=True)
class Bound:
    """One line of the issue's table.

    Args:
        what: the quantity.
        must, aim: its bounds.
        measured: what it was; None: this run did not measure it.
        larger: larger is better.
    """

    what: str
    must: float
    aim: float
    measured: float | None
    larger: bool = False

    @property
    def verdict(self) -> str:
        """In words."""
        if self.measured is None:
            return "not measured"
        for bound, word in ((self.aim, "aim reached"), (self.must, "reached")):
            if (self.measured >= bound) if self.larger else (self.measured <= bound):
                return word
        return "NOT REACHED"


def bounds(rows: Mapping[str, Row], rest: Mapping[str, Any]) -> list[Bound]:
    """Hold what was measured against the issue's table."""

    def ratio(quantity: str, one: str, other: str, per_row: bool = False) -> float | None:
        if one not in rows or other not in rows or rows[one][1].error or rows[other][1].error:
            return None
        values = [getattr(rows[name][1], quantity) / (rows[name][0] if per_row else 1) for name in (one, other)]
        return round(values[0] / values[1], 2)

    ours = rows.get("landfall")
    verdict = ours[2] if ours else Verdict(0)
    return [
        Bound("CPU, times DuckDB's typed parse with no checks", 2.0, 1.5, ratio("cpu_s", "landfall", "duckdb floor")),
        Bound("wall, times the same", 2.0, 1.3, ratio("wall_s", "landfall", "duckdb floor")),
        Bound("CPU less than the stdlib loop, times", 4.5, 8, ratio("cpu_s", "stdlib loop", "landfall"), True),
        Bound("wall less than the stdlib loop, times", 6, 10, ratio("wall_s", "stdlib loop", "landfall"), True),
        Bound("CPU per row less than dlt, times", 15, 30, ratio("cpu_s", "dlt", "landfall", True), True),
        Bound("NDJSON: CPU less than the stdlib loop, times", 4, 6,
              ratio("cpu_s", "stdlib ndjson", "landfall ndjson"), True),
        Bound("peak RSS, MB", 350, 256, ours[1].rss_mb if ours else None),
        Bound("peak RSS and files, MB", 350, 256, ours[1].with_files_mb if ours else None),
        Bound("bad records not found at their line with their bytes", 0, 0,
              None if verdict.with_raw is None else verdict.bad - verdict.with_raw),
        Bound("good rows lost", 0, 0, verdict.lost),
        Bound("cold start to the first answer, s", 1.5, 0.7, rest.get("cold_start_s")),
        Bound("10,000 files of 1 kB in batches of 1,000, s", 30, 10, rest.get("small_files", {}).get("wall_s")),
        Bound("peak RSS and files under a hard limit of 1 GiB, MB", 1024, 512, _limited(rest.get("hard_limit"))),
    ]  # fmt: skip


def _limited(run: Mapping[str, Any] | None) -> float | None:
    if run is None:
        return None
    return float("inf") if run["error"] or run["wrong"] else run["with_files_mb"]


_COLUMNS = ("program", "rows", "CPU s", "wall s", "rows/s", "RSS MB", "+ files MB", "bad found", "with bytes", "lost")


def table(rows: Sequence[tuple[str, int, Cost, Verdict]], judged: Sequence[Bound]) -> str:
    """Lay out what was measured, and what of the bounds was reached."""
    lines = [_COLUMNS]
    for name, count, cost, verdict in rows:
        speed = "failed" if cost.error else f"{count / cost.wall_s:,.0f}"
        of = f" / {verdict.bad:,}"
        found = ["–" if number is None else f"{number:,}{of}" for number in (verdict.found, verdict.with_raw)]
        lost = "–" if verdict.lost is None else f"{verdict.lost:,}"
        costs = (f"{cost.cpu_s:.1f}", f"{cost.wall_s:.1f}", speed, f"{cost.rss_mb:.0f}", f"{cost.with_files_mb:.0f}")
        lines.append((name, f"{count:,}", *costs, *found, lost))
    bounded = [("", "measured", "must", "aim", "")]
    for bound in judged:
        measured = "–" if bound.measured is None else f"{bound.measured:,.2f}".rstrip("0").rstrip(".")
        bounded.append((bound.what, measured, f"{bound.must:g}", f"{bound.aim:g}", bound.verdict))
    return f"{_aligned(lines)}\n\n{_aligned(bounded)}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) if at == 0 else cell.rjust(width)
                  for at, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    )  # fmt: skip

"""Draws what each added row costs: `python -m tests.bench.growth build/bench-beam.json docs/images/growth.png`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")


def main(source: str, target: str) -> None:
    """Draw the plot of one benchmark."""
    from matplotlib import pyplot as plt

    runs = json.loads(Path(source).read_text())["growth"]
    rows, cpu = [run["rows"] / 1e6 for run in runs], [run["cost"]["cpu_s"] for run in runs]
    each = (cpu[-1] - cpu[0]) / (rows[-1] - rows[0])
    start = cpu[0] - each * rows[0]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot([0, rows[-1]], [start, start + each * rows[-1]], color="#bbbbbb", linewidth=1, zorder=1)
    axes.scatter(rows, cpu, color="#1a73e8", zorder=2)
    for one, seconds in zip(rows, cpu, strict=True):
        axes.annotate(f"{seconds:.0f} s", (one, seconds), xytext=(6, -12), textcoords="offset points", fontsize=9)
    axes.set(
        xlabel="rows, millions", ylabel="CPU of all processes, seconds", xlim=(0, None), ylim=(0, None),
        title=f"Large files on two processes: {each:.2f} s for each million rows, {start:.1f} s to start",
    )  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Generates sample files of honest mess, of any size, and tells how many records of which kind are in them.

    python -m local.samples orders --rows 200000 --seed 7 --out DIR
    python -m local.samples shipped          # writes the samples that stand in include/datasets again

The same arguments give the same content on every machine. Nobody's real data: addresses end in example.org.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO

from local.mess.base import Layout, Record, Source
from local.mess.events import Events
from local.mess.inventory import Inventory
from local.mess.orders import Orders, reference
from local.paths import ROOT

Progress = Callable[[int], None]
SOURCES: dict[str, Callable[[], Source]] = {"orders": Orders, "events": Events, "inventory": Inventory}
MARKER = "_SUCCESS"
DATASETS = ROOT / "include" / "datasets"
_RESENT_WITHIN, _RESENT_LATER, _BLANK = 0.01, 0.005, 0.004
_REMEMBERED = 64
_STEP = 1000


@dataclass(frozen=True)
class Shipped:
    """What the samples in include/datasets were generated with."""

    rows: int
    defects: float
    seed: int = 7


# Of what `make run` adds to the shipped samples of orders: a file that is large for its dataset.
LARGE = Shipped(24_000, 0.02, seed=24)
_LARGE_NUMBER, _LARGE_BEFORE = 3, 2_000_000
SHIPPED = {"orders": Shipped(660, 0.05), "events": Shipped(450, 0.06), "inventory": Shipped(510, 0.04)}


@dataclass
class FileTruth:
    """What is in one file; the fates are those of the file taken alone.

    Args:
        resent: loaded records whose key stands in an earlier file too: taken together, that many of the
            earlier files' records are duplicates.
        defects: records per defect; each such record is quarantined.
    """

    name: str
    records: int = 0
    loaded: int = 0
    filtered: int = 0
    duplicates: int = 0
    quarantined: int = 0
    resent: int = 0
    defects: Counter[str] = field(default_factory=Counter)

    def count(self, fate: str) -> None:
        """Count one record of this fate."""
        self.records += 1
        setattr(self, fate, getattr(self, fate) + 1)


def generate(
    dataset: str,
    rows: int,
    seed: int,
    out: Path,
    *,
    files: int = 3,
    defects: float = 0.02,
    truth: Path | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the sample files of a dataset.

    Args:
        dataset: orders, events or inventory.
        rows: records in all, spread over the files; header and blank lines do not count.
        seed: the same seed gives the same content.
        out: folder, made where it is missing.
        files: how many.
        defects: share of the records that the contract refuses, from 0 to 0.5.
        truth: JSON file that gets what is in the files, as `landfall transform --json` should count it.
        progress: told how many more records were written.

    Returns:
        The data files, in the order in which they are to be sent; a folder's `_SUCCESS` is not among them.
    """
    if dataset not in SOURCES:
        raise ValueError(f"no dataset {dataset!r} to generate; there are {', '.join(SOURCES)}")
    if files < 1 or rows < files or not 0 <= defects <= 0.5:
        raise ValueError("needs at least one file, a record per file, and a share of defects from 0 to 0.5")
    source, rng = SOURCES[dataset](), Random(seed)
    maker = _Maker(source, rng, defects)
    paths, truths = [], []
    for number in range(files):
        layout = source.layout(number)
        count = rows * (number + 1) // files - rows * number // files
        path = out / layout.path
        truths.append(maker.write(path, layout, count, progress))
        paths.append(path)
    if dataset == "inventory":
        for folder in {path.parent: None for path in paths}:
            (folder / MARKER).touch()
    if truth:
        truth.write_text(json.dumps(_summary(dataset, rows, seed, truths), indent=1) + "\n")
    return paths


def write_large(out: Path) -> FileTruth:
    """Write orders that the other samples do not have into one file above the dataset's `dataflow_above`.

    Args:
        out: folder, made where it is missing.

    Returns:
        What is in the file.
    """
    source = Orders(_LARGE_BEFORE)
    layout = source.layout(_LARGE_NUMBER)
    return _Maker(source, Random(LARGE.seed), LARGE.defects).write(out / layout.path, layout, LARGE.rows, None)


class _Maker:
    """Writes files one after the other; remembers a few records, to send them again."""

    def __init__(self, source: Source, rng: Random, defects: float) -> None:
        self._source, self._rng = source, rng
        self._every = round(1 / defects) if defects else 0
        order = sorted(source.defects, key=lambda _: rng.random())
        self._defects = deque(order)
        self._earlier: list[Record] = []
        self._recent: deque[Record] = deque(maxlen=_REMEMBERED)

    def write(self, path: Path, layout: Layout, count: int, progress: Progress | None) -> FileTruth:
        """Write one file of so many records, and say what is in it."""
        truth = FileTruth(layout.path)
        self._earlier, self._recent = list(self._recent)[:20], deque(maxlen=_REMEMBERED)
        with _opened(path, layout) as out:
            for number, text in enumerate(self._lines(count, truth)):
                if layout.newline != "\n":
                    text = text.replace("\n", layout.newline)
                out.write((text + layout.newline).encode("utf-8", "surrogateescape"))
                if progress and number % _STEP == _STEP - 1:
                    progress(_STEP)
        if progress:
            progress(count % _STEP)
        return truth

    def _lines(self, count: int, truth: FileTruth) -> Iterator[str]:
        due = self._next_defect(0)
        for number in range(count):
            # An unclosed quote needs a record after it, or it is a file that ends too early.
            text = self._spoilt(truth) if number == due and number < count - 1 else self._sound(truth)
            if number >= due:
                due = self._next_defect(number + 1)
            # A blank line is no record.
            yield text + "\n" if self._rng.random() < _BLANK else text

    def _next_defect(self, start: int) -> int:
        if not self._every:
            return sys.maxsize
        block = -(-start // self._every) * self._every
        return block + int(self._rng.random() * self._every)

    def _spoilt(self, truth: FileTruth) -> str:
        defect = self._defects[0]
        self._defects.rotate(-1)
        truth.count("quarantined")
        truth.defects[defect] += 1
        return self._source.spoil(self._rng, self._source.record(self._rng), defect)

    def _sound(self, truth: FileTruth) -> str:
        source, rng, chance = self._source, self._rng, self._rng.random()
        if chance < _RESENT_WITHIN and self._recent:
            truth.count("duplicates")
            return source.render(rng, source.again(self._recent[int(rng.random() * len(self._recent))]))
        if chance > 1 - _RESENT_LATER and self._earlier and source.resends:
            truth.count("loaded")
            truth.resent += 1
            return source.render(rng, source.again(self._earlier.pop()))
        record = source.record(rng)
        if source.is_filtered(record):
            truth.count("filtered")
        else:
            truth.count("loaded")
            self._recent.append(record)
        return source.render(rng, record)


@contextmanager
def _opened(path: Path, layout: Layout) -> Iterator[IO[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb", buffering=1 << 20) as raw:
        # No name and no time in the gzip header: the same content gives the same bytes.
        packed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if layout.gzip else None
        stream: IO[bytes] = packed or raw  # type: ignore[assignment]
        if layout.bom:
            stream.write(b"\xef\xbb\xbf")
        if layout.header is not None:
            stream.write((layout.header + layout.newline).encode())
        yield stream
        if packed:
            packed.close()


def _summary(dataset: str, rows: int, seed: int, truths: Sequence[FileTruth]) -> dict[str, object]:
    resent = sum(truth.resent for truth in truths)
    totals = {
        name: sum(getattr(truth, name) for truth in truths)
        for name in ("records", "loaded", "filtered", "duplicates", "quarantined")
    }
    totals["loaded"] -= resent
    totals["duplicates"] += resent
    defects = sum((truth.defects for truth in truths), Counter[str]())
    return {
        "dataset": dataset,
        "rows": rows,
        "seed": seed,
        "together": totals,
        "defects": defects,
        "files": [vars(truth) for truth in truths],
    }


def write_shipped(datasets: Path = DATASETS) -> list[Path]:
    """Write the sample and reference files that stand in the repository."""
    (datasets / "orders" / "reference").mkdir(parents=True, exist_ok=True)
    (datasets / "orders" / "reference" / "customers.csv").write_text(reference(), encoding="utf-8")
    written = []
    for name, made in SHIPPED.items():
        out = datasets / name / "samples"
        written += generate(name, made.rows, made.seed, out, defects=made.defects)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m local.samples", description=summary)
    parser.add_argument("dataset", choices=[*SOURCES, "shipped"], help="shipped: those in include/datasets")
    parser.add_argument("--rows", type=int, default=1000, help="records in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--files", type=int, default=3)
    parser.add_argument("--defects", type=float, default=0.02, help="share of bad records")
    parser.add_argument("--out", type=Path, default=Path("build/samples"), help="default: %(default)s")
    parser.add_argument("--truth", type=Path, help="JSON file for what is in the files")
    options = parser.parse_args(arguments)
    try:
        paths = write_shipped() if options.dataset == "shipped" else _generate_shown(options)
    except (ValueError, OSError) as error:
        print(f"landfall: {error}", file=sys.stderr)
        return 1
    for path in paths:
        print(f"{path}  {path.stat().st_size:,} bytes")
    return 0


def _generate_shown(options: argparse.Namespace) -> list[Path]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(options.dataset, total=options.rows)
        return generate(
            options.dataset, options.rows, options.seed, options.out,
            files=options.files, defects=options.defects, truth=options.truth,
            progress=lambda count: bar.advance(task, count),
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

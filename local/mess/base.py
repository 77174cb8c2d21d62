"""What every source of sample records has in common: layouts of files, cells, and quoting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Protocol

Record = dict[str, str]

FIRST_DAY = date(2026, 11, 18)
PHRASES = (
    "leave with the neighbour",
    "Rue de l'Église 4, 2e étage",
    "Müllerstraße 7, 13353 Berlin",
    "gift 🎁, no invoice please",
    'the "small" box, not the big one',
    "first floor,\nsecond door",
    "ring twice\nthen wait",
    "日本語のメモ",
    "naïve café – déjà vu",
    'called, said "later"',
    "50% off; see coupon",
    "Łódź, ul. Piotrkowska 12",
)
# Bytes that are no UTF-8, as `surrogateescape` spells them: "café Zürich" in Latin-1.
NOT_UTF8 = "caf\udce9 Z\udcfcrich"


@dataclass(frozen=True)
class Layout:
    """How one sample file is written: its path below the output folder, its bytes, its first line."""

    path: str
    newline: str = "\n"
    bom: bool = False
    gzip: bool = False
    header: str | None = None


class Source(Protocol):
    """A dataset's stream of sample records.

    Args of the methods: `number` counts the files from 0, `rng` is the only source of chance.
    """

    defects: tuple[str, ...]
    resends: bool

    def layout(self, number: int) -> Layout:
        """Begin a file, and say how it is to be written."""

    def record(self, rng: Random) -> Record:
        """Make the next record that the contract accepts."""

    def again(self, record: Record, /) -> Record:
        """Return the record as a partner sends it a second time."""

    def is_filtered(self, record: Record, /) -> bool:
        """Say whether the pipeline's filter leaves the record out."""

    def render(self, rng: Random, record: Record) -> str:
        """Return the record's text, without its line ending."""

    def spoil(self, rng: Random, record: Record, defect: str) -> str:
        """Return the record's text with one defect in it."""


def day_of(number: int) -> date:
    """Return the day of the file with this number."""
    return FIRST_DAY + timedelta(days=number)


def pick(rng: Random, items: tuple[str, ...]) -> str:
    """Return one of the items; the same one for the same state on every Python version."""
    return items[int(rng.random() * len(items))]


def number_below(rng: Random, bound: int) -> int:
    """Return a whole number from 0 to below the bound."""
    return int(rng.random() * bound)


def clock(rng: Random) -> str:
    """Return a time of day, hh:mm:ss."""
    second = number_below(rng, 86400)
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def quoted(text: str) -> str:
    """Return a CSV cell in quotes, with inner quotes doubled."""
    return '"' + text.replace('"', '""') + '"'


def cell(rng: Random, text: str, delimiter: str) -> str:
    """Return a CSV cell, quoted where it must be and now and then where it need not."""
    if delimiter in text or '"' in text or "\n" in text:
        return quoted(text)
    return quoted(text) if text and rng.random() < 0.03 else text

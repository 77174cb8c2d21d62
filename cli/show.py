"""Renders what commands tell: tables for a person, one JSON document for a script."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console
    from rich.table import Table

COUNTS = ("records", "loaded", "filtered", "duplicates", "quarantined")
# A pipe has no width; a table that is cut there helps nobody.
_PIPE_WIDTH = 200
_STYLES = {
    "accepted": "green", "loaded": "green", "held": "red", "superseded": "dim", "planned": "yellow",
    "seen": "yellow", "released": "yellow", "rejected": "dim", "dead_lettered": "red",
}  # fmt: skip


class Counted(Protocol):
    """Anything with the row accounting of one file."""

    @property
    def state(self) -> str:
        """What became of the file."""

    @property
    def records(self) -> int:
        """Physical records in it; the other counts add up to it."""

    @property
    def loaded(self) -> int:
        """Records that became rows."""

    @property
    def filtered(self) -> int:
        """Records left out by the filter."""

    @property
    def duplicates(self) -> int:
        """Records whose key another record has."""

    @property
    def quarantined(self) -> int:
        """Records put aside with a reason."""


def console(*, error: bool = False) -> Console:
    """Return a console on stdout, or on stderr."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False)


def print_json(document: Any) -> None:  # noqa: ANN401 - JSON is anything
    """Write one JSON document to stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")


def accounting(title: str, files: Iterable[tuple[str, Counted]]) -> Table:
    """Return the row accounting of files as a table, with the sums in its last line.

    What all files share, folder and state, stands in the title: eighty columns are few.

    Args:
        title: stands above it.
        files: name and counts of each file.
    """
    listed = list(files)
    shared = shared_folder([name for name, _ in listed]) if len(listed) > 1 else ""
    states = {file.state for _, file in listed}
    same = len(states) == 1
    title = ": ".join(filter(None, (title, shared))) + (f" ({min(states)})" if same else "")
    made = table(title, ["file"] if same else ["file", "state"], COUNTS)
    for name, file in listed:
        texts = [plain(name.removeprefix(shared))] + ([] if same else [state(file.state)])
        made.add_row(*texts, *(f"{getattr(file, count):,}" for count in COUNTS))
    if len(listed) > 1:
        made.add_section()
        sums = (f"{sum(getattr(file, count) for _, file in listed):,}" for count in COUNTS)
        made.add_row("in all", *([] if same else [""]), *sums, style="bold")
    return made


def shared_folder(names: Sequence[str]) -> str:
    """Return the folder in which all of these names lie, with its slash; empty where there is none."""
    shared: list[str] = []
    for parts in zip(*(name.split("/")[:-1] for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/".join([*shared, ""])


def rows(title: str, columns: Sequence[str], values: Iterable[Sequence[object]]) -> Table:
    """Return warehouse rows as a table; a null stands as a dim dash."""
    listed = table(title, columns, [])
    for row in values:
        listed.add_row(*("[dim]–[/]" if value is None else plain(str(value)) for value in row))
    return listed


def state(text: str) -> str:
    """Return a file's state, coloured."""
    style = _STYLES.get(text, "yellow")
    return f"[{style}]{plain(text)}[/]"


def plain(text: str) -> str:
    """Return text in which nothing is markup and nothing moves the cursor."""
    from rich.markup import escape

    return escape("".join(char if char.isprintable() else "␤" if char == "\n" else "·" for char in text))


def when(moment: datetime | None) -> str:
    """Return a moment in local time, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return an empty table: columns of text, then columns of numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in texts:
        made.add_column(plain(name), overflow="fold")
    for name in numbers:
        made.add_column(name, justify="right", no_wrap=True)
    return made

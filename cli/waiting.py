"""What waits for a person or for a sender, and the command that deals with it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cli.ledger import LedgerReader
    from include.spec.dataset import Dataset

INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Waits:
    """Files or records of one dataset that wait.

    Args:
        kind: held, dead_lettered, quarantined or incomplete.
        files: how many, or of how many files records wait.
        records: quarantined records that no replay has settled.
        example: name of one of the files; of an incomplete set, what it waits for.
    """

    dataset: str
    kind: str
    files: int
    records: int
    example: str

    @property
    def what(self) -> str:
        """What waits, as a clause."""
        files = f"{self.files:,} file{'s' if self.files != 1 else ''}"
        if self.kind == "quarantined":
            return f"{self.records:,} quarantined record{'s' if self.records != 1 else ''} of {files}, not yet replayed"
        if self.kind == INCOMPLETE:
            return self.example
        said = {"held": "held", "dead_lettered": "put aside as dead letters"}[self.kind]
        return f"{files} {said}, as {self.example}"

    @property
    def then(self) -> str:
        """The command that deals with it."""
        return advice(self.kind, self.example, self.dataset)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {**asdict(self), "then": self.then}


def advice(kind: str, name: str, dataset: str) -> str:
    """Return the command that deals with what waits; empty where nothing does.

    Args:
        kind: as `Waits` has it, or the state of a file.
        name: of the file.
        dataset: the file's.
    """
    # A name may hold anything; this is to be copied into a shell.
    file = f"{shlex.quote(name)} --dataset {dataset}"
    return {
        "held": f"land it again, mended; or landfall release {file}; or reject it likewise, with --reason WHY",
        "dead_lettered": f"mend the cause, then landfall retry {file}",
        "quarantined": f"mend the contract; landfall replay {dataset} says what would pass, --apply loads it",
        INCOMPLETE: f"its sender lands it; by hand landfall drop {dataset} FILE..., --complete for a marker",
    }.get(kind, "")


def find_waiting(
    reader: LedgerReader | None, datasets: Sequence[Dataset], wanted: str
) -> tuple[list[Waits], list[str]]:
    """Return what waits, and a sentence for each dataset of which that could not be told.

    Args:
        reader: of the ledger; None where there is none.
        datasets: those whose sets are looked for in the landing bucket.
        wanted: the dataset that is asked for; empty: all.
    """
    found, unknown = list[Waits](), list[str]()
    rows = reader.waiting(wanted) if reader else None
    if reader and rows is None:
        unknown.append("what waits in a ledger of an older release is not known; the next run brings it up to date")
    for row in rows or ():
        found.append(Waits(row["dataset"], row["kind"], row["files"], row["records"], row["example"] or ""))
    # Without a ledger of this release a look cannot tell a set that is loaded from one that waits.
    for dataset in datasets if rows is not None else ():
        if dataset.pipeline.source.completeness.by_set:
            sets, problem = _incomplete(dataset)
            found += sets
            unknown += problem
    order = ("held", "dead_lettered", "quarantined", INCOMPLETE)
    return sorted(found, key=lambda item: (item.dataset, order.index(item.kind), item.example)), unknown


def _incomplete(dataset: Dataset) -> tuple[list[Waits], list[str]]:
    from cli.clients import looking_site
    from cli.errors import CliError
    from landfall.errors import TerminalFailure, TransientFailure
    from landfall.gcp.landing import look

    try:
        findings = look(looking_site(dataset.name), run_id="landfall-status", ended=lambda _run_id: False)
    except (TerminalFailure, TransientFailure, CliError) as error:
        return [], [f"{dataset.name}: whether sets wait cannot be told: {error}"]
    return [Waits(dataset.name, INCOMPLETE, item.files, 0, str(item)) for item in findings.waiting], []


def print_waiting(waiting: Iterable[Waits], unknown: Iterable[str]) -> None:
    """Print what waits, a line each, and below it what to do."""
    from cli.show import console, plain

    out = console()
    dataset = ""
    for item in waiting:
        if item.dataset != dataset:
            dataset = item.dataset
            out.print(f"[bold]{plain(dataset)}: what waits[/]")
        out.print(f"  {plain(item.what)}", soft_wrap=True)
        out.print(f"    {plain(item.then)}", soft_wrap=True)
    for sentence in unknown:
        out.print(f"  {plain(sentence)}", soft_wrap=True)

"""Which landed files count: once their set is complete, once they lie unchanged; and which of them come too late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from include.engine.promised import Promised
from include.ledger.landing import Landed
from include.spec.arrival import Completeness
from include.spec.pipeline import Load

LATE = "late"
INCOMPLETE = "set_incomplete"
BAD_MANIFEST = "bad_manifest"
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Vouched:
    """Why a file counts.

    Args:
        voucher: name and generation of the marker or manifest of its set; empty where no set counts.
        at: when that landed, by the store's clock.
        late: it comes after its set; its rows are added to the partition instead of replacing it.
        again: it was held, and goes along with its set.
        promised: what the manifest says of it that only reading can tell.
    """

    voucher: str = ""
    at: datetime | None = None
    late: bool = False
    again: bool = False
    promised: Promised | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Files that wait, and for what."""

    folder: str
    files: int
    reason: str

    def __str__(self) -> str:
        """Say it in one line."""
        some = f"{self.files} files wait" if self.files != 1 else "1 file waits"
        place = f" in {self.folder}/" if self.folder else ""
        return f"{some}{place} {self.reason}"


@dataclass(frozen=True, slots=True)
class Held:
    """A file that is held before anything of it is read.

    Args:
        reason: a code, a colon, and a sentence that a person can act on.
        voucher: of its set, where it has one.
    """

    file: Landed
    reason: str
    voucher: str = ""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the ledger knows of the sets at hand.

    Args:
        spent: voucher to the names of the files that were loaded on it; a voucher that is not there vouched for none.
        closed: folders of which a set is loaded.
        alone: folder to the names of files that came late and were loaded after its last set.
        held_late: ids of files that are held because they came late, to the voucher of their set, if they had one.
    """

    spent: Mapping[str, frozenset[str]] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    alone: Mapping[str, frozenset[str]] = field(default_factory=dict)
    held_late: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Remembered:
        """Read the rows of `sets_sql`."""
        kinds: dict[str, dict[str, dict[str, datetime]]] = defaultdict(lambda: defaultdict(dict))
        for row in rows:
            kinds[row["kind"]][row["key"]][row["name"]] = row["at"]
        folders = kinds["folder"]
        sets = {folder: names[""] for folder, names in folders.items() if "" in names}
        return cls(
            spent={key: frozenset(names) for key, names in kinds["voucher"].items()},
            closed=frozenset(folders),
            alone={
                folder: frozenset(name for name, at in folders[folder].items() if name and at > closed)
                for folder, closed in sets.items()
            },
            held_late={key: next(iter(names)) for key, names in kinds["late"].items()},
        )


@dataclass(slots=True)
class Arrived:
    """What counts of what has landed.

    Args:
        taken: files to load, sorted by name.
        vouched: file id to why it counts.
        held: files to hold.
        waiting: what waits, and for what.
        left: vouchers whose set is loaded, and which still lie there.
    """

    taken: list[Landed] = field(default_factory=list)
    vouched: dict[str, Vouched] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    left: list[Landed] = field(default_factory=list)

    def take(self, files: Iterable[Landed], why: Callable[[Landed], Vouched]) -> None:
        """Take files, and note why each counts."""
        for file in files:
            self.taken.append(file)
            self.vouched[file.file_id] = why(file)

    def wait(self, folder: str, files: Collection[Landed], reason: str) -> None:
        """Note that files wait."""
        if files:
            self.waiting.append(Waiting(folder, len(files), reason))


@dataclass(frozen=True, slots=True)
class Terms:
    """What a dataset says about the arrival of its files.

    Args:
        complete: `source.complete`.
        load: `load`, of which `late` and `mode` count.
    """

    complete: Completeness
    load: Load

    @property
    def whole(self) -> bool:
        """Whether a set replaces partitions: it is loaded as a whole or not at all."""
        return self.load.mode == "replace_partition"


def voucher_of(item: Landed) -> str:
    """Name one version of a marker or manifest, as the ledger has it."""
    return f"{item.name}#{item.generation}"


def unchanged_for(
    files: Iterable[Landed], span: timedelta, clock: Callable[[], datetime]
) -> tuple[list[Landed], list[Waiting]]:
    """Part files into those that lie unchanged for so long, and what waits.

    Args:
        span: how long a file must lie.
        clock: the store's time.
    """
    taken, young = [], defaultdict(list)
    for item in files:
        if item.created is not None and clock() - item.created < span:
            young[item.folder].append(item)
        else:
            taken.append(item)
    text = f"to lie unchanged for {shown(span)}"
    return taken, [Waiting(folder, len(items), text) for folder, items in sorted(young.items())]


def shown(span: timedelta) -> str:
    """Write a span as pipeline.yaml does."""
    seconds = max(int(span.total_seconds()), 0)
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    parts = []
    for unit, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def listing(names: Iterable[str]) -> str:
    """Name a few files for a person, without their folders."""
    short = [name.rpartition("/")[2] for name in sorted(names)]
    more = f" and {len(short) - _LISTED} more" if len(short) > _LISTED else ""
    return ", ".join(short[:_LISTED]) + more

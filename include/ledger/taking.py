"""Which landed files a run takes, which it leaves to another run, and which it turns away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.ledger.dead_letters import is_due
from include.ledger.landing import Landed
from include.ledger.states import DONE, LASTING, FileState, is_final
from include.spec.pipeline import Load

REDELIVERED = "redelivered"


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of one version of an object.

    Args:
        state: the state that counts.
        run_id: the run that wrote it.
        holder: the run that has taken it and not let go of it since.
        age: seconds since then, by the warehouse's clock.
        released: a person said once that tolerance and completeness do not hold this version.
        failures: runs in which it failed for good.
        failures_alone: those of them in which nothing else was in its batch.
    """

    file_id: str
    name: str
    generation: int
    state: str
    run_id: str = ""
    holder: str | None = None
    age: int = 0
    released: bool = False
    failures: int = 0
    failures_alone: int = 0

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Known:
        """Read a row of `states_sql`."""
        return cls(**{name: row[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Taken:
    """What a look at the landed files and at the ledger comes to.

    Args:
        open: files to load, in the order of their names.
        left_behind: files that need no run and still lie there, in the very generation that the ledger knows.
        leased: files that another run has taken that has not ended.
        turned_away: redelivered files that the policy `skip` does not load.
        released: ids of files that a person released.
        failed: ids of files that failed in a run before.
        dead: files that have failed too often, and those that are dead letters and were not moved away.
    """

    open: tuple[Landed, ...] = ()
    left_behind: tuple[Landed, ...] = ()
    leased: tuple[Landed, ...] = ()
    turned_away: tuple[Landed, ...] = ()
    released: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    dead: tuple[Landed, ...] = ()


def take(
    landed: Iterable[Landed],
    known: Sequence[Known],
    load: Load,
    *,
    run_id: str,
    lease: float,
    ended: Callable[[str], bool],
    force: bool = False,
    attempts: int = 0,
) -> Taken:
    """Decide what a run does with each landed file.

    With `replace_partition` a folder is one set: it is taken, left to another run or turned away as a whole, and an
    open file takes with it those that are held, or a mended file alone would replace what belongs to its whole set.

    Args:
        landed: what lies in the landing bucket.
        known: what the ledger says of every version of these objects.
        load: the dataset's way of loading.
        run_id: the run that asks.
        lease: seconds for which a run that has taken a file is left alone with it.
        ended: whether a run is known to have ended; its leases are void.
        force: a person wants them all, whatever their state.
        attempts: runs in which a file may fail; 0: any number.
    """
    states = {item.file_id: item for item in known}
    # An object has one current version. Were two listed, the older would be read for nothing.
    newest = {item.name: item for item in sorted(landed, key=lambda item: item.generation)}
    files = sorted(newest.values(), key=lambda item: item.name)
    released = frozenset(item.file_id for item in known if item.released)
    failed = frozenset(item.file_id for item in known if item.failures)
    if force:
        return Taken(open=tuple(files), released=released, failed=failed)
    gone = _memo(ended)
    leased = {f.file_id for f in files if _leased(states.get(f.file_id), run_id, lease, gone)}
    free = {f.file_id for f in files if not is_final(_state(states, f))} - leased
    away = _redelivered(files, known) & free if load.policy == "skip" else set()
    dead = {f.file_id for f in files if f.file_id in free and is_due(states.get(f.file_id), attempts)}
    if load.mode == "replace_partition":
        leased = _whole_folders(files, leased, leased | free)
        away = _whole_folders(files, away, free)
        held = {f.file_id for f in files if _state(states, f) == FileState.HELD}
        free |= _whole_folders(files, free, held)
        # A set in which one file was mended since is tried again as a whole.
        dead -= _whole_folders(files, free - dead, dead)
    dead -= leased | away
    free -= leased | away | dead
    dead |= {f.file_id for f in files if _state(states, f) == FileState.DEAD_LETTERED}
    return Taken(
        open=_kept(files, free),
        left_behind=tuple(f for f in files if _state(states, f) in DONE),
        leased=_kept(files, leased),
        turned_away=_kept(files, away),
        released=released,
        failed=failed,
        dead=_kept(files, dead),
    )


def _state(states: Mapping[str, Known], file: Landed) -> str | None:
    found = states.get(file.file_id)
    return found.state if found else None


def _leased(known: Known | None, run_id: str, lease: float, ended: Callable[[str], bool]) -> bool:
    """Whether another run that may be alive has taken a file."""
    if known is None or is_final(known.state) or known.holder in (None, run_id):
        return False
    return known.age < lease and not ended(known.holder)


def _redelivered(files: Iterable[Landed], known: Iterable[Known]) -> set[str]:
    loaded = {(item.name, item.file_id) for item in known if item.state in LASTING}
    delivered = {name for name, _ in loaded}
    return {f.file_id for f in files if f.name in delivered and (f.name, f.file_id) not in loaded}


def _whole_folders(files: Iterable[Landed], of: set[str], among: set[str]) -> set[str]:
    """Ids among some that lie in a folder with one of others."""
    files = list(files)
    folders = {f.folder for f in files if f.file_id in of}
    return {f.file_id for f in files if f.folder in folders and f.file_id in among}


def _kept(files: Iterable[Landed], ids: set[str]) -> tuple[Landed, ...]:
    return tuple(f for f in files if f.file_id in ids)


def _memo(ended: Callable[[str], bool]) -> Callable[[str], bool]:
    answers: dict[str, bool] = {}

    def ask(run_id: str) -> bool:
        if run_id not in answers:
            answers[run_id] = ended(run_id)
        return answers[run_id]

    return ask

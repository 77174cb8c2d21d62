"""The states of a file version in the ledger, and the moves between them; docs/operations.md has the picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FileState(StrEnum):
    """What the ledger last said of a file version."""

    SEEN = "seen"
    """It landed. No event says so, but where a run that had taken it let go of it."""
    PLANNED = "planned"
    """A run has taken it, and holds a lease on it."""
    TRANSFORMED = "transformed"
    """Its batch's manifest is published. The manifest says so; an event would cost a warehouse job for each batch."""
    LOADED = "loaded"
    HELD = "held"
    RELEASED = "released"
    REJECTED = "rejected"
    DEAD_LETTERED = "dead_lettered"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Move:
    """One legal move.

    Args:
        who: the task that makes it, or what a person does.
        when: what makes it happen, as a clause.
    """

    start: FileState
    end: FileState
    who: str
    when: str


_S = FileState
PLAN, FUNCTION, LOAD = "plan", "function", "load"
FORCE, RELEASE, REJECT, RETRY = "person: force", "person: release", "person: reject", "person: retry"

_AGAIN = "the run that took it has ended, or its lease has run out"
_LETS_GO = "the run that took it cannot load it, or another run was faster with a part of its batch"
_REDELIVERED = "another version of it is loaded, and `load.redelivered` is `skip`"
_NEWER = "a newer version of it is loaded"
_POISON = "it failed for good in `retry.attempts` runs, in one of them alone in its batch"
_UNREAD = "it comes after its set, or is not what its set's manifest says"

MOVES: Final = (
    Move(_S.SEEN, _S.PLANNED, PLAN, "a run takes it"),
    Move(_S.SEEN, _S.REJECTED, PLAN, _REDELIVERED),
    Move(_S.SEEN, _S.HELD, PLAN, _UNREAD),
    Move(_S.SEEN, _S.DEAD_LETTERED, LOAD, _POISON),
    Move(_S.SEEN, _S.SUPERSEDED, LOAD, _NEWER),
    Move(_S.PLANNED, _S.TRANSFORMED, FUNCTION, "the manifest of its batch is published"),
    Move(_S.PLANNED, _S.PLANNED, PLAN, _AGAIN),
    Move(_S.PLANNED, _S.REJECTED, PLAN, _REDELIVERED),
    Move(_S.PLANNED, _S.HELD, PLAN, _UNREAD),
    Move(_S.PLANNED, _S.SEEN, LOAD, _LETS_GO),
    Move(_S.PLANNED, _S.DEAD_LETTERED, PLAN, "the same, and the run that took it last could not say so"),
    Move(_S.PLANNED, _S.SUPERSEDED, LOAD, _NEWER),
    Move(_S.TRANSFORMED, _S.LOADED, LOAD, "the transaction commits its rows"),
    Move(_S.TRANSFORMED, _S.HELD, LOAD, "it is wrong as a whole, or above the tolerance"),
    Move(_S.TRANSFORMED, _S.PLANNED, PLAN, _AGAIN),
    Move(_S.TRANSFORMED, _S.SEEN, LOAD, _LETS_GO),
    Move(_S.HELD, _S.RELEASED, RELEASE, "it is to be loaded in spite of the tolerance or of an incomplete set"),
    Move(_S.HELD, _S.REJECTED, REJECT, "it is not to be loaded"),
    Move(_S.HELD, _S.PLANNED, FORCE, "the DAG is triggered with `force`"),
    Move(_S.HELD, _S.LOADED, LOAD, "it goes along with its set, of which another file was mended"),
    Move(_S.HELD, _S.SUPERSEDED, LOAD, _NEWER),
    Move(_S.RELEASED, _S.PLANNED, PLAN, "a run takes it; neither tolerance nor completeness holds it again"),
    Move(_S.RELEASED, _S.DEAD_LETTERED, LOAD, _POISON),
    Move(_S.RELEASED, _S.SUPERSEDED, LOAD, _NEWER),
    Move(_S.REJECTED, _S.PLANNED, FORCE, "the DAG is triggered with `force`"),
    Move(_S.DEAD_LETTERED, _S.PLANNED, RETRY, "it is moved back to where it landed, as a new version"),
    Move(_S.DEAD_LETTERED, _S.SUPERSEDED, LOAD, _NEWER),
    Move(_S.LOADED, _S.LOADED, FORCE, "the DAG is triggered with `force`; its rows are replaced"),
    Move(_S.LOADED, _S.SUPERSEDED, LOAD, "a newer version is loaded in its place"),
)

# States from which a run takes a file by itself.
OPEN: Final = frozenset(move.start for move in MOVES if move.who == PLAN and move.end == _S.PLANNED)
# States in which a file lies in the landing bucket for nothing: what is left behind there is moved to the archive.
DONE: Final = frozenset({_S.LOADED, _S.REJECTED})
# States in which the loading of a newer version ends a file.
SUPERSEDABLE: Final = frozenset(move.start for move in MOVES if move.end == _S.SUPERSEDED)
# What has been loaded stays so or makes way for a newer version.
LASTING: Final = (_S.SUPERSEDED, _S.LOADED)
# What a commit or a person said. Only a commit or a person changes it: a run that wants the file changes nothing.
DECIDED: Final = (_S.HELD, _S.RELEASED, _S.REJECTED, _S.DEAD_LETTERED)
# A run may look before another's commit and write after it, so that the latest event alone says nothing.
_TIERS: Final = (*((state,) for state in LASTING), DECIDED)


def is_final(state: str | None) -> bool:
    """Whether no run takes a file in this state by itself; None is a file that the ledger never saw."""
    return FileState(state or FileState.SEEN) not in OPEN


def starts_of(end: FileState, who: str = "") -> frozenset[FileState]:
    """Return the states from which a file may go to another.

    Args:
        end: where to.
        who: what makes the move; empty: anything.
    """
    return frozenset(move.start for move in MOVES if move.end == end and who in ("", move.who))


def may_move(start: str | None, end: str) -> bool:
    """Whether a file may go from one state to another; None is a file that the ledger never saw."""
    return any((move.start, move.end) == (start or FileState.SEEN, end) for move in MOVES)


def current_sql() -> str:
    """Return the ORDER BY that puts the event which is a file version's current state first."""
    ranks = " ".join(f"WHEN state IN {listed_sql(tier)} THEN {rank}" for rank, tier in enumerate(_TIERS))
    # Of two events of one moment, the one that a run wrote when it began is the earlier.
    return f"CASE {ranks} ELSE {len(_TIERS)} END, at DESC, state = '{FileState.PLANNED.value}'"


def listed_sql(states: Iterable[FileState]) -> str:
    """Return states as a parenthesised SQL list, in a fixed order."""
    return f"({', '.join(repr(state.value) for state in sorted(states))})"

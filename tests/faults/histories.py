"""Small histories which together come to every crash point; each is lived through once for each fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.world import Mode, World


@dataclass(frozen=True)
class History:
    """What happens to a dataset before a fault is there, and then.

    Args:
        before: happens without faults.
        under_fire: happens with one.
        boundaries: names of the crash points that it comes to, in every mode.
        sets: those that it comes to where folders are sets.
        calls: those whose faults are tried; None: all that it makes.
        policy: for redelivered files; empty: the mode's own.
    """

    name: str
    before: Callable[[World], object]
    under_fire: Callable[[World], object]
    boundaries: tuple[str, ...]
    sets: tuple[str, ...] = ()
    calls: tuple[str, ...] | None = ()
    policy: str = ""

    def crash_points(self, mode: Mode) -> list[str]:
        """Return the places that it comes to."""
        names = (*self.boundaries, *(self.sets if mode == "replace_partition" else ()))
        return [f"{name}.{side}" for name in sorted(names) for side in ("before", "after")]


_MOVES = ("archive.file", "move.copy", "move.delete")
_WRITES = ("bigquery.insert_job", "storage.insert")
_MOVING = ("storage.delete", "storage.rewrite")


def _land_again(world: World) -> None:
    """Two runs, the first of which makes the tables; the second alters one, and takes a new version."""
    world.land(0, bad=1)
    world.new_run().finish()
    world.amend()
    world.land(0, bad=1)
    world.land(2, mendable=1)
    world.new_run().finish()


def _load_one(world: World) -> None:
    world.land(0, bad=1)
    world.new_run().finish()


def _load_wrong_ones(world: World) -> None:
    world.land(0, bad=1, mendable=2)
    world.land(2, mendable=1)
    world.new_run().finish()
    world.amend()
    world.mend()


def _replay(world: World) -> None:
    """A dry run, then the replay itself, under a contract that has a column more, too."""
    for dry_run in (True, False):
        world.replay(dry_run=dry_run).finish()


def _land_poison(world: World) -> None:
    world.land(0, poison=True)
    world.new_run().finish()


def _die_and_retry(world: World) -> None:
    """The run that makes it a dead letter, and the one that brings it back."""
    world.new_run().finish()
    world.mend()
    world.decide("retry", 0).finish()
    if world.sets:  # which got its new marker after that run had looked
        world.new_run().finish()


def _hold_two(world: World) -> None:
    world.land(0, rows=1, bad=2)
    world.land(2, rows=1, bad=2, mendable=1)
    world.new_run().finish()


def _decide(world: World) -> None:
    """One form that releases one and another that rejects the other; the run of the first one loads it."""
    world.decide("reject", 2)
    world.decide("release", 0).finish()


def _deliver_again(world: World) -> None:
    world.land(0)
    world.new_run().finish()


HISTORIES = (
    History(
        "landing", lambda _: None, _land_again,
        boundaries=(
            "function.manifest", "function.part", "ledger.dataset", "ledger.events", "ledger.staging", "ledger.tables",
            "load.alter", "load.commit", "load.dataset", "load.stage", "load.target", "plan.plan", "plan.reference",
            *_MOVES,
        ),
        sets=("archive.voucher",),
        calls=None,
    ),
    History(
        "replaying", _load_wrong_ones, _replay,
        boundaries=(
            "function.manifest", "function.part", "load.alter", "load.stage", "plan.plan", "plan.reference",
            "replay.commit", "replay.report", "replay.selection",
        ),
        calls=(*_WRITES, "function.transform"),
    ),
    History(
        "dead letters", _land_poison, _die_and_retry,
        boundaries=(
            "dead_letter.envelope", "ledger.decide", "ledger.let_go", "ledger.retried", "load.commit",
            "retry.envelope", "retry.move", "transform.note", *_MOVES,
        ),
        calls=(*_WRITES, *_MOVING),
    ),
    History("decisions", _hold_two, _decide, boundaries=("ledger.decide", *_MOVES), calls=(*_WRITES, *_MOVING)),
    History(
        "skipping", _load_one, _deliver_again, boundaries=("ledger.events", *_MOVES),
        calls=("bigquery.insert_job", *_MOVING),  # there is no plan to write where all is turned away
        policy="skip",
    ),
)  # fmt: skip

NOT_COME_TO = {
    "load.nothing": "a warehouse has to refuse the data of a batch, for a limit that the emulator does not have; it"
    " writes nothing, and tests/plugins/gcp/test_refused.py holds what comes of it",
    "transform.request": "the histories have no large file; tests/plugins/gcp/beam holds what comes of a try that was"
    " killed beside it",
}
"""Names of the crash points that no history comes to, and why."""

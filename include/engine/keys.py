"""Finds the records whose key is already taken, exactly, over all admitted files of a batch.

64-bit hashes of the keys are kept for every good row; only rows whose hash stands more than once are looked at
again, by their real values. Files come in the order of the batch, records in the order of their file. With `keep:
first` a record is a duplicate if any of its keys (the primary key, each unique column) belongs to a record that
stays and comes before it; with `keep: last`, after it. So every duplicate has a twin that stays. A null in a key
makes it equal to nothing.
"""

# ruff: noqa: S608 - it makes SQL for an engine without files or network; names and texts pass through quote and literal

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.engine.database import Database, quote
from include.engine.frame import Bools, Ints
from include.spec.dataset import Dataset

Hashes = npt.NDArray[np.uint64]


def key_sets(dataset: Dataset) -> list[tuple[str, ...]]:
    """Return the columns, or groups of columns, whose values may stand only once."""
    sets = [dataset.key] if dataset.key else []
    sets += [(column.name,) for column in dataset.columns if column.unique and (column.name,) not in sets]
    return sets


class Keys:
    """Collects the keys' hashes, block by block."""

    def __init__(self, dataset: Dataset, database: Database) -> None:
        self.sets = key_sets(dataset)
        self.columns = sorted({name for names in self.sets for name in names})
        self._database = database
        self._hashes: list[list[Hashes]] = [[] for _ in self.sets]

    def add(self, good: pa.Table) -> None:
        """Remember the keys of a block of good rows."""
        if not self.sets or not good.num_rows:
            return
        hashes = {
            number: f"hash({', '.join(map(quote, names))}) AS h{number}"
            for number, names in enumerate(self.sets)
            if not _is_whole(good, names)
        }
        asked = good.select(self.columns)
        found = self._database.query(f"SELECT {', '.join(hashes.values())} FROM block", block=asked) if hashes else None
        for number, (names, kept) in enumerate(zip(self.sets, self._hashes, strict=True)):
            if found is not None and number in hashes:
                kept.append(found.column(f"h{number}").to_numpy())
            else:
                kept.append(good.column(names[0]).fill_null(0).to_numpy().view(np.uint64))

    def duplicates(self, admitted: Bools, values: Callable[[Ints], pa.Table], keep: Literal["first", "last"]) -> Bools:
        """Find the duplicates among the rows added.

        Args:
            admitted: which rows count at all: those of files that are not held.
            values: returns the key columns of some rows, in the order of the rows.
            keep: which of several rows stays.
        """
        found = np.zeros(len(admitted), np.bool_)
        suspects = np.zeros(len(admitted), np.bool_)
        for hashes in self._hashes:
            suspects |= _repeated(np.concatenate(hashes), admitted) if hashes else False
        rows = np.flatnonzero(suspects)
        if len(rows):
            found[_losers(rows, values(rows), self.sets, reverse=keep == "last")] = True
        return found


def _is_whole(good: pa.Table, names: Sequence[str]) -> bool:
    """Whether a key is one integer, which is its own hash: no two have the same, and none has to be worked out."""
    return len(names) == 1 and pa.types.is_int64(good.schema.field(names[0]).type)


def _repeated(hashes: Hashes, admitted: Bools) -> Bools:
    """Mark admitted rows whose hash another admitted row has too."""
    rows = np.flatnonzero(admitted)
    order = rows[np.argsort(hashes[rows], kind="stable")]
    same = hashes[order[1:]] == hashes[order[:-1]]
    marked = np.zeros(len(hashes), np.bool_)
    marked[order[1:][same]] = True
    marked[order[:-1][same]] = True
    return marked


def _losers(rows: Ints, values: pa.Table, sets: Sequence[tuple[str, ...]], *, reverse: bool) -> list[int]:
    columns = {name: values.column(name).to_pylist() for name in values.column_names}
    keys: list[list[tuple[Any, ...]]] = [list(zip(*(columns[name] for name in names), strict=True)) for names in sets]
    taken: list[set[tuple[Any, ...]]] = [set() for _ in sets]
    losers = []
    places = range(len(rows) - 1, -1, -1) if reverse else range(len(rows))
    for place in places:
        mine = [key[place] for key in keys]
        if any(key in seen for key, seen in zip(mine, taken, strict=True)):
            losers.append(int(rows[place]))
            continue
        for key, seen in zip(mine, taken, strict=True):
            if None not in key:
                seen.add(key)
    return losers

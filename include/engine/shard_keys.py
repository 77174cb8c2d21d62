"""Finds the duplicates of a file whose parts were read apart: first by hashes, then, of the few that repeat, by values.

Every shard tells the hashes of its rows' keys, in arrays, one for each range of hashes. Whoever has a range of all
shards finds the hashes that stand there more than once. With these, each shard finds its suspects: all rows that may
share a key with another. They are brought together, and the values decide, as they do in a file that is read whole.
So half a hash will do: its range and 32 bits make some rows suspects for nothing, of a billion about one in a thousand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.engine.database import Database
from include.engine.frame import Bools, Ints
from include.engine.keys import Keys, duplicates, key_sets
from include.engine.part import Part, encoded, groups_of
from include.engine.seen import Numbers, mix
from include.engine.spool import ORDINAL
from include.spec.dataset import Dataset

Hashes = npt.NDArray[np.uint32]
"""Half of the bits of hashes of one range."""

ROW = "_row"
_HALF = np.uint64(32)
_LOWER = np.uint64(0xFFFFFFFF)
_UPPER = ~_LOWER
_GROUPS = 64


class ShardKeys:
    """The keys of a shard's rows, as its parts keep them.

    Args:
        dataset: says what the keys are.
        parts: what is in the files of keys, in the order of the parts.
        database: works out hashes.
    """

    def __init__(self, dataset: Dataset, parts: Sequence[pa.Buffer], database: Database) -> None:
        self._keys = Keys(key_sets(dataset), database)
        self._parts = parts

    def _tables(self) -> Iterator[pa.Table]:
        for part in self._parts:
            with pa.ipc.open_file(part) as reader:
                for number in range(reader.num_record_batches):
                    yield pa.table(reader.get_batch(number))

    def hashes(self, ranges: int) -> Iterator[tuple[int, int, Hashes]]:
        """Yield the hashes of each key in each range of hashes: number of the key, of the range, the hashes in order.

        A hash stands there once for one row that has it, and twice for more.

        Args:
            ranges: how many; those that have no hash are left out.
        """
        found: list[list[Numbers]] = [[] for _ in self._keys.sets]
        for table in self._tables():
            for number, (_, hashes) in enumerate(self._keys.hashes(table)):
                found[number].append(hashes)
        for key, parts in enumerate(found):
            spread = np.sort(_spread(np.concatenate([np.zeros(0, np.uint64), *parts]), ranges))
            is_third = np.zeros(len(spread), np.bool_)
            is_third[2:] = spread[2:] == spread[:-2]
            spread = spread[~is_third]
            edges = np.searchsorted(spread, np.arange(ranges + 1, dtype=np.uint64) << _HALF)
            for place in np.flatnonzero(np.diff(edges)).tolist():
                yield key, place, spread[edges[place] : edges[place + 1]].astype(np.uint32)

    def suspects(self, wanted: Sequence[Mapping[int, Hashes]], ranges: int) -> pa.Table:
        """Return the rows with a key among those that repeat: their keys, their ordinals, their numbers in the shard.

        Args:
            wanted: of each key, by range, the hashes that repeat.
            ranges: how many there are.
        """
        repeat = [
            np.sort(np.concatenate([np.zeros(0, np.uint64), *(_joined(place, those) for place, those in by.items())]))
            for by in wanted
        ]
        found = []
        first = 0
        for table in self._tables():
            suspect = np.zeros(table.num_rows, np.bool_)
            for (rows, hashes), those in zip(self._keys.hashes(table), repeat, strict=True):
                suspect[rows[_among(_spread(hashes, ranges), those)]] = True
            rows = np.flatnonzero(suspect)
            found.append(table.take(pa.array(rows)).append_column(ROW, pa.array(first + rows)))
            first += table.num_rows
        return pa.concat_tables(found)

    def grouped(self, rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
        """Yield the groups of some rows: none shares a key with one of another group."""
        if not rows.num_rows:
            return
        if len(self._keys.sets) > 1:  # by another key, two rows of any groups may
            yield 0, rows
            return
        ((_, hashes),) = self._keys.hashes(rows)
        groups = (_spread(hashes, _GROUPS) >> _HALF).astype(np.int64)
        for group in np.unique(groups).tolist():
            yield group, rows.filter(pa.array(groups == group))


def _spread(hashes: Numbers, ranges: int) -> Numbers:
    """Return for each hash its range in the upper half, and of the hash itself half of its bits in the lower."""
    # A key that is one integer is its own hash: as it is, it would be anything but spread.
    mixed = mix(hashes)
    return (((mixed >> _HALF) * np.uint64(ranges)) & _UPPER) | (mixed & _LOWER)


def _joined(place: int, hashes: Hashes) -> Numbers:
    return hashes.astype(np.uint64) | np.uint64(place << 32)


def _among(values: npt.NDArray[Any], ordered: npt.NDArray[Any]) -> Bools:
    """Say which values stand in an ordered array."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    found: Bools = ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values
    return found


def repeating(hashes: Sequence[Hashes]) -> list[Hashes]:
    """Return of each shard's hashes those that stand more than once in all of them.

    Args:
        hashes: of one range, by shard, in order.
    """
    whole = np.sort(np.concatenate(hashes))
    twice = np.unique(whole[1:][whole[1:] == whole[:-1]])
    return [twice[_among(twice, those)] for those in hashes]


def losers(dataset: Dataset, suspects: Sequence[pa.Table]) -> list[Ints]:
    """Return of each shard's suspects the numbers of those rows that are duplicates.

    Args:
        dataset: says what the keys are, and which of several rows stays.
        suspects: see `ShardKeys.suspects`; every row that shares a key with one of them is among them.
    """
    whole = pa.concat_tables(suspects)
    order = np.argsort(whole.column(ORDINAL).to_numpy(), kind="stable")
    ordered = whole.take(pa.array(order))
    is_lost = np.zeros(len(order), np.bool_)
    is_lost[order] = duplicates(ordered, key_sets(dataset), reverse=dataset.pipeline.load.keep == "last")
    edges = np.cumsum([0, *(table.num_rows for table in suspects)])
    return [
        table.column(ROW).to_numpy()[is_lost[edge : edge + table.num_rows]]
        for table, edge in zip(suspects, edges.tolist(), strict=False)
    ]


def without(part: pa.Buffer, rows: int, lost: Ints, target: Path) -> int:
    """Write a part again without some of its rows, and return how many are left.

    Args:
        part: what is in its Parquet file.
        rows: how many it has.
        lost: which of them go.
        target: the new file; none is written where no row is left.
    """
    stays = np.ones(rows, np.bool_)
    stays[lost] = False
    if not stays.any():
        return 0
    repetitive = encoded(part)
    groups = groups_of(part, repetitive=repetitive)
    first = next(groups)
    new = Part(target, first.schema, repetitive, is_plain=True)  # else its columns would be dictionaries to readers
    new.keep((first, *groups), stays)
    return new.rows

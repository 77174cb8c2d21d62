"""Finds the duplicates of a file whose parts were read apart: first by hashes, then, of the few that repeat, by values.

Every shard tells the hashes of its rows' keys, in arrays, one for each range of hashes. Whoever has a range of all
shards finds the hashes that stand there more than once. With these, each shard finds its suspects: all rows that may
share a key with another. They are brought together, and the values decide, as they do in a file that is read whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from include.engine.database import Database
from include.engine.frame import Ints
from include.engine.keys import Keys, duplicates, key_sets, repeated
from include.engine.part import Part, encoded, groups_of
from include.engine.seen import Numbers, mix
from include.engine.spool import ORDINAL
from include.spec.dataset import Dataset

ROW = "_row"
_HALF = np.uint64(32)
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

    def hashes(self, ranges: int) -> Iterator[tuple[int, int, Numbers]]:
        """Yield the hashes of each key in each range of hashes: number of the key, of the range, the hashes.

        Args:
            ranges: how many; those that have no hash are left out.
        """
        found: list[list[Numbers]] = [[] for _ in self._keys.sets]
        for table in self._tables():
            for number, (_, hashes) in enumerate(self._keys.hashes(table)):
                found[number].append(hashes)
        for key, parts in enumerate(found):
            hashes = np.concatenate([np.zeros(0, np.uint64), *parts])
            places = range_of(hashes, ranges)
            order = np.argsort(places, kind="stable")
            edges = np.searchsorted(places[order], np.arange(ranges + 1))
            for place in np.flatnonzero(np.diff(edges)).tolist():
                yield key, place, hashes[order[edges[place] : edges[place + 1]]]

    def suspects(self, wanted: Sequence[Numbers]) -> pa.Table:
        """Return the rows with a key among those that repeat: their keys, their ordinals, their numbers in the shard.

        Args:
            wanted: of each key the hashes that repeat.
        """
        found = []
        first = 0
        for table in self._tables():
            suspect = np.zeros(table.num_rows, np.bool_)
            for (rows, hashes), those in zip(self._keys.hashes(table), wanted, strict=True):
                suspect[rows[np.isin(hashes, those)]] = True
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
        groups = range_of(hashes, _GROUPS)
        for group in np.unique(groups).tolist():
            yield group, rows.filter(pa.array(groups == group))


def range_of(hashes: Numbers, ranges: int) -> Ints:
    """Return in which of so many ranges each hash lies."""
    # A key that is one integer is its own hash: as it is, it would be anything but spread.
    found: Ints = (((mix(hashes) >> _HALF) * np.uint64(ranges)) >> _HALF).astype(np.int64)
    return found


def repeating(hashes: Sequence[Numbers]) -> list[Numbers]:
    """Return of each shard's hashes those that stand more than once in all of them.

    Args:
        hashes: of one range, by shard.
    """
    whole = np.concatenate(hashes)
    twice = np.unique(whole[repeated(whole)])
    return [np.unique(those[np.isin(those, twice)]) for those in hashes]


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

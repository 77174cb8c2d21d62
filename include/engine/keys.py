"""Finds the records whose key is already taken, exactly, over all admitted files of a batch.

Files come in the order of the batch, records in the order of their file. With `keep: first` a record is a duplicate
if any of its keys (the primary key, each unique column) belongs to a record that stays and comes before it; with
`keep: last`, after it. So every duplicate has a twin that stays. A null in a key makes it equal to nothing.

Most rows are written as they come. Only a row with a key whose hash may have stood in an earlier row is a suspect and
is put aside. When all files are read, the suspects' partners are looked for among what was written, by their hashes
too; suspects and partners are then all rows that share a key with another, and the real values decide.
"""

# ruff: noqa: S608 - it makes SQL for an engine without files or network; names and texts pass through quote and literal

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.engine.database import Database, quote
from include.engine.frame import Bools, Ints
from include.engine.seen import Numbers, Seen
from include.spec.dataset import Dataset


def key_sets(dataset: Dataset) -> list[tuple[str, ...]]:
    """Return the columns, or groups of columns, whose values may stand only once."""
    sets = [dataset.key] if dataset.key else []
    sets += [(column.name,) for column in dataset.columns if column.unique and (column.name,) not in sets]
    return sets


def key_columns(sets: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the columns of all keys."""
    return sorted({name for names in sets for name in names})


class Keys:
    """Which keys may have been seen so far.

    Args:
        sets: the keys, as `key_sets` returns them.
        database: works out hashes.
    """

    def __init__(self, sets: Sequence[tuple[str, ...]], database: Database) -> None:
        self.sets = sets
        self.columns = key_columns(sets)
        self._database = database
        self._seen = [Seen() for _ in self.sets]

    def suspects(self, good: pa.Table) -> Bools:
        """Say which rows may share a key with another row of this table or of one before, and remember their keys."""
        found = np.zeros(good.num_rows, np.bool_)
        for (rows, hashes), seen in zip(self.hashes(good), self._seen, strict=True):
            found[rows] |= seen.holds(hashes) | repeated(hashes)
            seen.add(hashes)
        return found

    def finder(self, suspects: pa.Table) -> Keys:
        """Return what has seen only the keys of these rows, and finds their partners."""
        finder = Keys(self.sets, self._database)
        finder.suspects(suspects)
        return finder

    def partners(self, rows: pa.Table) -> Bools:
        """Say which rows may share a key with a row that was seen."""
        found = np.zeros(rows.num_rows, np.bool_)
        for (those, hashes), seen in zip(self.hashes(rows), self._seen, strict=True):
            found[those] |= seen.holds(hashes)
        return found

    def hashes(self, table: pa.Table) -> list[tuple[Ints, Numbers]]:
        """Return for each key the rows that have it whole, and its hashes there."""
        if not table.num_rows:
            return [(np.zeros(0, np.int64), np.zeros(0, np.uint64)) for _ in self.sets]
        asked = {
            number: f"hash({', '.join(map(quote, names))}) AS h{number}"
            for number, names in enumerate(self.sets)
            if not _is_whole(table, names)
        }
        keys = table.select(self.columns)
        made = self._database.query(f"SELECT {', '.join(asked.values())} FROM block", block=keys) if asked else None
        found = []
        for number, names in enumerate(self.sets):
            if made is not None and number in asked:
                hashes = made.column(f"h{number}").to_numpy()
            else:
                hashes = table.column(names[0]).fill_null(0).to_numpy().view(np.uint64)
            rows = np.flatnonzero(_present(table, names))
            found.append((rows, hashes if len(rows) == len(hashes) else hashes[rows]))
        return found


def _is_whole(table: pa.Table, names: Sequence[str]) -> bool:
    """Whether a key is one integer, which is its own hash: no two have the same, and none has to be worked out."""
    return len(names) == 1 and pa.types.is_int64(table.schema.field(names[0]).type)


def _present(table: pa.Table, names: Sequence[str]) -> Bools:
    """Say in which rows none of these columns is null."""
    present = np.ones(table.num_rows, np.bool_)
    for name in names:
        if table.column(name).null_count:
            present &= table.column(name).is_valid().to_numpy()
    return present


def repeated(hashes: Numbers) -> Bools:
    """Mark the hashes that stand more than once."""
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.isin(hashes, twice) if len(twice) else np.zeros(len(hashes), np.bool_)


def duplicates(values: pa.Table, sets: Sequence[tuple[str, ...]], *, reverse: bool) -> Bools:
    """Say which rows are duplicates of others.

    Args:
        values: the keys' columns.
        sets: the keys.
        reverse: of rows with the same key the last stays, not the first.
    """
    codes = [_codes(values, names).tolist() for names in sets]
    taken: list[set[int]] = [set() for _ in sets]
    found = np.zeros(values.num_rows, np.bool_)
    places = range(values.num_rows - 1, -1, -1) if reverse else range(values.num_rows)
    for place in places:
        if any(code[place] in seen for code, seen in zip(codes, taken, strict=True)):
            found[place] = True
            continue
        for code, seen in zip(codes, taken, strict=True):
            if code[place] >= 0:
                seen.add(code[place])
    return found


def _codes(values: pa.Table, names: Sequence[str]) -> Ints:
    """Number the values of a key: the same value, the same number; -1 where a part of it is null."""
    codes = np.zeros(values.num_rows, np.int64)
    for name in names:
        column = values.column(name).combine_chunks()
        encoded = pc.dictionary_encode(column)
        places = encoded.indices.fill_null(0).to_numpy().astype(np.int64)
        _, codes = np.unique(codes * max(len(encoded.dictionary), 1) + places, return_inverse=True)
    codes[~_present(values, names)] = -1
    return codes

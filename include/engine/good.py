"""The good rows of a batch: written as they come, but for those that may be duplicates, which wait for the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from include.engine.database import Database
from include.engine.frame import Bools, Ints
from include.engine.keys import Keys, key_columns, key_sets
from include.engine.mask import Secrets, hide
from include.engine.part import Part
from include.engine.settle import settle
from include.engine.spool import FILE, ORDINAL, Spool
from include.engine.write import GoodParts
from include.spec.dataset import Dataset

SPOOL = ".spool.arrow"


class GoodRows:
    """Takes good rows in the order of the batch, and decisions on its files.

    Args:
        dataset: contract and pipeline.
        out: a folder for parts and scratch files.
        file_ids: the batch's files, by number.
        secrets: the key of masks.
        database: works out hashes of keys.
        part_bytes: a part that is longer is followed by another.
        threads: with more than one, parts are written in a second thread.
        is_shard: these are a shard's rows: duplicates of other shards' are looked for later, so the parts keep their
            keys. With several keys none is settled here: a row that loses by one of them to a row of another shard is
            not what a row of its own shard loses to by another.
    """

    def __init__(
        self,
        dataset: Dataset,
        out: Path,
        file_ids: Sequence[str],
        secrets: Secrets,
        database: Database,
        *,
        part_bytes: int,
        threads: int,
        is_shard: bool = False,
    ) -> None:
        self._keep = dataset.pipeline.load.keep
        sets = key_sets(dataset)
        self._keys = Keys([] if is_shard and len(sets) > 1 else sets, database)
        self._dataset, self._secrets, self._is_shard = dataset, secrets, is_shard
        self._spool = Spool(out / SPOOL, dataset)
        self._parts = GoodParts(
            out, dataset, file_ids, secrets,
            keys=key_columns(sets), keeps_keys=is_shard, part_bytes=part_bytes, threads=threads,
        )  # fmt: skip
        self._held = np.zeros(len(file_ids), np.bool_)
        self._counts = np.zeros(len(file_ids), np.int64)
        self.duplicates = np.zeros(len(file_ids), np.int64)

    @property
    def names(self) -> tuple[str, ...]:
        """The parts' names."""
        return self._parts.names

    @property
    def parts(self) -> list[Part]:
        """The parts."""
        return self._parts.parts

    @property
    def written(self) -> int:
        """Rows in the parts."""
        return self._parts.rows

    @property
    def loaded(self) -> Ints:
        """Rows of each file that are in, duplicates left out."""
        found: Ints = np.where(self._held, 0, self._counts) - self.duplicates
        return found

    def decide(self, file: int, *, held: bool) -> None:
        """Say whether a file is held; asked for each, once all of its records are known, before its last rows come."""
        self._held[file] = held
        if self._parts.owner == file:
            self._parts.decide(held=held)

    def add(self, typed: pa.Table, good: Bools, files: Ints, ordinals: Ints, reading: int | None = None) -> None:
        """Add rows.

        Args:
            typed: the dataset's columns.
            good: which of these rows are meant.
            files: the number of each good row's file, in ascending order.
            ordinals: which record of its file each good row is.
            reading: the file that is not decided on yet.
        """
        admitted = ~self._held[files]
        wanted = np.flatnonzero(good)[admitted]
        files, ordinals = files[admitted], ordinals[admitted]
        self._counts += np.bincount(files, minlength=len(self._counts))
        suspects = self._keys.suspects(_those(wanted, typed.select(self._keys.columns)))
        if suspects.any():
            self._spool.add(_placed(_those(wanted[suspects], typed), files[suspects], ordinals[suspects]))
            wanted, files, ordinals = wanted[~suspects], files[~suspects], ordinals[~suspects]
        rows = _placed(_those(wanted, typed), files, ordinals)
        sure = len(files) if reading is None else int(np.searchsorted(files, reading))
        self._parts.add(rows.slice(0, sure))
        if reading is not None:
            self._parts.add(rows.slice(sure), reading)

    def finish(self, evolved: Sequence[str]) -> None:
        """Settle what may be duplicates, and finish the parts.

        Args:
            evolved: names of columns that the contract does not know.
        """
        self._parts.end()
        waiting = self._spool.read([*self._keys.columns, FILE, ORDINAL])
        if self._is_shard:  # in the keys that its parts keep, what is masked is hashed
            waiting = hide(waiting, self._dataset, self._secrets)
        settled = settle(self._keys, waiting, self._parts.parts, held=self._held, keep=self._keep)
        first = 0
        for batch in self._spool.batches():
            stays = settled.stays[first : first + batch.num_rows]
            first += batch.num_rows
            self._parts.add(pa.Table.from_batches([batch]).filter(pa.array(stays)))
        self._parts.finish(settled.lost, evolved)
        self.duplicates += np.bincount(settled.files, minlength=len(self.duplicates))

    def close(self) -> None:
        """Leave no scratch file and no thread behind."""
        self._parts.close()
        self._spool.remove()


def _those(wanted: Ints, rows: pa.Table) -> pa.Table:
    """Return rows by their numbers, in ascending order."""
    return rows if len(wanted) == rows.num_rows else rows.take(pa.array(wanted))


def _placed(rows: pa.Table, files: Ints, ordinals: Ints) -> pa.Table:
    return rows.append_column(FILE, pa.array(files, pa.int32())).append_column(ORDINAL, pa.array(ordinals))

"""Good rows into Parquet parts at once; a long file that may yet be held has parts of its own, which go if it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.engine.ahead import ahead
from include.engine.cast import arrow_type, is_wide
from include.engine.evolve import EXTRA, evolves, spread
from include.engine.frame import Ints
from include.engine.mask import Secrets, apply_masks, hide
from include.engine.part import FILE_ID, RECORD, Part
from include.engine.spool import FILE, ORDINAL
from include.spec.dataset import Dataset

_GROUP_ROWS = 122_880
_GROUP_BYTES = 32 << 20
_SAMPLE, _REPEATS = 8_192, 4  # rows looked at; times a value stands among them on average


class _Rows:
    """Rows that wait until there are enough for a row group."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Have no rows."""
        self.tables: list[pa.Table] = []
        self._rows = self._bytes = 0

    def add(self, table: pa.Table) -> None:
        """Have more rows."""
        self.tables.append(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes

    @property
    def is_full(self) -> bool:
        return self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES


class GoodParts:
    """The good Parquet parts of a batch; there is none without rows.

    Args:
        out: the folder.
        dataset: its columns are the parts' columns, masked as it says.
        file_ids: the batch's files, by number.
        secrets: the key of masks.
        keys: columns that will be asked for again.
        keeps_keys: parts keep their keys, and the rows' ordinals, in files beside them; what is masked is hashed.
        part_bytes: a part that is longer is followed by another.
        threads: with more than one, a second thread writes while more rows are made.
    """

    def __init__(
        self,
        out: Path,
        dataset: Dataset,
        file_ids: Sequence[str],
        secrets: Secrets,
        *,
        keys: Sequence[str],
        part_bytes: int,
        threads: int,
        keeps_keys: bool = False,
    ) -> None:
        self._out, self._dataset, self._secrets, self._part_bytes = out, dataset, secrets, part_bytes
        self._ids = pa.array(file_ids, pa.string())
        self._fields = [pa.field(column.name, arrow_type(column)) for column in dataset.columns]
        changed = [c.name for c in dataset.columns if c.name in dataset.pipeline.mask or is_wide(c)]
        self._keeps_keys = keeps_keys
        if keeps_keys:
            self._keys = [*keys, ORDINAL] if keys else []
        else:
            self._keys = list(keys) if set(keys) & set(changed) else []  # for these the parts cannot be asked
        self._sure, self._open = _Rows(), _Rows()  # rows that stay, and those of the file that may yet be held
        self._part: Part | None = None
        self._made = 0
        self._own: int | None = None  # the parts from here on are that file's
        self.parts: list[Part] = []
        self.owner: int | None = None
        self._worker = ThreadPoolExecutor(1, "landfall-write") if threads > 1 else None
        self._busy: Future[None] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The files' names."""
        return tuple(part.path.name for part in self.parts)

    @property
    def rows(self) -> int:
        """How many rows were written."""
        return sum(part.rows for part in self.parts)

    def add(self, table: pa.Table, owner: int | None = None) -> None:
        """Add rows, with their files' numbers and their ordinals.

        Args:
            table: the rows as the spool has them.
            owner: the file they are all of, if it may yet be held; it is decided on before others' rows come.
        """
        if not table.num_rows:
            return
        self.owner = owner
        rows = self._sure if owner is None else self._open
        rows.add(table)
        if rows.is_full and owner is not None and self._own is None:
            self.end()
            self._own = len(self.parts)
        if rows.is_full:
            self._flush(rows)

    def decide(self, *, held: bool) -> None:
        """Keep or delete the rows of the file that owns what came last."""
        opened, self._open, own = self._open, _Rows(), self._own
        self.owner = self._own = None
        if not held:
            for table in opened.tables:
                self.add(table)
        elif own is not None:
            self.end()
            for part in self.parts[own:]:
                part.delete()
            del self.parts[own:]

    def end(self) -> None:
        """Write what is sure to stay; what follows goes into another part."""
        self._flush(self._sure)
        self._wait()
        self._close_part()

    def _flush(self, rows: _Rows) -> None:
        if not rows.tables:
            return
        table = pa.concat_tables(rows.tables)
        rows.clear()
        self._wait()
        if self._worker is None:
            self._write(table)
        else:
            self._busy = self._worker.submit(self._write, table)

    def _wait(self) -> None:
        """Wait until nothing is being written: until then the parts belong to the other thread."""
        busy, self._busy = self._busy, None
        if busy is not None:
            busy.result()

    def _close_part(self) -> None:
        if self._part is not None:
            self._part.close()
        self._part = None

    def _write(self, table: pa.Table) -> None:
        names = _extra_names(table) if evolves(self._dataset) else ()
        if self._part is not None:
            known = self._part.schema.names[len(self._fields) : -2]
            if self._part.size >= self._part_bytes or not set(names) <= set(known):
                self._close_part()
                names = sorted({*names, *known})
        schema = self._part.schema if self._part else self._schema(names)
        masked = apply_masks(table, self._dataset, self._secrets)
        columns = [masked.column(field.name).cast(field.type) for field in self._fields]
        columns += spread(table, schema.names[len(self._fields) : -2])
        ids = self._ids.take(table.column(FILE).combine_chunks())
        rows = pa.table([*columns, ids, table.column(ORDINAL)], schema=schema)
        if self._part is None:
            self._part = self._new_part(schema, _repetitive(rows))
        if self._keeps_keys:
            table = hide(table.select([*self._keys, FILE]), self._dataset, self._secrets)
        self._part.write(rows, table)

    def _schema(self, evolved: Sequence[str]) -> pa.Schema:
        own = [pa.field(FILE_ID, pa.string()), pa.field(RECORD, pa.int64())]
        return pa.schema([*self._fields, *(pa.field(name, pa.string()) for name in evolved), *own])

    def _new_part(self, schema: pa.Schema, repetitive: list[str], *, scratch: bool = True) -> Part:
        number, self._made = self._made, self._made + 1
        name = f"keys-{number:05}.arrow" if self._keeps_keys else f".keys-{number:05}.arrow"
        keys = self._out / name if self._keys and scratch else None
        part = Part(self._out / f"good-{number:05}.parquet", schema, repetitive, keys, self._keys)
        self.parts.append(part)
        return part

    def finish(self, lost: Mapping[Part, Ints], evolved: Sequence[str]) -> None:
        """Write the rest, take rows out again, and give every part the same columns.

        Args:
            lost: rows that go, by the part they are in.
            evolved: names of columns besides, text, that the contract does not know.
        """
        self.end()
        schema = self._schema(evolved)
        for part in self.parts if not self._keeps_keys else ():
            part.forget_keys()
        done, self.parts = self.parts, []
        for part in done:
            gone = lost.get(part)
            if gone is None and part.schema.names == schema.names:
                self.parts.append(part)
            else:
                self._rewrite(part, gone, schema)
                part.delete()

    def _rewrite(self, part: Part, gone: Ints | None, schema: pa.Schema) -> None:
        stays = np.ones(part.rows, np.bool_)
        stays[gone if gone is not None else []] = False
        if not stays.any():
            return
        new = self._new_part(schema, part.repetitive, scratch=self._keeps_keys)
        groups = part.groups()
        keys = part.key_groups([name for name in self._keys if name != ORDINAL]) if self._keeps_keys else ()
        new.keep(ahead(groups) if self._worker else groups, stays, keys)

    def close(self) -> None:
        """Stop, whatever was written."""
        if self._worker is not None:
            self._worker.shutdown()
        for part in self.parts:
            with suppress(OSError):  # a part that could not be written cannot be ended either
                part.close()
            if not self._keeps_keys:
                part.forget_keys()


def _extra_names(table: pa.Table) -> list[str]:
    """Name the columns that the contract does not know of some rows."""
    chunks = [chunk.keys.unique() for chunk in table.column(EXTRA).chunks]
    return sorted({name for chunk in chunks for name in chunk.to_pylist()})


def _repetitive(table: pa.Table) -> list[str]:
    """Name the columns whose values repeat: for the others, trying a dictionary takes longer than all the rest."""
    first = table.slice(0, _SAMPLE)
    plain = [field.name for field in first.schema if not pa.types.is_nested(field.type)]
    return [name for name in plain if pc.count_distinct(first.column(name)).as_py() * _REPEATS <= first.num_rows]

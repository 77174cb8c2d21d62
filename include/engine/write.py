"""Good rows into Parquet parts at once; a file that may yet be held has parts of its own, which go if it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.engine.ahead import ahead
from include.engine.cast import arrow_type, is_wide
from include.engine.evolve import EXTRA, evolves, spread
from include.engine.frame import Ints
from include.engine.mask import Secrets, apply_masks
from include.engine.spool import FILE, ORDINAL
from include.spec.dataset import Dataset

FILE_ID = "_landfall_file_id"
RECORD = "_landfall_record"
_GROUP_ROWS = 122_880
_GROUP_BYTES = 32 << 20
_SAMPLE, _REPEATS = 8_192, 4  # rows looked at; times a value stands among them on average


class Part:
    """One Parquet file of good rows.

    Args:
        path: the file.
        schema: its columns.
        repetitive: columns whose values repeat.
        keys: a scratch file of the keys' columns as they came, where the part does not have them so.
        asked: these columns.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, repetitive: list[str], keys: Path | None = None, asked: Sequence[str] = ()
    ) -> None:
        self.path, self.schema, self.repetitive = path, schema, repetitive
        self.rows = 0
        self._files: list[tuple[Ints, Ints]] = []  # of each row group: files, and how many rows each has there
        self._keys, self._asked = keys, asked
        self._sink = pa.OSFile(str(path), "wb")
        # Whoever loads a part reads all of it: minima and maxima would only cost.
        self._writer = pq.ParquetWriter(self._sink, schema, use_dictionary=repetitive, write_statistics=False)
        self._keys_writer: pa.ipc.RecordBatchFileWriter | None = None

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return int(self._sink.tell())

    def write(self, table: pa.Table, source: pa.Table | None = None) -> None:
        """Write a row group.

        Args:
            table: the rows.
            source: the same rows as they came; without them the part cannot be asked for its keys.
        """
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self.rows += table.num_rows
        if source is not None:
            self._files.append(np.unique(source.column(FILE).to_numpy(), return_counts=True))
        if self._keys is not None and source is not None:
            keys = source.select(self._asked).combine_chunks()
            if self._keys_writer is None:
                options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
                self._keys_writer = pa.ipc.new_file(str(self._keys), keys.schema, options=options)
            self._keys_writer.write_batch(keys.to_batches()[0])

    def close(self) -> None:
        """Write no more."""
        if not self._sink.closed:
            self._writer.close()
            self._sink.close()
            if self._keys_writer is not None:
                self._keys_writer.close()

    def forget_keys(self) -> None:
        """Delete the scratch file."""
        if self._keys is not None:
            self._keys.unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete the part."""
        self.close()
        self.path.unlink()
        self.forget_keys()

    def groups(self) -> Iterator[pa.Table]:
        """Yield its row groups."""
        with pq.ParquetFile(self.path) as source:
            for number in range(source.num_row_groups):
                yield source.read_row_group(number, use_threads=False)

    def key_groups(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield some columns of its row groups as they came, and each row's file and ordinal.

        Args:
            columns: those that the scratch file has, where there is one.
        """
        beside = None if self._keys is None else pa.ipc.open_file(str(self._keys))
        with pq.ParquetFile(self.path) as source:
            for number, runs in enumerate(self._files):
                table = source.read_row_group(number, [*columns, RECORD], use_threads=False)
                found = table if beside is None else pa.table(beside.get_batch(number))
                made = {name: found.column(name) for name in columns}
                yield pa.table({**made, FILE: np.repeat(*runs), ORDINAL: table.column(RECORD)})


class GoodParts:
    """The good Parquet parts of a batch; there is none without rows.

    Args:
        out: the folder.
        dataset: its columns are the parts' columns, masked as it says.
        file_ids: the batch's files, by number.
        secrets: the key of masks.
        keys: columns that will be asked for again.
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
    ) -> None:
        self._out, self._dataset, self._secrets, self._part_bytes = out, dataset, secrets, part_bytes
        self._ids = pa.array(file_ids, pa.string())
        self._fields = [pa.field(column.name, arrow_type(column)) for column in dataset.columns]
        changed = [c.name for c in dataset.columns if c.name in dataset.pipeline.mask or is_wide(c)]
        self._keys = list(keys) if set(keys) & set(changed) else []  # for these the parts cannot be asked
        self._pending: list[pa.Table] = []
        self._size = [0, 0]
        self._part: Part | None = None
        self._made = 0
        self._own = 0  # the parts from here on are those of the file that may yet be held
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
        if owner != self.owner:
            self.end()
            self.owner, self._own = owner, len(self.parts)
        self._pending.append(table)
        self._size[0] += table.num_rows
        self._size[1] += table.nbytes
        if self._size[0] >= _GROUP_ROWS or self._size[1] >= _GROUP_BYTES:
            self._flush()

    def decide(self, *, held: bool) -> None:
        """Keep or delete the rows of the file that owns what came last."""
        self.owner = None
        if not held:
            return
        self._pending, self._size = [], [0, 0]
        self.end()
        for part in self.parts[self._own :]:
            part.delete()
        del self.parts[self._own :]

    def end(self) -> None:
        """Write what there is; what follows goes into another part."""
        self._flush()
        self._wait()
        self._close_part()

    def _flush(self) -> None:
        if not self._pending:
            return
        table = pa.concat_tables(self._pending)
        self._pending, self._size = [], [0, 0]
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
            self._part = self._open(schema, _repetitive(rows))
        self._part.write(rows, table)

    def _schema(self, evolved: Sequence[str]) -> pa.Schema:
        own = [pa.field(FILE_ID, pa.string()), pa.field(RECORD, pa.int64())]
        return pa.schema([*self._fields, *(pa.field(name, pa.string()) for name in evolved), *own])

    def _open(self, schema: pa.Schema, repetitive: list[str], *, scratch: bool = True) -> Part:
        number, self._made = self._made, self._made + 1
        keys = self._out / f".keys-{number:05}.arrow" if self._keys and scratch else None
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
        done, self.parts = self.parts, []
        for part in done:
            gone = lost.get(part)
            if gone is None and part.schema.names == schema.names:
                self.parts.append(part)
                part.forget_keys()
            else:
                self._rewrite(part, gone, schema)
                part.delete()

    def _rewrite(self, part: Part, gone: Ints | None, schema: pa.Schema) -> None:
        stays = np.ones(part.rows, np.bool_)
        stays[gone if gone is not None else []] = False
        if not stays.any():
            return
        new = self._open(schema, part.repetitive, scratch=False)
        groups, first = part.groups(), 0
        for table in ahead(groups) if self._worker else groups:
            wanted = stays[first : first + table.num_rows]
            first += table.num_rows
            columns = [
                table.column(field.name) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
                for field in schema
            ]
            new.write(pa.table(columns, schema=schema).filter(pa.array(wanted)))
        new.close()

    def close(self) -> None:
        """Stop, whatever was written."""
        if self._worker is not None:
            self._worker.shutdown()
        for part in self.parts:
            with suppress(OSError):  # a part that could not be written cannot be ended either
                part.close()
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

"""One Parquet part of good rows: written group by group, asked for its keys, read again where rows have to go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.engine.frame import Bools, Ints
from include.engine.spool import FILE, ORDINAL

FILE_ID: Final = "_landfall_file_id"
RECORD: Final = "_landfall_record"

_FEW: Final = 1_000  # one row gone in so many, or fewer


class Part:
    """One Parquet file of good rows.

    Args:
        path: the file.
        schema: its columns.
        repetitive: columns whose values repeat.
        keys: a scratch file of the keys' columns as they came, where the part does not have them so.
        asked: these columns.
        is_plain: a reader finds Parquet's types alone, and nothing of how Arrow held the rows that were written.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        repetitive: list[str],
        keys: Path | None = None,
        asked: Sequence[str] = (),
        *,
        is_plain: bool = False,
    ) -> None:
        self.path, self.schema, self.repetitive = path, schema, repetitive
        self.rows = 0
        self._files: list[tuple[Ints, Ints]] = []  # of each row group: files, and how many rows each has there
        self._keys, self._asked = keys, asked
        self._sink = pa.OSFile(str(path), "wb")
        # Whoever loads a part reads all of it: minima and maxima would only cost.
        self._writer = pq.ParquetWriter(
            self._sink, schema, use_dictionary=repetitive, write_statistics=False, store_schema=not is_plain
        )
        self._keys_writer: pa.ipc.RecordBatchFileWriter | None = None

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return int(self._sink.tell())

    @property
    def keys_name(self) -> str:
        """Name of the file of its keys; empty where there is none."""
        return self._keys.name if self._keys else ""

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
        return groups_of(self.path)

    def keep(self, groups: Iterable[pa.Table], stays: Bools, sources: Iterable[pa.Table] = ()) -> None:
        """Write some rows of another part, which has perhaps fewer columns.

        Args:
            groups: its row groups.
            stays: which of its rows.
            sources: its `key_groups`, if this part is to be asked for its keys.
        """
        first = 0
        for table, source in zip_longest(groups, sources):
            wanted = stays[first : first + table.num_rows]
            first += table.num_rows
            columns = [
                table.column(field.name) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
                for field in self.schema
            ]
            if wanted.any():
                rows = _those(pa.table(columns, schema=self.schema), wanted)
                self.write(rows, None if source is None else _those(source, wanted))
        self.close()

    def key_groups(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield some columns of its row groups as they came, and each row's file and ordinal.

        Args:
            columns: those that the scratch file has, where there is one.
        """
        with pq.ParquetFile(self.path) as source, pa.OSFile(str(self._keys or self.path)) as scratch:
            beside = pa.ipc.open_file(scratch) if self._keys else None
            for number, runs in enumerate(self._files):
                table = source.read_row_group(number, [*([] if beside else columns), RECORD], use_threads=False)
                found = table if beside is None else pa.table(beside.get_batch(number))
                made = {name: found.column(name) for name in columns}
                yield pa.table({**made, FILE: np.repeat(*runs), ORDINAL: table.column(RECORD)})


def groups_of(source: Path | pa.Buffer, *, repetitive: Sequence[str] = ()) -> Iterator[pa.Table]:
    """Yield the row groups of a Parquet file.

    Args:
        source: the file, or what is in it.
        repetitive: columns that are left encoded by a dictionary: less work where they are only written again.
    """
    place = source if isinstance(source, Path) else pa.BufferReader(source)
    with pq.ParquetFile(place, read_dictionary=repetitive) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, use_threads=False)


def encoded(source: pa.Buffer) -> list[str]:
    """Name the columns of a Parquet file that have a dictionary."""
    with pq.ParquetFile(pa.BufferReader(source)) as file:
        group = file.metadata.row_group(0)
        columns = [group.column(number) for number in range(group.num_columns)]
    return [
        column.path_in_schema for column in columns if column.has_dictionary_page and "." not in column.path_in_schema
    ]


def _those(table: pa.Table, wanted: Bools) -> pa.Table:
    """Return some rows: slices where nearly all are wanted, for these need not be copied."""
    gone = np.flatnonzero(~wanted)
    if len(gone) * _FEW > len(wanted):
        return table.filter(pa.array(wanted))
    starts, ends = np.append(0, gone + 1).tolist(), np.append(gone, len(wanted)).tolist()
    return pa.concat_tables([table.slice(start, end - start) for start, end in zip(starts, ends, strict=True)])

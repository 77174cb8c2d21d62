"""Good rows on their way out: a spool until it is known which files are in, then Parquet parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.engine.cast import arrow_type
from include.engine.evolve import EXTRA, EXTRA_TYPE, evolves, spread
from include.engine.frame import Ints
from include.spec.dataset import Dataset

FILE_ID = "_landfall_file_id"
RECORD = "_landfall_record"
_FILE, _ORDINAL = "_file", "_ordinal"
_GROUP_ROWS = 122_880
_GROUP_BYTES = 32 << 20
_SAMPLE, _REPEATS = 8_192, 4  # rows looked at; times a value stands among them on average


class Spool:
    """Good rows on disk, in the order in which they came.

    Args:
        path: a scratch file; removed by `remove`.
        dataset: its columns are those of the rows.
    """

    def __init__(self, path: Path, dataset: Dataset) -> None:
        self._path = path
        fields = [pa.field(column.name, arrow_type(column, written=False)) for column in dataset.columns]
        fields += [pa.field(EXTRA, EXTRA_TYPE)] if evolves(dataset) else []
        self._schema = pa.schema([*fields, pa.field(_FILE, pa.int32()), pa.field(_ORDINAL, pa.int64())])
        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, self._schema, options=options)
        self._sizes: list[int] = []
        self._files: list[Ints] = []

    def add(self, good: pa.Table, files: Ints, ordinals: Ints) -> None:
        """Add a block of good rows, with each row's file and ordinal."""
        if not good.num_rows:
            return
        arrays = [column.combine_chunks() for column in good.columns]
        arrays += [pa.array(files, pa.int32()), pa.array(ordinals, pa.int64())]
        arrays = [
            array.cast(field.type) if array.type != field.type else array
            for array, field in zip(arrays, self._schema, strict=True)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._sizes.append(good.num_rows)
        self._files.append(files)

    def finish(self) -> Ints:
        """Stop writing; return the file of every row."""
        self._close()
        return np.concatenate(self._files) if self._files else np.zeros(0, np.int64)

    def _close(self) -> None:
        if not self._sink.closed:
            self._writer.close()
            self._sink.close()

    def batches(self, columns: list[str] | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield each block with the number of its first row.

        Args:
            columns: read only these.
        """
        fields = None if columns is None else [self._schema.get_field_index(name) for name in columns]
        options = pa.ipc.IpcReadOptions(included_fields=fields)
        first = 0
        with pa.OSFile(str(self._path)) as source, pa.ipc.open_file(source, options=options) as reader:
            for number in range(reader.num_record_batches):
                yield first, reader.get_batch(number)
                first += self._sizes[number]

    def take(self, rows: Ints, columns: list[str]) -> pa.Table:
        """Return some columns of some rows, in ascending order of the rows."""
        parts = []
        for first, batch in self.batches(columns):
            low, high = np.searchsorted(rows, (first, first + batch.num_rows))
            if low < high:
                parts.append(batch.take(pa.array(rows[low:high] - first)))
        return pa.Table.from_batches(parts)

    def remove(self) -> None:
        """Delete the scratch file."""
        self._close()
        self._path.unlink(missing_ok=True)


class GoodParts:
    """The good Parquet parts of a batch; there is none without rows.

    Args:
        out: the folder.
        dataset: its columns are the parts' columns.
        file_ids: the batch's files, by number.
        part_bytes: a part that is longer is followed by another.
        evolved: names of columns besides, text, that the contract does not know.
    """

    def __init__(
        self, out: Path, dataset: Dataset, file_ids: list[str], *, part_bytes: int, evolved: Sequence[str] = ()
    ) -> None:
        self._out = out
        self._ids = pa.array(file_ids, pa.string())
        fields = [pa.field(column.name, arrow_type(column)) for column in dataset.columns]
        self._known, self._evolved = [field.name for field in fields], tuple(evolved)
        fields += [pa.field(name, pa.string()) for name in evolved]
        self._schema = pa.schema([*fields, pa.field(FILE_ID, pa.string()), pa.field(RECORD, pa.int64())])
        self._part_bytes = part_bytes
        self._pending: list[pa.Table] = []
        self._size = [0, 0]
        self._sink: pa.NativeFile | None = None
        self._writer: pq.ParquetWriter | None = None
        self.names: list[str] = []
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        """Add rows as the spool holds them, masked."""
        if not table.num_rows:
            return
        columns = [table.column(name).cast(self._schema.field(name).type) for name in self._known]
        columns += spread(table, self._evolved)
        ids = self._ids.take(table.column(_FILE).combine_chunks())
        self._pending.append(pa.table([*columns, ids, table.column(_ORDINAL)], schema=self._schema))
        self._size[0] += table.num_rows
        self._size[1] += table.nbytes
        if self._size[0] >= _GROUP_ROWS or self._size[1] >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        if self._writer is None:
            self.names.append(f"good-{len(self.names):05}.parquet")
            self._sink = pa.OSFile(str(self._out / self.names[-1]), "wb")
            self._writer = pq.ParquetWriter(self._sink, self._schema, use_dictionary=_repetitive(self._pending[0]))
        table = pa.concat_tables(self._pending)
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self.rows += table.num_rows
        self._pending, self._size = [], [0, 0]
        if self._sink is not None and self._sink.tell() >= self._part_bytes:
            self._end_part()

    def _end_part(self) -> None:
        if self._writer is not None and self._sink is not None:
            self._writer.close()
            self._sink.close()
        self._writer = self._sink = None

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._end_part()


def _repetitive(table: pa.Table) -> list[str]:
    """Name the columns whose values repeat: for the others, trying a dictionary takes longer than all the rest."""
    first = table.slice(0, _SAMPLE)
    plain = [field.name for field in first.schema if not pa.types.is_nested(field.type)]
    return [name for name in plain if pc.count_distinct(first.column(name)).as_py() * _REPEATS <= first.num_rows]

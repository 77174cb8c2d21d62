"""Rows on disk until all files are read, in the order in which they came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from include.engine.cast import arrow_type
from include.engine.evolve import EXTRA, EXTRA_TYPE, evolves
from include.spec.dataset import Dataset

FILE: Final = "_file"
ORDINAL: Final = "_ordinal"


class Spool:
    """A scratch file of good rows; there is none without rows.

    Args:
        path: the file; removed by `remove`.
        dataset: its columns are those of the rows, beside each row's file and its ordinal there.
    """

    def __init__(self, path: Path, dataset: Dataset) -> None:
        self._path = path
        fields = [pa.field(column.name, arrow_type(column, written=False)) for column in dataset.columns]
        fields += [pa.field(EXTRA, EXTRA_TYPE)] if evolves(dataset) else []
        self._schema = pa.schema([*fields, pa.field(FILE, pa.int32()), pa.field(ORDINAL, pa.int64())])
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._sink: pa.NativeFile | None = None

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        if not rows.num_rows:
            return
        if self._writer is None:
            options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
            self._sink = pa.OSFile(str(self._path), "wb")
            self._writer = pa.ipc.new_file(self._sink, self._schema, options=options)
        self._writer.write_table(rows.cast(self._schema))

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows; none can be added any more.

        Args:
            columns: read only these.
        """
        self._close()
        if not self._path.exists():
            return
        fields = None if columns is None else [self._schema.get_field_index(name) for name in columns]
        options = pa.ipc.IpcReadOptions(included_fields=fields)
        with pa.OSFile(str(self._path)) as source, pa.ipc.open_file(source, options=options) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Return some columns of all rows."""
        schema = pa.schema([field for field in self._schema if field.name in columns])
        return pa.Table.from_batches(self.batches(columns), schema)

    def _close(self) -> None:
        if self._writer is not None and self._sink is not None and not self._sink.closed:
            self._writer.close()
            self._sink.close()

    def remove(self) -> None:
        """Delete the file."""
        self._close()
        self._path.unlink(missing_ok=True)

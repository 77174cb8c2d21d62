"""Reads Parquet: its values go through the same strict casts as text does, by the text that is exactly theirs.

- Integers, decimals and floats by their digits (a float that is whole has no point, so it fits an integer column),
  moments in ISO 8601: with `Z` where the file says that they are moments, without a zone where it says that they are
  not; nanoseconds with all nine digits, of which only zeros may follow the sixth.
- Structs, lists and maps are JSON. Bytes: see typed_value.py.
- A record is a row; its line is its number. A damaged file is held as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.engine.account import Reason
from include.engine.decompress import Source
from include.engine.evolve import EXTRA, NewColumns, evolves
from include.engine.fields import Fields, UnknownColumns, match_names, refuse_nul
from include.engine.frame import Frame, Ints
from include.engine.frame_rows import RowFrame, frame_rows
from include.engine.json_text import to_json
from include.engine.records import Failures
from include.engine.typed_value import plain, text_of
from include.spec.columns import Column
from include.spec.dataset import Dataset

_MAGIC: Final = b"PAR1"
_BATCH_BYTES: Final = 4 << 20
_BATCH_ROWS: Final = 16_384
_FEW: Final = 100
# What Arrow raises for a damaged file; the bytes lie in a temporary file of our own, so none is the landing's.
_DAMAGE: Final = (pa.ArrowException, OSError, ValueError, OverflowError)


@dataclass(slots=True, kw_only=True)
class _BatchFrame(RowFrame):
    table: pa.Table
    failures: Failures


class ParquetReader:
    """Reads one file, a batch of rows at a time.

    Args:
        source: its bytes; they are copied to a temporary file, since the format is read from its end.
    """

    def __init__(self, dataset: Dataset, source: Source) -> None:
        form = dataset.pipeline.format
        self._dataset = dataset
        self._source = source
        self._theirs = {our: their for their, our in form.rename.items()}
        self._columns = dataset.source_columns
        self._is_readable = False
        self.damage: Reason | None = None
        self.unexpected: set[str] = set()
        self.new: NewColumns | None = None
        self._unknown: UnknownColumns | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield frames of rows, until the file ends or is damaged."""
        file = self._source.seekable()
        rows = 0
        try:
            with self._open(file) as parquet:
                for batch in parquet.iter_batches(batch_size=_rows_at_a_time(parquet), use_threads=False):
                    yield self._frame(batch, rows)
                    rows += batch.num_rows
        except _DAMAGE as error:
            self.damage = self.damage or self._damaged(file, rows, error)

    def _open(self, file: BinaryIO) -> pq.ParquetFile:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)
        schema = parquet.schema_arrow
        self.damage, unknown = match_names(schema.names, self._dataset)
        if self.damage is None and evolves(self._dataset):
            self._unknown = UnknownColumns(
                self._dataset, {name: pa.types.is_nested(schema.field(name).type) for name in unknown}
            )
            self.new = self._unknown.new
            self.damage = self.new.reason
        else:
            self.unexpected.update(unknown)
        self._is_readable = self.damage is None
        return parquet

    def _damaged(self, file: BinaryIO, rows: int, error: Exception) -> Reason:
        size = file.seek(0, 2)
        file.seek(max(size - len(_MAGIC), 0))
        if file.read() != _MAGIC:
            message = "the Parquet file has no end: the upload was cut off. Send the file again."
            return Reason("truncated_parquet", message)
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Reason("corrupt_parquet", f"the Parquet file cannot be read after {rows:,} rows: {first[:300]}")

    def _frame(self, batch: pa.RecordBatch, rows: int) -> _BatchFrame:
        # Here, not in `parse`: what cannot be turned into text damages the file as what cannot be read does.
        failures: Failures = {}
        columns = self._columns if self._is_readable else ()
        table = pa.table({column.name: self._texts(column, batch, failures) for column in columns})
        rows_of_batch = np.arange(batch.num_rows)
        refuse_nul(table, rows_of_batch, failures)
        if self._unknown and self._unknown.names and self._is_readable:
            found = {name: batch.column(name) for name in self._unknown.names}
            texts = {
                name: _values(array) if (text := _as_text(array)) is None else text for name, array in found.items()
            }
            table = table.append_column(EXTRA, self._unknown.extras(texts, rows_of_batch, failures))
        base = frame_rows(rows, batch.num_rows, _Renderer(batch).render, batch.nbytes)
        parts = (base.data, base.starts, base.lengths, base.offsets, base.lines, base.defects)
        return _BatchFrame(*parts, render=base.render, held=base.held, table=table, failures=failures)

    def parse(self, frame: Frame) -> tuple[pa.Table, Ints, Failures]:
        """Return a batch's text columns; see `Fields.take`."""
        if not isinstance(frame, _BatchFrame) or not self._is_readable:
            nothing = pa.table({column.name: pa.array([], pa.string()) for column in self._columns})
            return nothing, np.zeros(0, np.int64), {}
        return frame.table, np.arange(len(frame), dtype=np.int64), frame.failures

    def _texts(self, column: Column, batch: pa.RecordBatch, failures: Failures) -> pa.Array:
        is_plain = column.name not in self._dataset.pipeline.format.paths
        if is_plain:
            found = _as_text(batch.column(self._theirs.get(column.name, column.name)))
            if found is not None and column.kind not in ("object", "array"):
                return found
        fields = Fields(self._dataset, [column])
        names = [self._theirs.get(column.name, column.name)] if is_plain else batch.schema.names
        values = {name: _values(batch.column(name)) for name in names if is_plain or fields.takes(name)}
        records = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        table, _, wrong = fields.take(list(enumerate(records)))
        for row, reasons in wrong.items():
            failures.setdefault(row, []).extend(reasons)
        return table.column(column.name).combine_chunks()


def _rows_at_a_time(parquet: pq.ParquetFile) -> int:
    meta = parquet.metadata
    rows: int = meta.num_rows
    size: int = sum(meta.row_group(number).total_byte_size for number in range(meta.num_row_groups))
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES * rows // max(size, 1)))


def _as_text(array: pa.Array) -> pa.Array | None:
    """Return a flat column's texts; None where it has to be read value by value."""
    array = array.storage if isinstance(array, pa.ExtensionArray) else array
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _as_text(array.dictionary_decode())
    if pa.types.is_decimal(kind):
        return pa.array([None if value is None else f"{value:f}" for value in array.to_pylist()], pa.string())
    if pa.types.is_timestamp(kind):
        return _aware(array).cast(pa.string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            return None
        return array.cast(pa.string())
    if pa.types.is_null(kind) or pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return array.cast(pa.string())
    return array.cast(pa.string()) if pa.types.is_date(kind) or pa.types.is_time(kind) else None


def _aware(array: pa.Array) -> pa.Array:
    return array.cast(pa.timestamp(array.type.unit, "UTC")) if array.type.tz else array


def _values(array: pa.Array) -> list[Any]:
    """Return a column's values as JSON holds them."""
    array = array.storage if isinstance(array, pa.ExtensionArray) else array
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return [None if value is None else text_of(value) for value in array.cast(_leaf(kind)).to_pylist()]
    shaped = array.cast(_reshaped(kind, _zoned)).cast(_reshaped(kind, _leaf))
    try:
        found = shaped.to_pylist(maps_as_pydicts="strict")
    except KeyError:  # a map may hold a key twice; then it stays a list of pairs
        found = shaped.to_pylist()
    return [plain(value) for value in found]


def _zoned(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp(kind.unit, "UTC") if pa.types.is_timestamp(kind) and kind.tz else kind


def _leaf(kind: pa.DataType) -> pa.DataType:
    """What a leaf is cast to, so that Python can hold it: moments as text, of any year; text as bytes, of any kind."""
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind) and not pa.types.is_interval(kind):
        return pa.string()
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return pa.binary() if is_text else kind


def _reshaped(kind: pa.DataType, leaf: Any) -> pa.DataType:  # noqa: ANN401 - a function of a type
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_reshaped(field.type, leaf)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_reshaped(kind.key_type, leaf), _reshaped(kind.item_type, leaf))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_reshaped(kind.value_type, leaf), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_reshaped(kind.value_type, leaf))
    return _reshaped(kind.value_type, leaf) if pa.types.is_dictionary(kind) else leaf(kind)


class _Renderer:
    """Shows rows of a batch as JSON: a few one by one; many, by reading the batch as a whole."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._shown = 0
        self._columns: list[list[Any]] = []

    def render(self, row: int) -> str:
        """Return a row's JSON."""
        self._shown += 1
        if self._shown < _FEW:
            values = [_values(column)[0] for column in self._batch.slice(row, 1).columns]
        else:
            self._columns = self._columns or [_values(column) for column in self._batch.columns]
            values = [column[row] for column in self._columns]
        return to_json(dict(zip(self._batch.schema.names, values, strict=True)))

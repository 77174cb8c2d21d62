"""Reads Avro object container files, block by block; fastavro decodes the records.

- Decimals by their digits, moments in ISO 8601 (`Z` for timestamps, no zone for local ones) at the precision of their
  type; a number of days or microseconds that is no date is the bare number, which its column then refuses.
- Nested records, arrays and maps are JSON. Bytes: see typed_value.py.
- A schema that refers to itself, or is made to explode, is not read. A damaged block holds the file.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
from fastavro import parse_schema, schemaless_reader
from fastavro.read import LOGICAL_READERS
from fastavro.schema import SchemaParseException, UnknownType

from include.engine.account import Reason
from include.engine.avro_schema import nested_fields, refuse_schema
from include.engine.evolve import EXTRA, NewColumns, evolves
from include.engine.fields import Fields, UnknownColumns, match_names, refuse_nul
from include.engine.frame import Frame, Ints
from include.engine.frame_rows import RowFrame, frame_rows
from include.engine.json_text import Number, to_json
from include.engine.records import Failures
from include.engine.typed_value import plain
from include.spec.dataset import Dataset

_MAGIC: Final = b"Obj\x01"
_SYNC_BYTES: Final = 16
_LARGEST_HEADER: Final = 1 << 20
_MOST_ENTRIES: Final = 100
_LARGEST_BLOCK: Final = 64 << 20  # as stored
_LARGEST_INFLATED: Final = 256 << 20
_FRAME_BYTES: Final = 1 << 20
_FRAME_ROWS: Final = 4096
_IN_MEMORY: Final = 4  # bytes that a decoded byte takes, about
_MOST_EMPTY: Final = 100_000  # records in a block that take no bytes
# What fastavro raises for bytes that are no record of the schema.
_UNREADABLE: Final = (
    EOFError, LookupError, ValueError, ArithmeticError, TypeError, RecursionError, MemoryError, struct.error,
)  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1)


class _Damaged(Exception):
    """Ends the reading of a file."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code, message)


@dataclass(slots=True, kw_only=True)
class _AvroFrame(RowFrame):
    values: list[dict[str, Any]] = field(default_factory=list)


class AvroReader:
    """Reads one file.

    Args:
        read: returns that many bytes, fewer only at the end of the file.
    """

    def __init__(self, dataset: Dataset, read: Callable[[int], bytes]) -> None:
        self._dataset = dataset
        self._read = read
        self._fields = Fields(dataset, dataset.source_columns)
        self._is_readable = False
        self._rows = 0
        self._codec, self._sync = "null", b""
        self.damage: Reason | None = None
        self.unexpected: set[str] = set()
        self.new: NewColumns | None = None
        self._unknown: UnknownColumns | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield frames of records, until the file ends or is damaged."""
        try:
            schema = self._enter()
            while (count := self._long(at_start=True)) is not None:
                yield from self._block(schema, count)
        except _Damaged as damaged:
            self.damage = self.damage or damaged.reason

    def _enter(self) -> Any:  # noqa: ANN401 - fastavro's parsed schema
        meta = self._metadata()
        codec = bytes(meta.get("avro.codec", b"null")).decode(errors="replace")
        if codec not in _CODECS:
            raise _Damaged("unsupported_avro", f"the Avro file is compressed with {codec[:40]!r}, which is not read")
        self._codec, self._sync = codec, self._exactly(_SYNC_BYTES)
        try:
            schema: Any = parse_schema(json.loads(meta["avro.schema"]))
            refusal = refuse_schema(schema)
        except (SchemaParseException, UnknownType, *_UNREADABLE) as error:
            raise _Damaged("corrupt_avro", f"the Avro file's schema cannot be read: {str(error)[:300]}") from error
        if refusal:
            raise _Damaged("unsupported_avro", f"the Avro file's schema {refusal}")
        self.damage, unknown = match_names([item["name"] for item in schema["fields"]], self._dataset)
        if self.damage is None and evolves(self._dataset):
            nested = nested_fields(schema)
            self._unknown = UnknownColumns(self._dataset, {name: name in nested for name in unknown})
            self.new = self._unknown.new
            self.damage = self.new.reason
        else:
            self.unexpected.update(unknown)
        self._is_readable = self.damage is None
        return schema

    def _metadata(self) -> dict[str, bytes]:
        # The header has no length: it is read entry by entry.
        self._exactly(len(_MAGIC))
        meta: dict[str, bytes] = {}
        while count := self._long():
            if count < 0:
                self._long()
            for _ in range(min(abs(count), _MOST_ENTRIES + 1)):
                key = self._exactly(self._length(_LARGEST_HEADER)).decode(errors="replace")
                meta[key] = self._exactly(self._length(_LARGEST_HEADER))
            if len(meta) > _MOST_ENTRIES:
                raise _Damaged("corrupt_avro", f"the Avro file's header has more than {_MOST_ENTRIES} entries")
        return meta

    def _length(self, limit: int) -> int:
        size = self._long()
        if size is None or not 0 <= size <= limit:
            raise _Damaged("corrupt_avro", f"a part of the Avro file claims {size:,} bytes; {limit:,} are read")
        return size

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) < size:
            message = f"the Avro file ends in the middle, after {self._rows:,} records: the upload was cut off. "
            raise _Damaged("truncated_avro", message + "Send the file again.")
        return data

    def _long(self, *, at_start: bool = False) -> int | None:
        """Read a number; None where the file ends before a block, as it may."""
        value = shift = 0
        while True:
            byte = self._read(1) if at_start and not shift else self._exactly(1)
            if not byte:
                return None
            value |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 128:
                return (value >> 1) ^ -(value & 1)
            if shift > 63:
                raise _Damaged("corrupt_avro", f"a length in the Avro file is no number, after {self._rows:,} records")

    def _block(self, schema: Any, count: int) -> Iterator[_AvroFrame]:  # noqa: ANN401
        stored = self._exactly(self._length(_LARGEST_BLOCK))
        if self._exactly(_SYNC_BYTES) != self._sync:
            message = f"a block of the Avro file does not end where it should, after {self._rows:,} records. "
            raise _Damaged("corrupt_avro", message + "Send the file again.")
        try:
            data = io.BytesIO(_CODECS[self._codec](stored))
        except (zlib.error, lzma.LZMAError, pa.ArrowException, OSError, *_UNREADABLE) as error:
            raise self._corrupt(error) from error
        size = data.getbuffer().nbytes
        if count < 0 or count > size + _MOST_EMPTY:
            raise _Damaged("corrupt_avro", f"a block of {size:,} bytes says that it has {count:,} records")
        done = 0
        while done < count:
            begin = data.tell()
            values, wrong = self._records(schema, data, count - done)
            done += len(values)
            if values:
                yield self._frame(values, _IN_MEMORY * (data.tell() - begin))
            if wrong is not None:
                raise self._corrupt(wrong) from wrong
        if data.tell() != size:
            raise _Damaged("corrupt_avro", f"a block of the Avro file holds more than its {count:,} records")

    def _records(self, schema: Any, data: io.BytesIO, most: int) -> tuple[list[dict[str, Any]], Exception | None]:  # noqa: ANN401
        """Read some records; and what ended them too early."""
        values: list[dict[str, Any]] = []
        stop = data.tell() + _FRAME_BYTES
        wrong: Exception | None = None
        try:
            while len(values) < min(most, _FRAME_ROWS) and data.tell() < stop:
                record = schemaless_reader(data, schema, None, handle_unicode_errors="surrogateescape")
                values.append(plain(record))
        except _UNREADABLE as error:
            wrong = error
        self._rows += len(values)
        return values, wrong

    def _corrupt(self, error: Exception) -> _Damaged:
        what = f"the Avro file cannot be read after {self._rows:,} records"
        return _Damaged("corrupt_avro", f"{what}: {type(error).__name__} {str(error)[:200]}. Send the file again.")

    def _frame(self, values: list[dict[str, Any]], held: int) -> _AvroFrame:
        base = frame_rows(self._rows - len(values), len(values), lambda row: to_json(values[row]), held)
        parts = (base.data, base.starts, base.lengths, base.offsets, base.lines, base.defects)
        return _AvroFrame(*parts, render=base.render, held=base.held, values=values)

    def parse(self, frame: Frame) -> tuple[pa.Table, Ints, Failures]:
        """Split a frame's records; see `Fields.take`."""
        values = frame.values if isinstance(frame, _AvroFrame) and self._is_readable else []
        table, rows, failures = self._fields.take(list(enumerate(values)))
        refuse_nul(table, rows, failures)
        if self._unknown and self._unknown.names and values:
            found = {name: [value[name] for value in values] for name in self._unknown.names}
            table = table.append_column(EXTRA, self._unknown.extras(found, rows, failures))
        return table, np.asarray(rows, np.int64), failures


def _inflate(data: bytes, inflater: Any) -> bytes:  # noqa: ANN401 - zlib, bz2 and lzma are alike in this alone
    out: bytes = inflater.decompress(data, _LARGEST_INFLATED)
    if not inflater.eof:
        raise ValueError(f"a block is cut off, or larger than {_LARGEST_INFLATED:,} bytes when decompressed")
    return out


def _snappy(data: bytes) -> bytes:
    # Four bytes of checksum follow: https://avro.apache.org/docs/1.12.0/specification/#snappy
    size = shift = 0
    for byte in data[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 128:
            break
    if size > _LARGEST_INFLATED:
        raise ValueError(f"a block is larger than {_LARGEST_INFLATED:,} bytes when decompressed")
    out: bytes = pa.Codec("snappy").decompress(data[:-4], decompressed_size=size, asbytes=True)
    if zlib.crc32(out) != int.from_bytes(data[-4:], "big"):
        raise ValueError("a block's checksum is wrong")
    return out


def _zstandard(data: bytes) -> bytes:
    import zstandard

    with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data) as stream:
        try:
            out: bytes = stream.read(_LARGEST_INFLATED + 1)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
    if len(out) > _LARGEST_INFLATED:
        raise ValueError(f"a block is larger than {_LARGEST_INFLATED:,} bytes when decompressed")
    return out


_CODECS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "null": lambda data: data,
    "deflate": lambda data: _inflate(data, zlib.decompressobj(wbits=-15)),
    "bzip2": lambda data: _inflate(data, bz2.BZ2Decompressor()),
    "xz": lambda data: _inflate(data, lzma.LZMADecompressor(memlimit=_LARGEST_INFLATED)),
    "snappy": _snappy,
    "zstandard": _zstandard,
}


def _moment(unit: int, zone: str) -> Callable[..., str]:
    """Return what reads a count of a second's parts since 1970 as ISO 8601, at its own precision."""
    digits = len(str(unit)) - 1

    def read(value: int, *_: object) -> str:
        seconds, part = divmod(value, unit)
        try:
            moment = _EPOCH + timedelta(seconds=seconds)
        except OverflowError:
            return Number(value)
        return f"{moment.isoformat()}.{part:0{digits}}{zone}"

    return read


def _day(value: int, *_: object) -> str:
    try:
        return (date(1970, 1, 1) + timedelta(days=value)).isoformat()
    except OverflowError:
        return Number(value)


def _clock(unit: int) -> Callable[..., str]:
    digits = len(str(unit)) - 1

    def read(value: int, *_: object) -> str:
        seconds, part = divmod(value, unit)
        if not 0 <= seconds < 86_400:
            return Number(value)
        return f"{time(seconds // 3600, seconds // 60 % 60, seconds % 60).isoformat()}.{part:0{digits}}"

    return read


def _fastavro_keeps_all() -> None:
    """Have fastavro give moments as texts: its own types end at microseconds and at the year 9999, and it raises there.

    See https://fastavro.readthedocs.io/en/latest/logical_types.html
    """
    for name, unit in (("millis", 1_000), ("micros", 1_000_000), ("nanos", 1_000_000_000)):
        LOGICAL_READERS[f"long-timestamp-{name}"] = _moment(unit, "Z")
        LOGICAL_READERS[f"long-local-timestamp-{name}"] = _moment(unit, "")
    LOGICAL_READERS["int-date"] = _day
    LOGICAL_READERS["int-time-millis"] = _clock(1_000)
    LOGICAL_READERS["long-time-micros"] = _clock(1_000_000)
    LOGICAL_READERS["string-uuid"] = lambda value, *_: value


_fastavro_keeps_all()

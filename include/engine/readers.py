"""The readers of the formats that bring their own framing or parsing; each is one module behind one small seam."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import pyarrow as pa

from include.engine.account import Reason
from include.engine.decompress import Source
from include.engine.encode import Encoding, UnitReader, in_file
from include.engine.evolve import NewColumns
from include.engine.frame import UTF_8, Frame, Ints, LineFramer
from include.engine.frame_json import ArrayFramer
from include.engine.records import Failures
from include.spec.dataset import Dataset
from include.spec.durations import parse_size
from include.spec.pipeline import Format


class RecordReader(Protocol):
    """Cuts one file into frames of records, and a frame into text columns.

    `damage` says, once the frames have ended, why the file is held; `unexpected` names fields that the contract
    does not know, `new` holds those that are to become columns. Nothing that a file may hold is raised.
    """

    @property
    def damage(self) -> Reason | None:
        """Why the file is held."""
        ...

    @property
    def unexpected(self) -> set[str]:
        """Fields that the contract does not know."""
        ...

    @property
    def new(self) -> NewColumns | None:
        """Fields that the contract does not know, where they are to become columns."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield frames that hold records, until the file ends or cannot be read further."""
        ...

    def parse(self, frame: Frame) -> tuple[pa.Table, Ints, Failures]:
        """Return the text columns of a frame's good records, which record each row is, and what is wrong."""
        ...


class PathReader:
    """Reads JSON whose fields, or whose array of records, are found by a path.

    Args:
        read: returns that many bytes, or code units, fewer only at the end of the file.
        block: bytes read at a time.
        units: what makes code units of a file that is not UTF-8.
    """

    def __init__(
        self, dataset: Dataset, read: Callable[[int], bytes], *, block: int, units: UnitReader | None = None
    ) -> None:
        from include.engine.fields import JsonFields
        from include.engine.frame_object import ObjectFramer
        from include.spec.places import parse_path

        form = dataset.pipeline.format
        limit = parse_size(form.max_record) // (units.encoding.width if units else 1)
        self._units = units
        self._framer: ArrayFramer | LineFramer
        if form.type == "ndjson":
            self._framer = LineFramer(read, block=block, limit=limit)
        elif form.records is None:
            self._framer = ArrayFramer(read, block=block, limit=limit)
        else:
            self._framer = ObjectFramer(read, block=block, limit=limit, path=parse_path(form.records), units=units)
        self._json = JsonFields(dataset)
        self.unexpected = self._json.fields.unexpected
        self.new = self._json.fields.new

    @property
    def damage(self) -> Reason | None:
        """Why the file is held."""
        return self._framer.damage if isinstance(self._framer, ArrayFramer) else None

    def frames(self) -> Iterator[Frame]:
        """Yield frames that hold records."""
        return in_file(self._framer, self._units) if self._units else self._framer.frames()

    def parse(self, frame: Frame) -> tuple[pa.Table, Ints, Failures]:
        """Split a frame's good records."""
        return self._json.parse(frame)


def has_reader(form: Format) -> bool:
    """Whether a format is read here: any but CSV and plain JSON."""
    return form.type not in ("csv", "json", "ndjson") or bool(form.paths) or form.records is not None


def open_reader(dataset: Dataset, source: Source, encoding: Encoding, *, block: int) -> RecordReader:
    """Open one file's decompressed bytes. What a format needs is imported for its files only.

    Args:
        encoding: how its text is written.
        block: bytes read at a time.
    """
    kind = dataset.pipeline.format.type
    if kind == "xml":
        from include.engine.read_xml import XmlReader

        return XmlReader(dataset, source.read, block=block, encoding=encoding.name)
    if kind == "avro":
        from include.engine.read_avro import AvroReader

        return AvroReader(dataset, source.read)
    if kind == "parquet":
        from include.engine.read_parquet import ParquetReader

        return ParquetReader(dataset, source)
    units = None if encoding.name == UTF_8 else UnitReader(source.read, encoding, b'",')
    read = units.read if units else source.read
    if kind == "fixed":
        from include.engine.read_fixed import FixedReader

        return FixedReader(dataset, read, block=block, units=units)
    return PathReader(dataset, read, block=block, units=units)

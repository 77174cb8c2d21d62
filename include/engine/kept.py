"""Records whose file is gone, read each by itself from the bytes that the quarantine kept.

A record is put between what has to stand before and after it for its format, and read as a small file: its header or
the array around it. So no record can hide another. It counts as read only where today's format begins it at its first
byte and ends it at its last, as when its file was loaded: anything else would need the bytes that followed.
"""

from __future__ import annotations

import codecs
import dataclasses
import io
import json
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

from include.engine.account import Opening, Reason
from include.spec.dataset import Dataset
from include.spec.places import parse_path

if TYPE_CHECKING:
    from include.engine.frame import Frame

RAW_LIMIT: Final = 64 * 1024  # bytes; of a longer record the quarantine keeps none
_MARKS: Final = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
_ROWS: Final = ("parquet", "avro")


@dataclass(frozen=True, slots=True)
class Kept:
    """One record as the quarantine has it.

    Args:
        number: its ordinal in its file.
        offset: where it began in the decompressed file.
        line: the line on which it began.
        raw: its bytes; None where there are none, and `why` says so.
        why: why it cannot be read.
    """

    number: int
    offset: int
    line: int
    raw: bytes | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """What stands before and after each record of a file, for it to be a small file by itself."""

    before: bytes
    after: bytes


def has_bytes(dataset: Dataset) -> bool:
    """Whether records of the dataset's format have bytes of their own."""
    return dataset.pipeline.format.type not in _ROWS


def needed_opening(dataset: Dataset) -> Literal["header", "encoding", ""]:
    """Return which part of a file's opening its records cannot do without; empty: none."""
    form = dataset.pipeline.format
    if form.type == "csv" and form.header:
        return "header"
    return "encoding" if form.type == "xml" or form.encoding == "utf-16" else ""


def around(dataset: Dataset, opening: Opening | None) -> Around | str:
    """Return what a file's records need around them, or why they cannot be read without their file.

    Args:
        dataset: as it is today.
        opening: what the ledger kept of the file; None: nothing.
    """
    form = dataset.pipeline.format
    if not has_bytes(dataset):
        return f"a {form.type} file has no bytes for each record: the quarantine holds a rendering of the row as JSON"
    needed = needed_opening(dataset)
    if needed == "header" and not (opening and opening.header):
        return "the ledger does not have the header of its file, so nobody knows which cell is which column"
    if needed == "encoding" and opening is None:
        return "the ledger does not say how the characters of its file were written"
    named = opening.encoding if opening and (form.type == "xml" or form.encoding == "utf-16") else form.encoding
    before, after = _texts(dataset, named)
    header = b64decode(opening.header) + "\n".encode(named) if needed == "header" and opening else b""
    return Around(_MARKS.get(named, b"") + before.encode(named) + header, after.encode(named))


def _texts(dataset: Dataset, encoding: str) -> tuple[str, str]:
    """Return what stands around a record, but for a header."""
    form = dataset.pipeline.format
    if form.type == "csv":
        # Blank lines are no records; a first one keeps a record's own bytes from being taken for a mark.
        return "\n" * (form.skip_lines + (not form.header)), "\n" + "-\n" * form.footer_lines
    if form.type == "json":
        names = parse_path(form.records) if form.records else ()
        return "".join(f"{{{json.dumps(name)}: " for name in names) + "[", "]" + "}" * len(names)
    if form.type == "xml":
        outer = parse_path(form.records or "")[:-1]
        name = "utf-16" if encoding in _MARKS else encoding
        opened, closed = "".join(f"<{name}>" for name in outer), "".join(f"</{name}>" for name in reversed(outer))
        return f'<?xml version="1.0" encoding="{name}"?>{opened}', closed
    return "\n", "\n"


@dataclass(slots=True)
class Alone:
    """A kept record as a small file of its own.

    Args:
        reason: why it is not what it was, once it is framed.
    """

    record: Kept
    around: Around
    reason: Reason | None = None

    def open(self) -> BinaryIO:
        """Open the small file."""
        return io.BytesIO(self.around.before + (self.record.raw or b"") + self.around.after)

    def placed(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Yield the frames of the small file with the places that the record had in its own."""
        for frame in frames:
            offsets = frame.offsets + (self.record.offset - len(self.around.before))
            found = (offsets == self.record.offset).nonzero()[0]
            lines = frame.lines + (self.record.line - int(frame.lines[found[0]])) if len(found) else frame.lines
            if len(found) and int(frame.lengths[found[0]]) != len(self.record.raw or b""):
                what = "under today's format it ends elsewhere than when it was quarantined, and its file is gone"
                self.reason = Reason("cut_elsewhere", what)
            yield dataclasses.replace(frame, offsets=offsets, lines=lines)


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of which only what the quarantine kept is there: these records of it, and what they need around them."""

    around: Around
    records: Sequence[Kept]

"""Reads the records of an XML file into text columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from include.engine.account import Reason
from include.engine.fields import Fields
from include.engine.frame import UTF_8, Frame, Ints
from include.engine.frame_xml import XmlFrame, XmlFramer
from include.engine.records import Failures
from include.spec.dataset import Dataset
from include.spec.durations import parse_size
from include.spec.places import parse_path


class XmlReader:
    """Frames and splits one file.

    Args:
        dataset: names the element that is a record.
        read: returns that many bytes, fewer only at the end of the file.
        block: bytes read at a time.
        encoding: of its characters.
    """

    def __init__(self, dataset: Dataset, read: Callable[[int], bytes], *, block: int, encoding: str = UTF_8) -> None:
        form = dataset.pipeline.format
        path = parse_path(form.records or "")
        self._framer = XmlFramer(read, block=block, limit=parse_size(form.max_record), path=path, encoding=encoding)
        self._fields = Fields(dataset, is_xml=True)
        self.unexpected = self._fields.unexpected
        self.new = self._fields.new

    @property
    def damage(self) -> Reason | None:
        """Why the file is held."""
        return self._framer.damage

    def frames(self) -> Iterator[Frame]:
        """Yield frames that hold records, until the file ends or is no XML."""
        return self._framer.frames()

    def parse(self, frame: Frame) -> tuple[pa.Table, Ints, Failures]:
        """Split a frame's good records; see `Fields.take`."""
        values = frame.values if isinstance(frame, XmlFrame) else []
        return self._fields.take([(record, values[record]) for record in np.flatnonzero(frame.defects == 0).tolist()])

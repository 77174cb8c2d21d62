"""Looks at texts that all have one width as a table of octets: what stands at a place is a column of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from include.engine.frame import Bools, Ints, Octets


def octets_of(texts: pa.Array) -> tuple[Octets, Ints]:
    """Return the bytes of texts, and where each begins there; one more says where the last ends."""
    bounds = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    if not len(texts) or bounds[0] == bounds[-1]:
        return np.zeros(0, np.uint8), np.zeros(len(texts) + 1, np.int64)
    return np.frombuffer(texts.buffers()[2], np.uint8)[bounds[0] : bounds[-1]], bounds - bounds[0]


def table_of(texts: pa.Array, width: int) -> tuple[Octets, Bools | None]:
    """Return the texts of a width, one a row, and which of all they are; None: all."""
    data, bounds = octets_of(texts)
    lengths = np.diff(bounds)
    right: Bools = lengths == width
    if right.all():
        return data.reshape(-1, width), None
    if np.count_nonzero(right) * width != len(data):  # others than nulls lie between
        data, _ = octets_of(texts.filter(pa.array(right)))
    return data.reshape(-1, width), right


def spread(found: Bools, right: Bools | None) -> Bools:
    """Return for each text what was found of those that `right` names; false of the others."""
    if right is None:
        return found
    every = np.zeros(len(right), np.bool_)
    every[right] = found
    return every

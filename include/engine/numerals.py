"""Looks at the texts of numbers all at once: how many digits stand before the point, and how many after it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from include.engine.fixed import octets_of
from include.engine.frame import Ints, Octets

_ZERO, _POINT, _MINUS = 48, 46, 45


def digits_of(texts: pa.Array) -> tuple[Ints, Ints]:
    """Count the digits of numbers that are written plainly: `-?(0|[1-9][0-9]*)(\\.[0-9]+)?`.

    Returns:
        of each text the digits before the point and those after it; 0 before it where a text is not so written, or
        null.
    """
    data, bounds = octets_of(texts)
    if not len(data):
        return np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    begin, end = bounds[:-1], bounds[1:]
    marks = np.flatnonzero((data - _ZERO) > 9)
    if not len(marks):
        whole, fraction = end - begin, np.zeros(len(texts), np.int64)
    elif len(marks) == len(texts) and (data[marks] == _POINT).all() and ((begin < marks) & (marks < end - 1)).all():
        whole, fraction = marks - begin, end - marks - 1
    else:
        rows = np.unique(np.searchsorted(bounds, marks, side="right") - 1)  # the others are digits alone
        whole, fraction, begin = end - begin, np.zeros(len(texts), np.int64), begin.copy()
        begin[rows], whole[rows], fraction[rows] = _counted(data, marks, begin[rows], end[rows])
    leading = np.flatnonzero((data[np.minimum(begin, len(data) - 1)] == _ZERO) & (whole > 1))
    whole[leading] = 0
    if texts.null_count:
        whole[texts.is_null().to_numpy(zero_copy_only=False)] = 0
    return whole, fraction


def _counted(data: Octets, marks: Ints, begin: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
    """Tell minus and point from what else is there; returns where the digits begin, and how many there are."""
    places = np.append(marks, len(data))
    first, last = np.searchsorted(marks, begin), np.searchsorted(marks, end)
    octets = np.append(data, 0)
    negative = (places[first] == begin) & (octets[begin] == _MINUS) & (first < last)
    first = first + negative
    begin = begin + negative
    pointed = last - first == 1
    point = np.where(pointed, places[first], end)
    whole, fraction = point - begin, np.where(pointed, end - point - 1, 0)
    plain = (last - first == 0) | (pointed & (octets[point] == _POINT) & (fraction > 0))
    return begin, np.where(plain, whole, 0), fraction

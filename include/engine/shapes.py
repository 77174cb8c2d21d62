"""Patterns whose texts all have one width, as `^[A-Z]{3}-[0-9]{4}$`: looked at place by place, for a column at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa

from include.engine.fixed import spread, table_of
from include.engine.frame import Bools

_ITEM = r"(?:\[(?:[A-Za-z0-9_]-[A-Za-z0-9_]|[A-Za-z0-9_ @.,:;/+])+-?\]|[A-Za-z0-9_ @,:;/-])"
_ATOM: Final = re.compile(rf"({_ITEM})(?:\{{([1-9][0-9]?)\}})?")
_PATTERN: Final = re.compile(rf"(?:\^|\\A\(\?:)((?:{_ITEM}(?:\{{[1-9][0-9]?\}})?)+)(?:\$|\)\\z)")
_WIDEST: Final = 64
_OCTETS: Final = [bytes([octet]) for octet in range(128)]


def of_fixed_shape(pattern: str) -> Callable[[pa.Array], Bools] | None:
    """Return what says of each text whether it matches or is null; None for a pattern of any other kind.

    Args:
        pattern: RE2's, matched anywhere in a text.
    """
    found = _PATTERN.fullmatch(pattern)
    atoms = [(item, int(times or 1)) for item, times in _ATOM.findall(found[1])] if found else []
    width = sum(times for _, times in atoms)
    if not 0 < width <= _WIDEST:
        return None
    places = [allowed for item, times in atoms for allowed in [_allowed(item)] * times]

    def run(texts: pa.Array) -> Bools:
        table, wide = table_of(texts, width)
        right = np.ones(len(table), np.bool_)
        for place, allowed in enumerate(places):
            right &= np.take(allowed, table[:, place])
        found = spread(right, wide)
        return found | texts.is_null().to_numpy(zero_copy_only=False) if texts.null_count else found

    return run


def _allowed(item: str) -> Bools:
    """Say which octets an item of a pattern allows."""
    allowed = np.zeros(256, np.bool_)
    allowed[:128] = [re.fullmatch(item.encode(), octet) is not None for octet in _OCTETS]
    return allowed

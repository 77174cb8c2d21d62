"""Remembers numbers in a few bytes each: it never forgets one, and seldom believes in one that it never saw."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from include.engine.frame import Bools

Numbers = npt.NDArray[np.uint64]

_FIRST = 18  # the first table has 2^18 words
_PER_WORD = 4  # numbers for each word of a table; then about one number in a hundred is believed in wrongly
_BITS = (np.uint64(0), np.uint64(6), np.uint64(12), np.uint64(18))
_FACTORS = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_HALF, _ONE, _SIX_BITS = np.uint64(33), np.uint64(1), np.uint64(63)


class Seen:
    """A Bloom filter whose four bits lie in one word; where it is full, a table twice as large is put beside it."""

    def __init__(self) -> None:
        self._tables = [np.zeros(1 << _FIRST, np.uint64)]
        self._room = _PER_WORD << _FIRST

    def add(self, numbers: Numbers) -> None:
        """Remember numbers."""
        if len(numbers) > self._room:
            size = max(2 * len(self._tables[-1]), 1 << (len(numbers) // _PER_WORD).bit_length())
            self._tables.append(np.zeros(size, np.uint64))
            self._room = _PER_WORD * size
        mixed = mix(numbers)
        np.bitwise_or.at(self._tables[-1], _words(mixed, self._tables[-1]), _masks(mixed))
        self._room -= len(numbers)

    def holds(self, numbers: Numbers) -> Bools:
        """Say which numbers may have been added; those that were, all are among them."""
        mixed = mix(numbers)
        masks = _masks(mixed)
        found = np.zeros(len(numbers), np.bool_)
        for table in self._tables:
            found |= (table[_words(mixed, table)] & masks) == masks
        return found


def mix(numbers: Numbers) -> Numbers:
    """Spread what is close together over all 64 bits (the end of MurmurHash3)."""
    mixed = numbers
    for factor in _FACTORS:
        mixed = (mixed ^ (mixed >> _HALF)) * factor
    return mixed ^ (mixed >> _HALF)


def _words(mixed: Numbers, table: Numbers) -> Numbers:
    return mixed >> np.uint64(65 - len(table).bit_length())


def _masks(mixed: Numbers) -> Numbers:
    masks = np.zeros(len(mixed), np.uint64)
    for shift in _BITS:
        masks |= _ONE << ((mixed >> shift) & _SIX_BITS)
    return masks

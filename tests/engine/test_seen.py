"""The filter of numbers seen: none is forgotten, and few are believed in wrongly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from include.engine.seen import Numbers, Seen


@settings(max_examples=50, deadline=None)
@given(blocks=st.lists(arrays.arrays(np.uint64, st.integers(0, 50)), max_size=5))
def test_no_number_is_forgotten(blocks: list[Numbers]) -> None:
    seen = Seen()
    for block in blocks:
        seen.add(block)
    assert all(seen.holds(block).all() for block in blocks)


@pytest.mark.parametrize("step", [1, 1 << 40, 0x9E3779B97F4A7C15], ids=["neighbours", "high bits", "spread"])
def test_few_are_believed_in_wrongly_however_many_there_are(step: int) -> None:
    numbers = np.arange(3_000_000, dtype=np.uint64) * np.uint64(step)
    known, others = numbers[::2], numbers[1::2]
    seen = Seen()
    for block in np.array_split(known, 100):
        seen.add(block)
    assert seen.holds(known).all()
    assert seen.holds(others).mean() < 0.02


def test_more_numbers_at_once_than_a_table_has_room_for() -> None:
    numbers = np.arange(5_000_000, dtype=np.uint64)
    seen = Seen()
    seen.add(numbers)
    assert seen.holds(numbers).all()
    assert seen.holds(numbers + np.uint64(len(numbers))).mean() < 0.02

"""Working ahead in a second thread changes neither the order, nor what is raised, nor what is left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from include.engine.ahead import ahead


def test_items_come_in_order() -> None:
    assert list(ahead(iter(range(1_000)))) == list(range(1_000))


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the store went away")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(OSError, match="went away"):
        next(taken)


def test_who_stops_taking_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    made = ahead(iter(range(1_000)))
    assert next(made) == 0
    made.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before

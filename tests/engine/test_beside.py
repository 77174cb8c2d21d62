"""Running a call in a second thread changes neither its result nor what it raises, and leaves no thread behind."""

from __future__ import annotations

import threading

import pytest

from include.engine.beside import Beside


@pytest.mark.parametrize("threads", [1, 2])
def test_a_result_is_there_when_it_is_asked_for(threads: int) -> None:
    beside = Beside[int]("test", threads=threads)
    running = [beside.start(lambda number=number: number) for number in range(100)]  # type: ignore[misc]
    assert [call.result() for call in running] == list(range(100))
    beside.close()


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    beside = Beside[None]("test", threads=2)

    def fail() -> None:
        raise OSError("the store went away")

    running = beside.start(fail)
    with pytest.raises(OSError, match="went away"):
        running.result()
    beside.close()


def test_closing_waits_for_the_call_that_runs_and_ends_the_thread() -> None:
    before, done, may_end = threading.active_count(), [], threading.Event()
    beside = Beside[None]("test", threads=2)

    def work() -> None:
        may_end.wait()
        done.append(True)

    beside.start(work)
    may_end.set()
    beside.close()
    assert (done, threading.active_count()) == ([True], before)

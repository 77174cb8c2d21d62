"""Runs one call at a time in a thread of its own: numpy, Arrow and DuckDB let other threads run while they work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Beside(Generic[Result]):
    """A thread for calls that follow one another.

    Args:
        name: the thread's.
        threads: with one, a call is made at once, in the caller's thread.
    """

    def __init__(self, name: str, *, threads: int) -> None:
        self._worker = ThreadPoolExecutor(1, name) if threads > 1 else None

    def start(self, call: Callable[[], Result]) -> Future[Result]:
        """Start a call; what it raises is raised where its result is asked for."""
        if self._worker is not None:
            return self._worker.submit(call)
        made: Future[Result] = Future()
        made.set_result(call())
        return made

    def close(self) -> None:
        """Wait for the call that runs, and end the thread."""
        if self._worker is not None:
            self._worker.shutdown()

"""How a task fails: for good, or so that trying again can help. Decided where it is known."""

from __future__ import annotations

from collections.abc import Sequence

from landfall.compat import AirflowFailException


class TerminalFailure(AirflowFailException):
    """Trying again cannot help; somebody has to change something first.

    Args:
        message: what happened, where, and what to do.
        files: addresses of the files it happened to.
    """

    def __init__(self, message: str, *, files: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.files = tuple(files)


class TransientFailure(Exception):
    """Trying again can help; Airflow does, as often as pipeline.yaml's `retry` says."""

    def __init__(self, message: str, *, files: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.files = tuple(files)


class LostRace(TransientFailure):
    """Another transaction was faster; the same one can succeed at once."""

"""How a task fails: for good, or so that trying again can help. Decided where it is known."""

from __future__ import annotations

from collections.abc import Sequence

from landfall.compat import AirflowFailException


class TerminalFailure(AirflowFailException):
    """Trying again cannot help; somebody has to change something first.

    Args:
        message: what happened, where, and what to do.
        files: addresses of the files it happened to.
        code: the transform function's own word for it; empty: it is not the function's.
    """

    def __init__(self, message: str, *, files: Sequence[str] = (), code: str = "") -> None:
        super().__init__(message)
        self.files, self.code = tuple(files), code


class Missing(TerminalFailure):
    """What was asked for is not there."""


class Changed(TerminalFailure):
    """What was to be read or written is not in the version that was expected any more."""


class LoadedBefore(TerminalFailure):
    """A file of the commit is loaded already: nothing was committed; a new plan leaves the file out."""


class Overtaken(TerminalFailure):
    """A newer version of a file of the commit is loaded: nothing was committed; a new plan leaves the file out."""


class CountDiffers(TerminalFailure):
    """The staging table does not hold what the transforms counted: nothing was committed."""


class RefusedData(TerminalFailure):
    """A job ran, and the warehouse refused its statement or what it brought."""


class TransientFailure(Exception):
    """Trying again can help; Airflow does, as often as pipeline.yaml's `retry` says.

    Args:
        message: what happened, where, and what to do if it stays so.
        files: addresses of the files it happened to.
        retry_after: seconds before which it need not be tried again; 0: nobody said.
        outage: the service itself does not work, which its circuit breaker counts.
        delivered: False where the service never got the call, so that no call can be made twice by repeating it.
        code: the transform function's own word for it; empty: it is not the function's.
    """

    def __init__(
        self,
        message: str,
        *,
        files: Sequence[str] = (),
        retry_after: float = 0.0,
        outage: bool = False,
        delivered: bool = True,
        code: str = "",
    ) -> None:
        super().__init__(message)
        self.files, self.code = tuple(files), code
        self.retry_after, self.outage, self.delivered = retry_after, outage, delivered


class LostRace(TransientFailure):
    """The transaction of a job was cancelled for a faster one and did nothing; the same one can succeed at once."""


class ServiceDown(TransientFailure):
    """A service's circuit breaker is open: it was not called."""


Failure = TerminalFailure | TransientFailure

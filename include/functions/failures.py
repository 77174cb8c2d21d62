"""Why a batch could not be transformed, as stable codes; the same on every cloud."""

from __future__ import annotations

import errno

from pydantic import ValidationError

from include.engine.errors import (
    AccountingError,
    EngineError,
    TerminalReferenceError,
    TerminalRuleError,
    TerminalSecretError,
    TransientEngineError,
)
from include.functions.protocol import ErrorBody, ErrorResponse
from include.spec.errors import SpecError

_SHOWN = 2_000
# What these say is true of every batch, or of the moment: of the store, the keys, the deployment, a changed version, a
# worker that died of we do not know what.
# Every other code is about the batch itself: the next try of the same batch gives the same.
NOT_THE_BATCH = frozenset({
    "bad_reference", "input_changed", "input_missing", "missing_secret", "out_of_space", "output_taken", "redeployed",
    "short_read", "storage_refused", "storage_unavailable", "worker_lost", "wrong_checksum",
})  # fmt: skip


class FunctionFailure(Exception):
    """A failure that the caller is told of.

    Args:
        code: stable name.
        message: for a person; no data.
        where: an object's address, or a field of the request.
    """

    status = 400
    retryable = False

    def __init__(self, code: str, message: str, where: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.where = code, message[:_SHOWN], where

    @property
    def body(self) -> ErrorResponse:
        """The answer's body."""
        error = ErrorBody(code=self.code, message=self.message, retryable=self.retryable, where=self.where)
        return ErrorResponse(error=error)


class BadRequest(FunctionFailure):
    """The request is not one that this function takes."""


class MethodNotAllowed(FunctionFailure):
    """Neither GET nor POST."""

    status = 405


class Forbidden(FunctionFailure):
    """The function may not do what it would have to."""

    status = 403


class InputChanged(FunctionFailure):
    """An input is not the version that was planned."""

    status = 409


class InputMissing(FunctionFailure):
    """An input is gone."""

    status = 410


class TooLarge(FunctionFailure):
    """The request is larger than allowed."""

    status = 413


class Unworkable(FunctionFailure):
    """The dataset cannot be run as it is."""

    status = 422


class Unavailable(FunctionFailure):
    """Something that the function needs does not work now."""

    status = 503
    retryable = True


class Defect(FunctionFailure):
    """The engine found itself wrong; trying again gives the same."""

    status = 500


class Internal(FunctionFailure):
    """Nobody has thought of this; the log has more."""

    status = 500
    retryable = True


_UNWORKABLE = {
    TerminalRuleError: "bad_rule",
    TerminalReferenceError: "bad_reference",
    TerminalSecretError: "missing_secret",
}


def explain(error: Exception) -> FunctionFailure:
    """Return what the caller is told of an exception; of one that nobody foresaw, nothing but its kind."""
    if isinstance(error, FunctionFailure):
        return error
    if isinstance(error, ValidationError):
        return _bad_fields(error)
    if isinstance(error, SpecError):
        return Unworkable("bad_dataset", str(error), "dataset")
    if isinstance(error, EngineError):
        return _of_engine(error)
    if isinstance(error, MemoryError):
        return Unavailable("out_of_memory", "the batch needs more memory than the function has; make batches smaller")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Unavailable("out_of_space", "the batch needs more room for temporary files than the function has")
    return Internal("internal", f"{type(error).__name__} in the transform function; its log has the place")


def _bad_fields(error: ValidationError) -> FunctionFailure:
    # The wrong values stay out: what stands in a request may be anything.
    found = [(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors(include_input=False, include_url=False)]
    text = "; ".join(f"{place or 'request'}: {message}" for place, message in found[:10])
    return BadRequest("bad_request", text, found[0][0] if found else "")


def _of_engine(error: EngineError) -> FunctionFailure:
    if isinstance(error, TransientEngineError):
        return Unavailable("out_of_memory", str(error))
    if isinstance(error, AccountingError):
        return Defect("accounting", str(error))
    code = next((code for kind, code in _UNWORKABLE.items() if isinstance(error, kind)), "bad_dataset")
    return Unworkable(code, str(error), "dataset")

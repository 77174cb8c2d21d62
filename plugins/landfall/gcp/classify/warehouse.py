"""What an error of BigQuery means: by its reason, for its status does not say.

https://cloud.google.com/bigquery/docs/error-messages
"""

from __future__ import annotations

import re

from include.ledger.commit import COUNT_DIFFERS, DONE_BEFORE, OVERTAKEN, SET_OVERTAKEN
from landfall.errors import (
    CountDiffers,
    Failure,
    LoadedBefore,
    LostRace,
    Missing,
    Overtaken,
    RefusedData,
    TerminalFailure,
    TransientFailure,
)
from landfall.gcp.classify.transport import asked_to_wait, classify_status, classify_transport, said

# The service itself does not work.
_OUTAGE = {"backendError", "internalError", "jobBackendError", "jobInternalError", "badGateway"}
# It works, and this passes: too much at once, a table that is being moved, a job that got no slot in time.
_PASSING = {"rateLimitExceeded", "jobRateLimitExceeded", "tableUnavailable", "resourceInUse", "timeout"}
# Of a job that ran: its statement, or a value, a row or a file that it brought.
_REFUSED = {"invalid", "invalidQuery"}
# Another transaction touched the same row first: a 400 whose reason is that of a wrong query.
# The last two are local-bigquery's.
_LOST_RACE = (
    "Transaction is aborted due to concurrent update", "Could not serialize access", "conflict", "Failed to commit",
    "Conflict on update",
)  # fmt: skip
# A quota is refilled within a minute, or on the next day. Only the text tells which.
_SOON = re.compile(r"per (\d+ )?(user per )?(second|minute)|concurrent|too many .* requests|rate limit", re.IGNORECASE)
# What our own commit asserts, and what it means that it does not hold.
_ASSERTED: dict[str, tuple[type[TerminalFailure], str]] = {
    DONE_BEFORE: (LoadedBefore, "the next run plans what is left"),
    OVERTAKEN: (Overtaken, "the next run plans what is left"),
    COUNT_DIFFERS: (CountDiffers, "nothing was committed; clear the transform tasks of the run to make the parts anew"),
}


def classify_warehouse(error: Exception, what: str) -> Failure | None:
    """Tell what it means for the task; None: it is no error of the service.

    | reason | means |
    |---|---|
    | an ASSERT of our commit | `LoadedBefore`, `Overtaken`, `CountDiffers` |
    | a newer set that came between | transient: the next try plans the rest of it |
    | a transaction that was cancelled for another | transient; of a job `LostRace` |
    | backendError, internalError, job…Error, 5xx, a broken connection | transient: an outage |
    | rateLimitExceeded, tableUnavailable, resourceInUse, timeout, 429 | transient |
    | quotaExceeded | transient where the text names seconds, minutes or concurrency, else terminal: a day's quota |
    | notFound | `Missing` |
    | accessDenied, invalidQuery, stopped, resourcesExceeded and every other | terminal |

    Args:
        error: of the client library, of a call or of a job that failed.
        what: what was tried, with the job's or the table's name.
    """
    from google.api_core.exceptions import GoogleAPICallError

    if not isinstance(error, GoogleAPICallError):
        return classify_transport(error, what)
    message, status = said(error), int(error.code or 0)
    reasons = _reasons(error)
    text, asked = f"{what}: {message}", asked_to_wait(error.response)
    if SET_OVERTAKEN in str(error.message):
        return TransientFailure(f"{what}: {SET_OVERTAKEN}; the next try of the task settles what is late")
    for asserted, (kind, fix) in _ASSERTED.items():
        if asserted in str(error.message):
            return kind(f"{what}: {asserted}; {fix}")
    if reasons & _OUTAGE:
        return TransientFailure(text, retry_after=asked, outage=True)
    if reasons & _PASSING or _lost_race(error):
        return TransientFailure(text, retry_after=asked)
    if "quotaExceeded" in reasons:
        return _of_quota(text, message, asked)
    if "notFound" in reasons:
        return Missing(text)
    if "stopped" in reasons:
        return TerminalFailure(f"{text}. Somebody cancelled the job; clear the task to run it again")
    return classify_status(status, text, asked)


def _of_quota(text: str, message: str, asked: float) -> Failure:
    if _SOON.search(message):
        return TransientFailure(text, retry_after=asked)
    return TerminalFailure(f"{text}. The quota is used up; wait until it is refilled or have it raised, then clear the"
                           " task")  # fmt: skip


def classify_job(error: Exception, what: str, reason: str = "") -> Failure | None:
    """Tell what it means that a job ran and failed: never an outage, for the service told of it.

    What the job itself was refused for (`invalid`, `invalidQuery`) is `RefusedData`.

    Args:
        error: of the job, or of the call that asked for its rows.
        what: what was tried, with the job's name.
        reason: of the job's failure, as the job has it; it counts alone, for of several errors it is the job's.
    """
    failure = classify_warehouse(error, what)
    if type(failure) is TerminalFailure and ({reason} if reason else _reasons(error)) & _REFUSED:
        return RefusedData(str(failure))
    if not isinstance(failure, TransientFailure):
        return failure
    kind = LostRace if _lost_race(error) else TransientFailure
    return kind(str(failure), retry_after=failure.retry_after)


def _reasons(error: Exception) -> set[str]:
    details = getattr(error, "errors", None) or ()
    return {str(detail.get("reason", "")) for detail in details if isinstance(detail, dict)}


def _lost_race(error: Exception) -> bool:
    return any(mark in str(getattr(error, "message", "")) for mark in _LOST_RACE)

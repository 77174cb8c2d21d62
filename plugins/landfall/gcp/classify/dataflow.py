"""What an error of Dataflow means."""

from __future__ import annotations

from include.backoff import retry_after
from landfall.errors import Failure, TransientFailure
from landfall.gcp.classify.transport import classify_status, classify_transport


def classify_dataflow(error: Exception, what: str) -> Failure | None:
    """Tell what it means for the task; None: it is no error of the service.

    | status | means |
    |---|---|
    | 409 | transient: a job of that name is active, and the next try finds it |
    | 408, 429 | transient: slow down, or no quota is left |
    | 5xx, a broken connection | transient: an outage |
    | 404 | `Missing`: the project, the region or the template |
    | 401, 403 and every other | terminal |

    Args:
        error: of the client library.
        what: what was tried, with the job's name.
    """
    import ssl

    import httplib2
    from googleapiclient.errors import HttpError

    if isinstance(error, HttpError):
        status = int(error.status_code)
        text = f"{what}: Dataflow answered {status}: {error.reason}"
        if status == 409:
            return TransientFailure(text)
        return classify_status(status, text, retry_after(error.resp.get("retry-after")))
    if isinstance(error, httplib2.ServerNotFoundError):
        return TransientFailure(f"{what}: no whole answer came ({type(error).__name__})", outage=True, delivered=False)
    found = classify_transport(error, what)
    if found is None and isinstance(error, ssl.SSLError):
        return TransientFailure(f"{what}: no whole answer came ({type(error).__name__})", outage=True)
    return found

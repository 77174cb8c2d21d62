"""What an error of Cloud Storage means."""

from __future__ import annotations

from landfall.errors import Changed, Failure, TransientFailure
from landfall.gcp.classify.transport import asked_to_wait, classify_status, classify_transport, said


def classify_storage(error: Exception, what: str) -> Failure | None:
    """Tell what it means for the task; None: it is no error of the service.

    | status | means |
    |---|---|
    | 404 | `Missing` |
    | 412, 304 | `Changed`: a precondition on the generation did not hold |
    | 408, 429 | transient: slow down |
    | 5xx, a broken connection, bytes that do not match their checksum | transient: an outage |
    | 401, 403 and every other | terminal |

    Args:
        error: of the client library.
        what: what was tried, with the object's address.
    """
    from google.api_core.exceptions import GoogleAPICallError

    if isinstance(error, GoogleAPICallError):
        status = int(error.code or 0)
        text = f"{what}: Cloud Storage answered {status}: {said(error)}"
        if status in (412, 304):
            return Changed(f"{what}: the object changed meanwhile ({status}); it is planned anew")
        return classify_status(status, text, asked_to_wait(error.response))
    if type(error).__name__ == "DataCorruption":  # the library keeps it in another package in each major version
        return TransientFailure(f"{what}: the bytes that came do not match their checksum", outage=True)
    return classify_transport(error, what)

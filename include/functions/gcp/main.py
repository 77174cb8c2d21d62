"""The HTTP function `transform`: one batch in, Parquet parts and a manifest out."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from include.engine.raw_keys import key_ids
from include.engine.version import ENGINE_VERSION
from include.functions.logs import Log, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.engine.mask import Secrets
    from include.functions.gcp.objects import Objects
    from include.functions.protocol import TransformRequest

Answer = tuple[dict[str, Any], int]


class Readable(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes."""


class HttpRequest(Protocol):
    """What is needed of Flask's request, which functions-framework hands over."""

    @property
    def method(self) -> str:
        """GET or POST."""

    @property
    def content_length(self) -> int | None:
        """Bytes of the body, as the caller says."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""

    @property
    def stream(self) -> Readable:
        """The body."""


def transform(request: HttpRequest) -> Answer:
    """Answer one call: GET says which version runs and the names of its keys, POST transforms a batch.

    The engine and the storage client are imported by the first POST, so that an instance is up at once.
    """
    if request.method == "GET":
        return {
            "service": "landfall",
            "engine_version": ENGINE_VERSION,
            "keys": key_ids(os.environ),
            "revision": os.environ.get("K_REVISION", ""),
        }, 200
    log = Log(_trace(request))
    began = time.monotonic()
    try:
        answer: Answer = _post(request, log), 200
    except Exception as error:  # noqa: BLE001 - the caller is never shown a traceback, and the platform gets an answer
        answer = _failed(error, log)
    told = {key: value for key, value in (answer[0].get("error") or answer[0]).items() if key != "message"}
    severity: Severity = "INFO" if answer[1] == 200 else "ERROR"
    log.write(severity, "transform ended", status=answer[1], seconds=round(time.monotonic() - began, 3), **told)
    return answer


def _post(request: HttpRequest, log: Log) -> dict[str, Any]:
    from include.functions.job import run_job
    from include.spec.settings import Settings

    job = _read(request)
    log.bind(dataset=str(job.dataset.get("name")), batch_id=job.batch_id, attempt=job.attempt)
    log.write("INFO", "transform began", files=len(job.inputs), bytes=sum(pinned.size for pinned in job.inputs))
    return run_job(job, objects(), Settings.from_environment(), secrets()).model_dump()


def _read(request: HttpRequest) -> TransformRequest:
    from include.functions.failures import BadRequest, MethodNotAllowed, TooLarge
    from include.functions.protocol import MAX_BODY, TransformRequest

    if request.method != "POST":
        raise MethodNotAllowed("bad_request", "send a batch by POST; GET says which version runs")
    if (request.content_length or 0) > MAX_BODY:
        raise TooLarge("too_large", f"a request holds at most {MAX_BODY:,} bytes; make batches of fewer files")
    # Content-Length may be missing or wrong.
    body = request.stream.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise TooLarge("too_large", f"a request holds at most {MAX_BODY:,} bytes; make batches of fewer files")
    job = TransformRequest.model_validate_json(body)
    key = request.headers.get("Idempotency-Key")
    if key not in (None, job.idempotency_key):
        message = "Idempotency-Key must be <batch_id>-<attempt>, or be left out"
        raise BadRequest("bad_request", message, "Idempotency-Key")
    return job


def _failed(error: Exception, log: Log) -> Answer:
    from include.functions.failures import Internal, explain

    failure = explain(error)
    if isinstance(failure, Internal):
        log.write_defect(error)
    return failure.body.model_dump(), failure.status


def secrets() -> Secrets:
    """Return the keys that the environment holds."""
    from include.engine.mask import Secrets

    mask, raw = (os.environ.get(f"LANDFALL_{name}_KEY", "").encode() for name in ("MASK", "RAW"))
    return Secrets(mask_key=mask or None, raw_key=raw or None)


@cache
def objects() -> Objects:
    """Return the deployment's objects; made once a process."""
    from google.cloud import storage

    from include.functions.gcp.objects import Objects

    patience = float(os.environ.get("LANDFALL_STORAGE_PATIENCE", "60"))
    return Objects(storage.Client(project=os.environ.get("LANDFALL_PROJECT") or None), patience=patience)


def _trace(request: HttpRequest) -> dict[str, str]:
    # https://cloud.google.com/run/docs/logging#correlate-logs
    header, project = request.headers.get("X-Cloud-Trace-Context", ""), os.environ.get("GOOGLE_CLOUD_PROJECT", "")
    trace = header.partition("/")[0]
    return {"logging.googleapis.com/trace": f"projects/{project}/traces/{trace}"} if trace and project else {}

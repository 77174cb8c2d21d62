"""The emulator's handlers, each behind the checks that it lacks."""

from __future__ import annotations

import re
from collections.abc import Callable
from email import message_from_string
from http import HTTPStatus
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

from gcp_storage_emulator import server
from gcp_storage_emulator.handlers import objects

from local.storage_emulator import listing
from local.storage_emulator.conditions import Conditions, Refused, Resource, missing, number, version
from local.storage_emulator.state import State

Handler = Callable[[Any, Any, State], None]


class Answer(server.Response):
    """An answer, whose links lead to where the request was sent: the object may have come through another door."""

    def __init__(self, handler: Any, base_url: str) -> None:  # noqa: ANN401 - the emulator's own
        super().__init__(handler)
        self._base_url = base_url

    def json(self, obj: Resource) -> None:
        """Answer with an object, or with what has objects inside."""
        linked = self._linked(obj)
        if "resource" in obj:
            linked = {**linked, "resource": self._linked(obj["resource"])}
        if "items" in obj:
            linked = {**linked, "items": [self._linked(item) for item in obj["items"]]}
        super().json(linked)

    def _linked(self, resource: Resource) -> Resource:
        if "mediaLink" not in resource:
            return resource
        name = quote(resource["name"], safe="")
        place = f"/download/storage/v1/b/{resource['bucket']}/o/{name}?generation={resource['generation']}&alt=media"
        return {**resource, "mediaLink": self._base_url + place}


def carry_out(request: Any, response: Any, state: State) -> None:  # noqa: ANN401 - the emulator's own
    """Answer one request; what it does is kept when this returns.

    Args:
        request, response: the emulator's Request, its body read, and an Answer.
        state: what it is about.
    """
    with state.lock:
        try:
            handler = _find(request)
            state.guard = Conditions.of(request.query)
            handler(request, response, state)
            if response.status == HTTPStatus.NOT_FOUND and not response._content:  # the emulator says no more
                raise _not_found(request, state)
        except Refused as refused:
            _refuse(response, refused)
        except (OSError, ValueError) as error:
            message = f"The emulator keeps objects as files, and could not do this: {error}"
            _refuse(response, Refused(HTTPStatus.NOT_IMPLEMENTED, "notImplemented", message))
        finally:
            state.guard = Conditions()
            state.commit()


def _refuse(response: Any, refused: Refused) -> None:  # noqa: ANN401
    response.status = refused.status
    if refused.status == HTTPStatus.NOT_MODIFIED:  # has no body
        return
    response.json(refused.body())


def _not_found(request: Any, state: State) -> Refused:  # noqa: ANN401
    names = request.params or {}
    if names.get("bucket_name") in state.buckets and "object_id" in names:
        return missing(names["bucket_name"], names["object_id"])
    what = "resumable upload" if "upload_id" in request.query else "bucket"
    return Refused(HTTPStatus.NOT_FOUND, "notFound", f"The specified {what} does not exist.")


def _find(request: Any) -> Handler:  # noqa: ANN401
    for pattern, handlers in _ROUTES:
        if match := pattern.fullmatch(request.path):
            request.set_match(match)
            handler: Handler | None = handlers.get(request.method)
            # Some clients leave out the /upload in front of the path.
            if handler is None and request.method == "POST" and request.path.endswith("/o"):
                handler = _insert
            if handler is not None:
                return handler
            break
    message = f"The emulator does not know {request.method} {request.path}"
    raise Refused(HTTPStatus.NOT_IMPLEMENTED, "notImplemented", message)


def _check(request: Any, state: State) -> None:  # noqa: ANN401
    """Raise unless the object of the request is there, in its generation, as its conditions have it."""
    bucket, name = request.params["bucket_name"], request.params["object_id"]
    found = state.object(bucket, name)
    if found is None and bucket not in state.buckets:
        raise _not_found(request, state)
    Conditions.of(request.query).check(version(found, bucket, name, number(request.query, "generation")))


def _checked(handler: Handler) -> Handler:
    def check(request: Any, response: Any, state: State) -> None:  # noqa: ANN401
        _check(request, state)
        handler(request, response, state)

    return check


def _get(request: Any, response: Any, state: State) -> None:  # noqa: ANN401
    if "softDeleted" in request.query:
        objects.get(request, response, state)
    elif request.query.get("alt") == ["media"]:
        _download(request, response, state)
    else:
        _check(request, state)
        objects.get(request, response, state)


def _download(request: Any, response: Any, state: State) -> None:  # noqa: ANN401
    _check(request, state)
    objects.download(request, response, state)
    found = state.object(request.params["bucket_name"], request.params["object_id"]) or {}
    # With it the client goes on in the same generation where a download breaks off.
    response["X-Goog-Generation"] = found["generation"]
    response["X-Goog-Metageneration"] = found["metageneration"]


def _delete(request: Any, response: Any, state: State) -> None:  # noqa: ANN401
    _check(request, state)
    objects.delete(request, response, state)
    response.status = HTTPStatus.NO_CONTENT


def _insert(request: Any, response: Any, state: State) -> None:  # noqa: ANN401
    upload = request.query.get("upload_id", [""])[0]
    if upload in state.finished:
        # Sent again because the answer was lost.
        response.json(state.finished[upload])
        return
    (objects.upload_partial if upload else objects.insert)(request, response, state)
    if upload and response.status == HTTPStatus.PERMANENT_REDIRECT and not state.get_resumable_byte_count(upload):
        # The emulator would say that it has the first byte.
        del response._headers["Range"]


def _from_source(handler: Handler) -> Handler:
    def check(request: Any, response: Any, state: State) -> None:  # noqa: ANN401
        bucket, name = request.params["bucket_name"], request.params["object_id"]
        source = version(state.object(bucket, name), bucket, name, number(request.query, "sourceGeneration"))
        Conditions.of(request.query, "Source").check(source)
        handler(request, response, state)

    return check


def _compose(request: Any, response: Any, state: State) -> None:  # noqa: ANN401
    bucket = request.params["bucket_name"]
    for source in request.data["sourceObjects"]:
        wanted = {name: [str(value)] for name, value in source.items() if name == "generation"}
        found = version(state.object(bucket, source["name"]), bucket, source["name"], number(wanted, "generation"))
        conditions = source.get("objectPreconditions") or {}
        Conditions.of({name: [str(value)] for name, value in conditions.items()}).check(found)
    objects.compose(request, response, state)


def _list(request: Any, response: Any, state: State) -> None:  # noqa: ANN401
    bucket = request.params["bucket_name"]
    if "softDeleted" in request.query:
        objects.ls(request, response, state)
    elif bucket not in state.buckets:
        response.status = HTTPStatus.NOT_FOUND
    else:
        response.json(listing.page(state.objects.get(bucket, {}), request.query))


def _batch(request: Any, response: Any, state: State) -> None:  # noqa: ANN401
    """Carry out each request of a batch; one that fails does not touch the others, as in Cloud Storage."""
    boundary = "batch_of_answers"
    response["Content-Type"] = f"multipart/mixed; boundary={boundary}"
    text = ""
    for part in request.data:
        answer = Answer(None, request.base_url)
        carry_out(_within(request, part), answer, state)
        status = f"HTTP/1.1 {answer.status.value} {answer.status.phrase}"
        kind = "Content-Type: application/json; charset=UTF-8"
        text += f"--{boundary}\r\nContent-Type: application/http\r\n\r\n{status}\r\n{kind}\r\n\r\n{answer._content}\r\n"
    response._content = f"{text}--{boundary}--"


def _within(batch: Any, part: str) -> Any:  # noqa: ANN401
    """Return a request of a batch, read from its text."""
    line, _, rest = part.lstrip().partition("\n")
    method, address, *_ = line.split()
    headers = message_from_string(rest)
    body = str(headers.get_payload()).encode()
    del headers["Content-Length"]
    headers["Content-Length"] = str(len(body))
    path = urlsplit(address)._replace(scheme="", netloc="").geturl()
    outer = batch._request_handler
    return server.Request(SimpleNamespace(path=path, headers=headers, rfile=BytesIO(body), server=outer.server), method)


# The emulator's own reads neither queries nor methods but a few.
server._parse_batch_item = lambda item: item.get_payload()

_MENDED: dict[Any, Handler] = {
    objects.get: _get,
    objects.download: _download,
    objects.delete: _delete,
    objects.patch: _checked(objects.patch),
    objects.insert: _insert,
    objects.upload_partial: _insert,
    objects.copy: _from_source(objects.copy),
    objects.rewrite: _from_source(objects.rewrite),
    objects.compose: _compose,
    objects.ls: _list,
    objects.batch: _batch,
}
_ROUTES = [
    (re.compile(pattern), {method: _MENDED.get(handler, handler) for method, handler in handlers.items()})
    for pattern, handlers in server.HANDLERS
]

"""A page of a listing: prefix, delimiter, glob, offsets, page size and token together."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from gcp_storage_emulator.gcs_glob import gcs_glob_match

from local.storage_emulator.conditions import Query, Refused, Resource, number

_LARGEST_PAGE = 1000


def page(objects: dict[str, Resource], query: Query) -> dict[str, Any]:
    """Return the answer to a listing, at most 1,000 objects and prefixes of it.

    Args:
        objects: the bucket's, by name.
        query: the request's.

    Raises:
        Refused: the page size, the token or the delimiter is wrong.
    """
    after, size = _token(query), min(number(query, "maxResults") or _LARGEST_PAGE, _LARGEST_PAGE)
    items: list[Resource] = []
    prefixes: list[str] = []
    last = ""
    answer: dict[str, Any] = {"kind": "storage#objects", "items": items, "prefixes": prefixes}
    for entry, resource in _entries(objects, query):
        if entry <= after:
            continue
        if len(items) + len(prefixes) == size:
            answer["nextPageToken"] = base64.urlsafe_b64encode(last.encode()).decode()
            break
        last = entry
        if resource is None:
            prefixes.append(entry)
        else:
            items.append(resource)
    return answer


def _entries(objects: dict[str, Resource], query: Query) -> Iterator[tuple[str, Resource | None]]:
    """Yield objects and, without a resource, prefixes, in their common order."""
    prefix, delimiter, glob = (_one(query, name) for name in ("prefix", "delimiter", "matchGlob"))
    start, end = _one(query, "startOffset"), _one(query, "endOffset")
    if glob and delimiter not in ("", "/"):
        message = "When listing with a glob pattern, the only supported delimiter is '/'."
        raise Refused(HTTPStatus.BAD_REQUEST, "invalid", message)
    folder = None
    for name in sorted(objects):
        if not name.startswith(prefix) or name < start or (end and name >= end):
            continue
        head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
        entry = prefix + head + found if found else name
        if entry == folder or (glob and not gcs_glob_match(glob, entry)):
            continue
        if found:
            folder = entry
        yield entry, None if found else objects[name]


def _one(query: Query, name: str) -> str:
    return query.get(name, [""])[0]


def _token(query: Query) -> str:
    given = _one(query, "pageToken")
    try:
        return base64.b64decode(given, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "invalid", f"Invalid pageToken: {given!r}") from error

"""Preconditions of a request, and the answers where one does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

Query = Mapping[str, list[str]]
Resource = dict[str, Any]

_FAILED = "At least one of the pre-conditions you specified did not hold."


class Refused(Exception):
    """A request that gets an error for an answer.

    Args:
        status: of the answer.
        reason: Cloud Storage's word for it, such as `conditionNotMet`.
        message: what the caller is told.
    """

    def __init__(self, status: HTTPStatus, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON, in the form that Cloud Storage gives it."""
        told = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": int(self.status), "message": self.message, "errors": [told]}}


def number(query: Query, name: str) -> int | None:
    """Return a whole number of a query; None where it is not given.

    Raises:
        Refused: it is no whole number.
    """
    given = query.get(name)
    if not given:
        return None
    if not (given[0].isascii() and given[0].isdigit()):
        raise Refused(HTTPStatus.BAD_REQUEST, "invalid", f"Invalid value for {name}: {given[0]!r} is no whole number")
    return int(given[0])


def missing(bucket: str, name: str) -> Refused:
    """Return the answer where there is no such object."""
    return Refused(HTTPStatus.NOT_FOUND, "notFound", f"No such object: {bucket}/{name}")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What has to be so for a request to be carried out; a generation of 0 is that of an object that is not there.

    Args:
        generation, metageneration: the object must have them.
        not_generation, not_metageneration: the object must be there and have others.
    """

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None

    @classmethod
    def of(cls, query: Query, of: str = "") -> Conditions:
        """Read them from a query.

        Args:
            query: the request's.
            of: `Source` for those on the object that is copied.

        Raises:
            Refused: one is no whole number.
        """
        kinds = ("GenerationMatch", "GenerationNotMatch", "MetagenerationMatch", "MetagenerationNotMatch")
        return cls(*(number(query, f"if{of}{kind}") for kind in kinds))

    def check(self, resource: Resource | None) -> None:
        """Raise unless they hold.

        Args:
            resource: the object as it is; None where there is none.

        Raises:
            Refused: 412 where it has not what it must have, 304 where it has what it must not have.
        """
        generation = int(resource["generation"]) if resource else 0
        metageneration = int(resource["metageneration"]) if resource else 0
        if self.generation not in (None, generation) or self.metageneration not in (None, metageneration):
            raise Refused(HTTPStatus.PRECONDITION_FAILED, "conditionNotMet", _FAILED)
        unwanted = ((self.not_generation, generation), (self.not_metageneration, metageneration))
        # Without an object neither can hold, whatever the number.
        if any(given is not None and (given == found or not resource) for given, found in unwanted):
            raise Refused(HTTPStatus.NOT_MODIFIED, "notModified", _FAILED)


def version(resource: Resource | None, bucket: str, name: str, generation: int | None) -> Resource:
    """Return the object if it is there, in the generation asked for where one is.

    Raises:
        Refused: 404; an overwritten generation is gone, as it is in a bucket without versioning.
    """
    if resource is None or generation not in (None, int(resource["generation"])):
        raise missing(bucket, name if generation is None else f"{name}#{generation}")
    return resource

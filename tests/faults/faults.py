"""What can go wrong with one request, each as a value that says of itself all that there is to know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of a service."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line(Protocol):
    """One request that is under way, as a fault handles it."""

    service: str

    async def hear(self) -> bytes:
        """Wait until all of the request is here; returns its body."""

    async def ask(self) -> Answer:
        """Have the service answer the whole request, and wait for it."""

    async def ask_in_part(self, share: float) -> None:
        """Send the service a part of the request's body, then break off."""

    async def tell(self, answer: Answer) -> None:
        """Give the client a whole answer."""

    async def tell_in_part(self, answer: Answer, share: float, *, reset: bool) -> None:
        """Give the client an answer's head and a part of its body, then reset the connection or close it."""

    def hang_up(self) -> None:
        """Reset the client's connection."""


class Fault(Protocol):
    """Something that goes wrong."""

    async def happen(self, line: Line) -> None:
        """Let it happen to a request."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The connection is reset as soon as the request is heard; the service hears nothing of it."""

    async def happen(self, line: Line) -> None:
        """Let it happen to a request."""
        line.hang_up()


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset in the middle of the answer's body, or of the request's.

    Args:
        of: which of the two; where it is the request, the service gets a part of it and then the end.
        share: how much of it arrives, from 0 to 1.
    """

    of: Literal["answer", "request"] = "answer"
    share: float = 0.5

    async def happen(self, line: Line) -> None:
        """Let it happen to a request."""
        if self.of == "request":
            await line.ask_in_part(self.share)
            line.hang_up()
        else:
            await line.tell_in_part(await line.ask(), self.share, reset=True)


@dataclass(frozen=True, slots=True)
class Truncate:
    """The answer's body ends before its length is reached, and the connection is closed in good order.

    Args:
        share: how much of it arrives, from 0 to 1.
    """

    share: float = 0.5

    async def happen(self, line: Line) -> None:
        """Let it happen to a request."""
        await line.tell_in_part(await line.ask(), self.share, reset=False)


@dataclass(frozen=True, slots=True)
class Delay:
    """The request reaches the service late, or its answer the client; the service does its work whoever still waits.

    Args:
        seconds: how late.
        of: `request` or `answer`.
    """

    seconds: float
    of: Literal["answer", "request"] = "answer"

    async def happen(self, line: Line) -> None:
        """Let it happen to a request."""
        if self.of == "request":
            await line.hear()  # before its client gives up
            await asyncio.sleep(self.seconds)
        answer = await line.ask()
        if self.of == "answer":
            await asyncio.sleep(self.seconds)
        await line.tell(answer)


_REASONS = {403: "rateLimitExceeded", 429: "rateLimitExceeded", 500: "internalError", 503: "backendError"}


@dataclass(frozen=True, slots=True)
class Status:
    """The client gets an error for an answer.

    Args:
        code: such as 429, 500, 503.
        retry_after: value of the Retry-After header; none where it is empty.
        reason: Google's word for it in the body; by default the usual one of the code.
        worked: whether the service has done its work nevertheless.
    """

    code: int
    retry_after: str = ""
    reason: str = ""
    worked: bool = False

    async def happen(self, line: Line) -> None:
        """Let it happen to a request."""
        if self.worked:
            await line.ask()
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        if line.service == "function":  # the platform in front of it knows nothing of our protocol
            body, kind = f"<html><title>{self.code}</title>injected</html>".encode(), "text/html; charset=UTF-8"
        else:
            body, kind = self._google(), "application/json; charset=UTF-8"
        await line.tell(Answer(self.code, {**headers, "Content-Type": kind}, body))

    def _google(self) -> bytes:
        reason = self.reason or _REASONS.get(self.code, "backendError")
        error = {"domain": "global", "reason": reason, "message": "injected"}
        return json.dumps({"error": {"code": self.code, "message": "injected", "errors": [error]}}).encode()


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """The service does its work, and the connection is reset before the client gets any of the answer."""

    async def happen(self, line: Line) -> None:
        """Let it happen to a request."""
        await line.ask()
        line.hang_up()


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The service gets the request twice.

    Args:
        told: which of the two answers the client gets.
        at_once: whether the second one is sent without waiting for the first to be answered.
    """

    told: Literal["first", "second"] = "first"
    at_once: bool = False

    async def happen(self, line: Line) -> None:
        """Let it happen to a request."""
        if self.at_once:
            await line.hear()  # once, for both
            first, second = await asyncio.gather(line.ask(), line.ask())
        else:
            first, second = await line.ask(), await line.ask()
        await line.tell(first if self.told == "first" else second)


# One of each kind, for whoever has to try all of them.
ALL: tuple[Fault, ...] = (
    Refuse(), Reset(), Reset("request"), Truncate(), Delay(0.05), Delay(0.05, "request"), Status(429), Status(429, "1"),
    Status(500), Status(503), Status(503, worked=True), LoseAnswer(), Duplicate(), Duplicate("second"),
    Duplicate(at_once=True),
)  # fmt: skip

"""Which requests are struck by which fault: rules that are data, and count and draw the same way each time."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tests.faults.faults import Fault


@dataclass(frozen=True, slots=True)
class Upstream:
    """What is behind a door.

    Args:
        service: `storage`, `bigquery` or `function`.
        url: its address.
    """

    service: str
    url: str


@dataclass(slots=True)
class Exchange:
    """One request as the proxies saw it, and what became of it.

    Args:
        door: name of the proxy it came through.
        call: its stable name.
        method, path: as sent, the path with its query.
        fault: what struck it, if anything did.
        answers: statuses that the service itself gave, in order; none where it was not asked or did not answer.
    """

    door: str
    call: str
    method: str
    path: str
    fault: Fault | None = None
    answers: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A fault, and the requests that it strikes.

    Args:
        fault: what happens to them.
        call: glob over the names of calls, such as `bigquery.*`.
        door: glob over the names of proxies; `function_storage` is the function's own way to Cloud Storage.
        method: if given, the only method.
        path: regular expression to be found in the path with its query.
        body: regular expression to be found in the request's body.
        nth: the first match that is struck, from 1.
        times: how many matches are struck from there on; None for all.
        chance: where given, the probability with which each of those is struck.
    """

    fault: Fault
    call: str = "*"
    door: str = "*"
    method: str = ""
    path: str = ""
    body: str = ""
    nth: int = 1
    times: int | None = 1
    chance: float | None = None

    def fits(self, exchange: Exchange, body: bytes) -> bool:
        """Say whether the request is one of those that are counted."""
        return (
            fnmatchcase(exchange.call, self.call)
            and fnmatchcase(exchange.door, self.door)
            and self.method in ("", exchange.method)
            and re.search(self.path, exchange.path) is not None
            and re.search(self.body.encode(), body) is not None
        )


class Script:
    """Rules under way. Of those that strike a request the first one does; all that fit it count it.

    Args:
        rules: in the order in which they are asked.
        seed: of the rules that have a chance; the nth match of a rule is struck or not whatever happens elsewhere.
    """

    def __init__(self, rules: Sequence[Rule] = (), seed: int = 0) -> None:
        self._rules = tuple(rules)
        self._draws = [random.Random(f"{seed}/{number}") for number in range(len(self._rules))]
        self._counts = [0] * len(self._rules)

    @property
    def reads_bodies(self) -> bool:
        """Whether a rule asks what stands in bodies."""
        return any(rule.body for rule in self._rules)

    def strike(self, exchange: Exchange, body: bytes = b"") -> Fault | None:
        """Return the fault that strikes the request, if one does.

        Args:
            exchange: the request.
            body: its body, where a rule asks for it.
        """
        struck = [rule.fault for number, rule in enumerate(self._rules) if self._counted(number, rule, exchange, body)]
        return struck[0] if struck else None

    def _counted(self, number: int, rule: Rule, exchange: Exchange, body: bytes) -> bool:
        if not rule.fits(exchange, body):
            return False
        self._counts[number] += 1
        beyond = self._counts[number] - rule.nth
        if beyond < 0 or (rule.times is not None and beyond >= rule.times):
            return False
        return rule.chance is None or self._draws[number].random() < rule.chance

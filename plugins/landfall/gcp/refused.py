"""Finds the batches whose data the warehouse refuses, so that the others are loaded and only these count as failed."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from landfall.errors import RefusedData, TerminalFailure

if TYPE_CHECKING:
    from include.ledger.plan import PlannedFile

log = logging.getLogger(__name__)

# What a cause names that is another one in each batch: addresses, Parquet files, tables, hashes, places.
_VARYING = re.compile(r"gs://\S+|[\w-]+\.parquet|`[^`]*`|[0-9a-f]{16,}|\d+")

# Each load takes seconds to minutes. What is not told apart by then is left to the next run.
MOST_LOADS = 64
# All together, the first, the last and the rest: alike for many batches, it is not worth while to look further.
_SAMPLED = 4

Loaded = tuple[dict[str, Any], "list[PlannedFile]"]


@dataclass
class Apart:
    """What came of batches that were loaded together as far as possible.

    Args:
        results: what is told of each commit.
        left: files that other runs' commits left open.
        refused: batch number to why its data are refused.
        untried: batches that were refused with others and not tried alone, for that would take too long.
    """

    results: list[dict[str, Any]] = field(default_factory=list)
    left: list[PlannedFile] = field(default_factory=list)
    refused: dict[int, RefusedData] = field(default_factory=dict)
    untried: list[int] = field(default_factory=list)

    @property
    def result(self) -> dict[str, Any]:
        """What is told of all commits."""
        counts = [name for name, value in self.results[0].items() if isinstance(value, int)]
        return {
            "commit": ", ".join(filter(None, (result["commit"] for result in self.results))),
            **{name: sum(result[name] for result in self.results) for name in counts},
        }


def load_apart(load: Callable[[Mapping[int, str]], Loaded], done: Mapping[int, str], mode: str) -> Apart:
    """Load batches together; where their data are refused, in halves, down to the batches whose data these are.

    Args:
        load: loads batches in one transaction.
        done: batch number to manifest.
        mode: of the load. With `replace_partition` nothing is tried apart: sets of one day have to see one another.

    Raises:
        RefusedData: it is the run's: none was loaded and several were refused alike, or must not be tried apart.
        TerminalFailure, TransientFailure: it failed for another reason; earlier parts may be loaded.
    """
    apart, parts, refusals = Apart(), [sorted(done)], list[RefusedData]()
    # Of a key that two batches bring, a merge keeps what came last: it takes them in their order and cannot look ahead.
    sample = mode == "append" and 2 * len(done) > MOST_LOADS
    while parts and len(refusals) + len(apart.results) < MOST_LOADS:
        part = parts.pop(0)
        try:
            result, left = load({number: done[number] for number in part})
        except RefusedData as failure:
            refusals.append(failure)
            if len(part) == 1:
                apart.refused[part[0]] = failure
                continue
            if mode == "replace_partition":
                raise
            if sample and not apart.results and len(refusals) == _SAMPLED and is_common(refusals[1:]):
                raise
            log.warning("batches %s are tried apart: %s", part, failure)
            first = sample and len(refusals) == 1
            parts = [*(_ends_and_rest(part) if first else _halves(part)), *parts]
        else:
            apart.results.append(result)
            apart.left += left
    if not apart.results and is_common(apart.refused.values()):
        raise next(iter(apart.refused.values()))
    apart.untried = sorted(number for part in parts for number in part)
    return apart


def _halves(part: list[int]) -> list[list[int]]:
    middle = len(part) // 2
    return [part[:middle], part[middle:]]


def _ends_and_rest(part: list[int]) -> list[list[int]]:
    return [part[:1], part[-1:], part[1:-1]]


def is_common(refused: Iterable[RefusedData]) -> bool:
    """Whether several loads were refused, all for the same cause, which is then no file's."""
    # The job's name stands before it.
    causes = [_VARYING.sub("…", str(failure).partition(": ")[2]) for failure in refused]
    return len(causes) > 1 and len(set(causes)) == 1


@contextmanager
def of_no_file() -> Iterator[None]:
    """Let what the warehouse refuses be the run's failure: no data of files were brought."""
    try:
        yield
    except RefusedData as failure:
        raise TerminalFailure(str(failure)) from failure

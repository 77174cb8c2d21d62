"""Finds the batches whose data the warehouse refuses, so that the others are loaded and only these count as failed."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from landfall.errors import RefusedData, TerminalFailure

if TYPE_CHECKING:
    from include.ledger.plan import PlannedFile

log = logging.getLogger(__name__)

# What a cause names that is another one in each batch: addresses, Parquet files, tables, hashes, places.
_VARYING = re.compile(r"gs://\S+|[\w-]+\.parquet|`[^`]*`|[0-9a-f]{16,}|\d+")

Loaded = tuple[dict[str, Any], "list[PlannedFile]"]


@dataclass
class Apart:
    """What came of batches that were loaded together as far as possible.

    Args:
        results: what is told of each commit.
        left: files that other runs' commits left open.
        refused: batch number to why its data are refused.
    """

    results: list[dict[str, Any]] = field(default_factory=list)
    left: list[PlannedFile] = field(default_factory=list)
    refused: dict[int, RefusedData] = field(default_factory=dict)

    @property
    def result(self) -> dict[str, Any]:
        """What is told of all commits."""
        counts = [name for name, value in self.results[0].items() if isinstance(value, int)]
        return {
            "commit": ", ".join(filter(None, (result["commit"] for result in self.results))),
            "added": list(dict.fromkeys(name for result in self.results for name in result["added"])),
            **{name: sum(result[name] for result in self.results) for name in counts},
        }


def load_apart(load: Callable[[Mapping[int, str]], Loaded], done: Mapping[int, str], mode: str) -> Apart:
    """Load batches together; where their data are refused, in halves, down to the batches whose data these are.

    Args:
        load: loads batches in one transaction.
        done: batch number to manifest.
        mode: of the load. With `replace_partition` nothing is tried apart: sets of one day have to see one another.

    Raises:
        RefusedData: several batches were refused that must not be tried apart.
        TerminalFailure, TransientFailure: it failed for another reason; earlier parts may be loaded.
    """
    numbers = sorted(done)
    try:
        result, left = load(done)
    except RefusedData as failure:
        if len(numbers) == 1:
            return Apart(refused={numbers[0]: failure})
        if mode == "replace_partition":
            raise
        log.warning("batches %s are tried apart: %s", numbers, failure)
        middle = len(numbers) // 2
        parts = [load_apart(load, {n: done[n] for n in part}, mode) for part in (numbers[:middle], numbers[middle:])]
        return Apart(
            [result for part in parts for result in part.results],
            [file for part in parts for file in part.left],
            {number: refused for part in parts for number, refused in part.refused.items()},
        )
    return Apart([result], left)


def is_common(refused: Mapping[int, RefusedData], batches: int) -> bool:
    """Whether all of several batches were refused for the same cause, which is then none of their files.

    Args:
        batches: how many there were.
    """
    # The job's name stands before it.
    causes = {_VARYING.sub("…", str(failure).partition(": ")[2]) for failure in refused.values()}
    return 1 < batches == len(refused) and len(causes) == 1


@contextmanager
def of_no_file() -> Iterator[None]:
    """Let what the warehouse refuses be the run's failure: no data of files were brought."""
    try:
        yield
    except RefusedData as failure:
        raise TerminalFailure(str(failure)) from failure

"""Chooses where a batch is transformed: by the function, or on Dataflow where its file is too large for one.

What is chosen changes no answer, so it is no part of a batch's identity.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from include.spec.dataset import Dataset

Runner = Literal["function", "dataflow"]


class Sized(Protocol):
    """A file whose size is known before it is read."""

    @property
    def name(self) -> str:
        """What it is called in its bucket."""

    @property
    def size(self) -> int:
        """Bytes as stored."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where a batch is transformed.

    Args:
        reason: why there, in one sentence.
        shards: into how many parts the file is cut, by estimate; 1 where it is read as a whole, or by the function.
    """

    runner: Runner
    reason: str
    shards: int = 1


def is_large(dataset: Dataset, file: Sized) -> bool:
    """Whether a file is above the dataset's `dataflow_above`."""
    return file.size > dataset.pipeline.transform.most_bytes


def choose(dataset: Dataset, files: Sequence[Sized]) -> Chosen:
    """Choose where a batch is transformed, by the sizes, the format and the compression of its files.

    Args:
        dataset: the files' dataset.
        files: those of the batch; a file above `dataflow_above` has neighbours only where they are one set.
    """
    bound = f"dataflow_above ({_spaced(dataset.pipeline.transform.dataflow_above)})"
    large = sum(is_large(dataset, file) for file in files)
    if not large:
        return Chosen("function", f"below {bound}")
    if len(files) > 1:
        reason = f"{large} of {len(files)} files above {bound}, but Dataflow takes one file and a set is one batch"
        return Chosen("function", reason)
    # Only here: what a DAG file imports is to be light, and the engine is not.
    from include.engine.shards import ranges, why_whole

    why = why_whole(dataset, files[0].name)
    if why:
        return Chosen("dataflow", f"above {bound}; read as a whole: {why}")
    shards = len(ranges(files[0].size, length=dataset.pipeline.transform.shard_bytes))
    return Chosen("dataflow", f"above {bound}; cut into about {shards:,} shard{'s' if shards > 1 else ''}", shards)


def _spaced(size: str) -> str:
    return re.sub(r"(?<=\d)\s*(?=[A-Z])", " ", size.upper())

"""Steps that fail before, after or while they write, and are done again by others: nothing is lost or repeated."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from include.dataflow.work import Job, Worker
from include.functions.protocol import PinnedInput
from tests.dataflow.builder import FolderStore, by_steps, job, result
from tests.dataflow.random_files import random_file
from tests.dataflow.test_work import CSV, numbered
from tests.dataflow.through import same

STEPS = frozenset({"scout", "resolve", "read", "hashes", "repeating", "suspects", "losers", "thin", "finish", "whole"})


class LostError(OSError):
    """A worker is gone."""


@dataclass(frozen=True)
class LosingStore(FolderStore):
    """A store whose callers are lost now and then, before or after their call is done."""

    draw: random.Random = field(default_factory=random.Random)
    often: float = 0.1
    given: dict[str, set[bytes]] = field(default_factory=dict)
    """What anybody was told is published, by address."""

    def _maybe(self, do: Callable[[], Any]) -> Any:
        if self.draw.random() < self.often:
            raise LostError("before")
        found = do()
        if self.draw.random() < self.often:
            raise LostError("after")
        return found

    def open(self, pinned: PinnedInput) -> BinaryIO:
        return self._maybe(lambda: super(LosingStore, self).open(pinned))  # type: ignore[no-any-return]

    def write(self, uri: str, source: Path) -> None:
        self._maybe(lambda: super(LosingStore, self).write(uri, source))

    def publish(self, uri: str, content: bytes) -> bytes:
        told: bytes = self._maybe(lambda: super(LosingStore, self).publish(uri, content))
        self.given.setdefault(uri, set()).add(told)
        return told


class Workers:
    """Workers that take up one another's steps: whichever is lost, or thought to be, the next does its step again."""

    def __init__(self, wanted: Job, launcher: Worker, draw: random.Random) -> None:
        self._workers = [Worker(wanted) for _ in range(3)]
        self._launcher, self._draw = launcher, draw
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        if name not in STEPS:
            return getattr(self._launcher, name)

        def step(*arguments: Any) -> Any:
            # What a step is given stays while it is done again.
            kept = [list(found) if isinstance(found, Iterator) else found for found in arguments]
            if self._draw.random() < 0.3:
                self._again(name, kept)
            return self._again(name, kept)

        return step

    def _again(self, name: str, arguments: list[Any]) -> Any:
        while True:
            try:
                found = getattr(self._draw.choice(self._workers), name)(*arguments)
                return list(found) if isinstance(found, Iterator) else found
            except LostError:
                self.lost += 1


def check(wanted: Job, root: Path, draw: random.Random) -> int:
    """Run a job by workers that are lost; returns how many were."""
    launcher = Worker(wanted)
    launcher.whole()
    expected = result(wanted, root)
    FolderStore(root).path(launcher.request.manifest).unlink()
    store = LosingStore(root, draw)
    workers = Workers(replace(wanted, store=store), launcher, draw)
    by_steps(wanted, launcher.ranges(), workers)
    assert all(len(told) == 1 for told in store.given.values())
    same(result(wanted, root), expected)
    return workers.lost


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ["one key", "the last stays", "two keys", "no key"])
def test_workers_that_are_lost_lose_and_repeat_nothing(name: str, seed: int, tmp_path: Path) -> None:
    content = numbered(200)
    wanted = job(CSV[name], content, tmp_path, shard_bytes=len(content) // 6)
    assert check(wanted, tmp_path, random.Random(seed)) > 2


@pytest.mark.long
@pytest.mark.parametrize("number", range(40))
def test_workers_that_are_lost_lose_and_repeat_nothing_of_random_files(number: int, tmp_path: Path) -> None:
    file = random_file(number)
    wanted = job(file.spec, file.content, tmp_path, shard_bytes=file.shard_bytes, **file.pinned)
    check(wanted, tmp_path, random.Random(number))

"""Runs a file's job step by step, without Beam, or as a pipeline, on files of a folder, and reads back what it gave."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from include.dataflow.work import Job, Worker, worker
from include.engine.account import Manifest
from include.engine.keys import key_sets
from include.engine.mask import Secrets
from include.engine.shards import Range
from include.functions.protocol import PinnedInput, PinnedReference
from include.spec.dataset import Dataset
from tests.engine.builder import SECRETS, Result, read_parts


@dataclass(frozen=True)
class FolderStore:
    """Objects as files of a folder, by bucket and name."""

    root: Path

    def __call__(self) -> FolderStore:
        """Return itself: what a job takes along makes its store."""
        return self

    def path(self, uri: str) -> Path:
        return self.root / uri.removeprefix("gs://")

    def check(self, inputs: Sequence[PinnedInput]) -> None:
        assert all(self.path(item.uri).stat().st_size == item.size for item in inputs)

    def open(self, pinned: PinnedInput) -> BinaryIO:
        return self.path(pinned.uri).open("rb")

    def fetch(self, reference: PinnedReference, target: Path) -> None:
        target.write_bytes(self.path(reference.uri).read_bytes())

    def read(self, uri: str) -> bytes | None:
        return self.path(uri).read_bytes() if self.path(uri).exists() else None

    def write(self, uri: str, source: Path) -> None:
        self.path(uri).parent.mkdir(parents=True, exist_ok=True)
        beside = self.path(uri).with_name(f".{uuid.uuid4().hex}")
        try:
            os.link(source, beside)  # nobody writes to a file again that was written
        except OSError:  # another disk
            shutil.copyfile(source, beside)
        os.replace(beside, self.path(uri))

    def publish(self, uri: str, content: bytes) -> bytes:
        self.path(uri).parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.path(uri).open("xb") as file:
                file.write(content)
        except FileExistsError:
            return self.path(uri).read_bytes()
        return content


@dataclass(frozen=True)
class Keys:
    """Keys that need not be fetched."""

    secrets: Secrets

    def __call__(self, _mask: str, _raw: str) -> Secrets:
        return self.secrets


def job(
    spec: Dataset,
    content: bytes,
    root: Path,
    *,
    secrets: Secrets = SECRETS,
    references: Mapping[str, Path] | None = None,
    shard_bytes: int = 64 << 20,
    **input_: Any,
) -> Job:
    """Lay a file down, and return its job.

    Args:
        references: reference files, by the name that the pipeline gives them.
        input_: more of the pinned input.
    """
    pinned = {}
    for number, (name, path) in enumerate(sorted((references or {}).items())):
        laid = root / "references" / str(number)
        laid.parent.mkdir(parents=True, exist_ok=True)
        laid.write_bytes(path.read_bytes())
        pinned[name] = {"uri": f"gs://references/{number}", "generation": 1}
    landed = root / "landing" / "0"
    landed.parent.mkdir(parents=True, exist_ok=True)
    landed.write_bytes(content)
    request = {
        "dataset": spec.to_wire(),
        "batch_id": "batch",
        "attempt": 1,
        "inputs": [{"file_id": "file-0", "uri": "gs://landing/0", "generation": 1, "size": len(content), **input_}],
        "references": pinned,
        "output": "gs://work/things/batch/attempt-1/",
    }
    return Job(json.dumps(request), FolderStore(root), Keys(secrets), shard_bytes=shard_bytes)


def by_steps(wanted: Job, ranges: Sequence[Range], doing: Any = None) -> str:
    """Run a job's steps one after the other; returns why the file was read whole, if it was.

    Args:
        doing: does the steps; none: a worker.
    """
    doing = doing or Worker(wanted)
    if why := doing.why_whole():
        doing.whole()
        return why
    shards = doing.resolve(doing.scout(one) for one in ranges)
    results = {number: doing.read(number, shard) for number, shard in shards}
    lost: dict[int, list[bytes]] = defaultdict(list)
    for suspects in _suspects(doing, results).values():
        for number, rows in doing.losers(suspects):
            lost[number].append(rows)
    doing.finish((number, result, doing.thin(number, result, lost[number])) for number, result in results.items())
    return ""


def _suspects(doing: Any, results: dict[int, Any]) -> dict[int, list[tuple[int, bytes]]]:
    told: dict[tuple[int, int], list[tuple[int, bytes]]] = defaultdict(list)
    if key_sets(doing.dataset):
        for number, result in results.items():
            for place, hashes in doing.hashes(number, result, len(results)):
                told[place].append(hashes)
    asked: dict[int, list[tuple[int, int, bytes]]] = defaultdict(list)
    for (key, range_), hashes_ in told.items():
        for number, repeated in doing.repeating(key, range_, hashes_):
            asked[number].append(repeated)
    groups: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
    for number, repeated_ in asked.items():
        for group, rows in doing.suspects(number, results[number], repeated_, len(results)):
            groups[group].append(rows)
    return groups


def by_beam(wanted: Job, *options: str) -> None:
    """Run a job as a pipeline."""
    from include.dataflow.pipeline import run_pipeline

    run_pipeline(wanted, worker(wanted).why_whole(), options)


def result(wanted: Job, root: Path) -> Result:
    """Read back what a job published."""
    found = FolderStore(root)
    manifest = Manifest.from_json(found.path(Worker(wanted).request.manifest).read_text())
    good = [row for uri in manifest.good for row in read_parts(found.path(uri).parent, [uri.rpartition("/")[2]])]
    bad = [row for uri in manifest.quarantine for row in read_parts(found.path(uri).parent, [uri.rpartition("/")[2]])]
    for row in bad:
        row["reasons"] = json.loads(row["reasons"])
    return Result(manifest, good, bad)

"""Sends what the engine's tests run through the steps of a large file's job as well, and holds the answers together.

`LANDFALL_TEST_THROUGH=shards` takes the steps one after the other in this process, `beam` a pipeline on the direct
runner. A file is cut into five ranges, so that nearly every CSV and NDJSON file is read in parts.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from include.dataflow.work import FAILURE, Worker
from include.engine.mask import Secrets
from include.engine.raw_keys import decrypt_raw
from include.engine.run import Limits
from include.functions.job import discreet
from include.spec.dataset import Dataset
from tests.dataflow.builder import by_beam, by_steps, job, result
from tests.engine.builder import SECRETS, Result

BEAM = ("--runner=DirectRunner", "--direct_running_mode=in_memory")
RANGES = 5
_MANY = {0: "no shard", 1: "1 shard", 2: "2 shards"}
told: Counter[str] = Counter()
"""How many files were read in which way, for the end of the test run."""


def same(found: Result, whole: Result, secrets: Secrets = SECRETS) -> None:
    """Assert that two answers are one; rows are loaded in any order, and only their places are names of their own."""
    assert sorted(found.good, key=_place) == sorted(whole.good, key=_place)
    bad, expected = ([_readable(row, secrets) for row in one.quarantine] for one in (found, whole))
    assert bad == expected
    names = {"good": (), "quarantine": ()}
    assert dataclasses.replace(found.manifest, **names) == dataclasses.replace(whole.manifest, **names)


def through(
    way: str,
    function: Callable[[], Result],
    spec: Dataset,
    content: bytes,
    *,
    secrets: Secrets,
    references: Mapping[str, Path],
    limits: Limits,
    **input_: Any,
) -> Result:
    """Run a file as the function does, and through a large file's job; returns what both gave.

    Args:
        way: ``shards`` or ``beam``.
        function: runs it as the function does.
        spec, content, secrets, references, limits: what is run.
        input_: more of the pinned input.
    """
    try:
        whole = function()
    except Exception as error:
        with tempfile.TemporaryDirectory() as folder, _limited(limits):
            _must_fail(way, error, spec, content, Path(folder), secrets, references, input_)
        raise
    with tempfile.TemporaryDirectory() as folder, _limited(limits):
        found = _large(way, spec, content, Path(folder), secrets, references, input_)
    same(found, whole, secrets)
    # In the order of the file, and under the names of what lies in the test's folder.
    names = {"good": whole.manifest.good, "quarantine": whole.manifest.quarantine}
    manifest = dataclasses.replace(found.manifest, **names)
    return Result(manifest, sorted(found.good, key=_place), found.quarantine)


@contextmanager
def _limited(limits: Limits) -> Iterator[None]:
    """Have the job read with a test's limits, which it takes from nobody."""
    with patch("include.dataflow.work.Limits", lambda: limits), patch("include.engine.run.Limits", lambda: limits):
        yield


def _large(
    way: str,
    spec: Dataset,
    content: bytes,
    root: Path,
    secrets: Secrets,
    references: Mapping[str, Path],
    input_: dict[str, Any],
) -> Result:
    wanted = job(
        spec, content, root, secrets=secrets, references=references,
        shard_bytes=max(1, len(content) // RANGES), **input_,
    )  # fmt: skip
    doing = Worker(wanted)
    if way == "beam":
        by_beam(wanted, *BEAM)
        why = doing.why_whole()
    else:
        assert way == "shards", f"LANDFALL_TEST_THROUGH is shards or beam, not {way}"
        why = by_steps(wanted, doing.ranges())
    shards = len(list(root.glob("work/things/batch/attempt-1/shards/*/result.json")))
    how = "read whole" if why else f"in {_MANY.get(shards, '3 or more shards')}"
    told[f"files of {spec.pipeline.format.type} {how}"] += 1
    return result(wanted, root)


def _must_fail(way: str, error: Exception, *what: Any) -> None:
    """Assert that the job fails as the function did."""
    told["runs that fail"] += 1
    spec, _, root, *_ = what
    with pytest.raises(type(error)) as told_to_all, discreet(spec):
        raise error
    with pytest.raises((type(error), RuntimeError)) as found:
        _large(way, *what)
    if isinstance(found.value, type(error)):
        assert str(found.value) == str(told_to_all.value)
    else:  # Beam's: what it was is told beside the manifest's place
        assert (root / "work/things/batch/attempt-1" / FAILURE).exists()


def _place(row: dict[str, Any]) -> Any:
    return row["_landfall_record"]


def _readable(row: dict[str, Any], secrets: Secrets) -> dict[str, Any]:
    """A quarantined row, its bytes decrypted: encrypted, they are others each time."""
    if not row["key_id"] or row["raw"] is None:
        return row
    assert secrets.raw_key is not None
    return {**row, "raw": decrypt_raw(row["raw"], secrets.raw_key, row["key_id"])}

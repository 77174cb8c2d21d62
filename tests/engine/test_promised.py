"""A file that is not what the manifest of its set promises is held."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest

from include.engine.account import FileAccount
from include.engine.promised import Promised
from include.engine.run import Input, Limits, transform
from tests.engine.builder import column, dataset, lines

TWO = dataset(column("a"), column("b", "integer"))
NDJSON = dataset(column("a"), column("b", "integer"), format={"type": "ndjson"})
GOOD = lines("a,b", *(f"x{n},{n}" for n in range(500)))
PACKED = gzip.compress(GOOD, mtime=0)


def account(spec: Any, tmp_path: Path, data: bytes, **promised: Any) -> FileAccount:
    item = Input("f", "gs://b/f", lambda: io.BytesIO(data), len(data), promised=Promised("_MANIFEST.json", **promised))
    return transform(spec, [item], tmp_path, limits=Limits(block=1024)).files[0]


def sums(data: bytes) -> dict[str, str]:
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    return {"sha256": hashlib.sha256(data).hexdigest(), "md5": md5}


@pytest.mark.parametrize("data", [GOOD, PACKED])
def test_a_file_as_promised_is_loaded_its_bytes_counted_as_stored(tmp_path: Path, data: bytes) -> None:
    found = account(TWO, tmp_path, data, records=500, **sums(data))
    assert (found.state, found.loaded) == ("accepted", 500)


@pytest.mark.parametrize("data", [GOOD, PACKED])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"sha256": "0" * 64}, "_MANIFEST.json says sha256 000"),
        ({"md5": base64.b64encode(bytes(16)).decode()}, "_MANIFEST.json says md5 AAAA"),
        ({"records": 499}, "_MANIFEST.json says records 499, found 500"),
    ],
)
def test_a_file_that_is_not_as_promised_is_held(tmp_path: Path, data: bytes, wrong: dict[str, Any], says: str) -> None:
    found = account(TWO, tmp_path, data, **{**sums(data), "records": 500, **wrong})
    assert (found.state, found.loaded, found.quarantined) == ("held", 0, 500)
    assert found.reason is not None
    assert found.reason.code == "manifest_mismatch"
    assert says in found.reason.message


def test_records_count_whatever_becomes_of_them(tmp_path: Path) -> None:
    data = lines('{"a": "x", "b": 1}', '{"a": "x", "b": "no number"}', "{")
    found = account(NDJSON, tmp_path, data, records=3)
    assert (found.state, found.records, found.loaded) == ("accepted", 3, 1)


def test_what_is_wrong_with_a_file_itself_is_said_before_its_manifest(tmp_path: Path) -> None:
    found = account(TWO, tmp_path, b"nonsense\n", records=9)
    assert found.reason is not None
    assert found.reason.code == "missing_column"

"""A zip archive with exactly one file is read; any other is held, and says why."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from include.engine.run import Limits
from tests.engine.builder import column, dataset, lines, run

TWO = dataset(column("a"), column("b", "integer"))
GOOD = lines("a,b", "x,1", "y,2")
LONG = lines("a,b", *(f"x{n * 7919 % 1000},{n}" for n in range(5000)))


def packed(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def encrypted(data: bytes) -> bytes:
    """Set the flag that says so, in the member and in the directory."""
    changed = bytearray(data)
    changed[6] |= 1
    changed[changed.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_the_one_file_of_an_archive_is_read(tmp_path: Path, method: int) -> None:
    result = run(TWO, tmp_path, packed(("folder/", b""), ("folder/a.csv", GOOD), method=method))
    assert (result.file.state, result.values("a")) == ("accepted", ["x", "y"])


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (packed(), "zip_members", "0 files"),
        (packed(("a.csv", GOOD), ("b.csv", GOOD)), "zip_members", "2 files"),
        (packed(*((f"{n}.csv", b"") for n in range(1001))), "zip_members", "more than 1,000"),
        (packed(("[Content_Types].xml", b"<a/>"), ("xl/a.xml", b"<a/>")), "wrong_format", "Excel"),
        (packed(("../a.csv", GOOD)), "unsafe_zip", ".."),
        (packed(("a/..\\..\\a.csv", GOOD)), "unsafe_zip", ".."),
        (packed(("/etc/a.csv", GOOD)), "unsafe_zip", "root"),
        (packed(("C:\\a.csv", GOOD)), "unsafe_zip", "root"),
        (encrypted(packed(("a.csv", GOOD))), "encrypted_zip", "password"),
        (packed(("a.zip", packed(("a.csv", GOOD)))), "wrong_format", "a zip archive inside another"),
        (packed(("a.csv.gz", gzip.compress(GOOD))), "wrong_format", "gzip-compressed once more"),
        (packed(("a.csv", LONG))[:-30], "truncated_zip", "cut off"),
        (packed(("a.csv", b""))[:40], "truncated_zip", "cut off"),
        (packed(("a.csv", b"")), "empty_file", "no bytes"),
    ],
)
def test_any_other_archive_is_held_with_a_reason(tmp_path: Path, data: bytes, code: str, says: str) -> None:
    result = run(TWO, tmp_path, data, GOOD)
    assert (result.code, result.file.loaded, result.manifest.files[1].loaded) == (code, 0, 2)
    assert result.file.reason is not None
    assert says in result.file.reason.message


def test_a_damaged_archive_is_held_whichever_byte_it_is(tmp_path: Path) -> None:
    data = packed(("a.csv", LONG))
    inside = len(data) // 2
    changed = data[:inside] + bytes([data[inside] ^ 0xFF]) + data[inside + 1 :]
    result = run(TWO, tmp_path, changed, block=1000)
    assert (result.code, result.good) == ("corrupt_zip", [])
    assert result.file.records == result.file.quarantined


def test_a_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    bomb = packed(("a.csv", b"a,b\n" + b"x,1\n" * 1_000_000))
    result = run(TWO, tmp_path, bomb, limits=Limits(block=1 << 16, inflated=100_000))
    assert result.code == "too_large"
    assert result.file.bytes < 1_000_000


def test_a_zip_said_or_denied_by_the_pipeline_is_checked(tmp_path: Path) -> None:
    for said, data in (
        ("zip", GOOD),
        ("none", packed(("a.csv", GOOD))),
        ("zstd", GOOD),
        ("bzip2", gzip.compress(GOOD)),
    ):
        spec = dataset(column("a"), column("b", "integer"), format={"type": "csv", "compression": said})
        assert run(spec, tmp_path, data).code == "wrong_format"

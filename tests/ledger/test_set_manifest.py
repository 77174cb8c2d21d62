"""What a set's manifest may say, and what is told of one that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.ledger.landing import Landed
from include.ledger.set_manifest import MAX_BYTES, BrokenManifest, read_manifest

PLACE = Landed("landing", "sets/1/_MANIFEST.json", 1, 1, "")
MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def read(*files: dict[str, Any], place: Landed = PLACE) -> Any:
    return read_manifest(json.dumps({"files": files}).encode(), place)


def test_files_are_named_by_their_place_in_the_bucket() -> None:
    assert set(read({"name": "a.csv"}, {"name": "b.csv"})) == {"sets/1/a.csv", "sets/1/b.csv"}
    assert set(read({"name": "a.csv"}, place=Landed("b", "_MANIFEST.json", 1, 1, ""))) == {"a.csv"}


def test_checksums_are_taken_in_either_notation() -> None:
    found = read({"name": "a", "md5": MD5, "crc32c": "00000001"}, {"name": "b", "md5": "1B2M2Y8AsgTpgAmY7PhCfg=="})
    assert found["sets/1/a"].md5 == found["sets/1/b"].md5 == "1B2M2Y8AsgTpgAmY7PhCfg=="
    assert found["sets/1/a"].crc32c == "AAAAAQ=="


def test_what_redshift_writes_is_taken() -> None:
    entry = {"url": "gs://landing/sets/1/a.csv", "mandatory": True, "meta": {"content_length": 5, "record_count": 2}}
    content = {"entries": [entry], "schema": {}, "meta": {}, "author": {}}
    (listed,) = read_manifest(json.dumps(content).encode(), PLACE).values()
    assert (listed.name, listed.size, listed.records) == ("a.csv", 5, 2)


BROKEN = {
    b"": "EOF",
    b"nope": "expected",
    b"\xff\xfe": "expected",
    b"[]": "must be an object",
    b"{}": "`files`",
    b'{"files": [], "entries": []}': "`files`",
    b'{"files": []}': "at least 1",
    b'{"files": {}}': "files: ",
    b'{"files": [{}]}': "files.0.name",
    b'{"files": [{"name": ""}]}': "files.0.name",
    b'{"files": [{"name": "../a.csv"}]}': "without a path",
    b'{"files": [{"name": "/etc/passwd"}]}': "without a path",
    b'{"files": [{"name": "sub/a.csv"}]}': "without a path",
    b'{"files": [{"name": ".."}]}': "without a path",
    b'{"files": [{"name": "a\\u0000b"}]}': "printable",
    b'{"files": [{"name": "a", "size": "5"}]}': "files.0.size",
    b'{"files": [{"name": "a", "size": -1}]}': "files.0.size",
    b'{"files": [{"name": "a", "rows": 5}]}': "known are name, size",
    b'{"files": [{"name": "a", "md5": "abc"}]}': "16 bytes",
    b'{"files": [{"name": "a", "crc32c": "zz"}]}': "4 bytes",
    b'{"files": [{"name": "a", "sha256": "abc"}]}': "files.0.sha256",
    b'{"files": [{"name": "a"}, {"name": "a"}]}': "twice",
    b'{"files": [{"name": "_MANIFEST.json"}]}': "itself",
    b'{"files": [{"name": "a"}], "total": 1}': "total",
    b'{"entries": [{"url": "gs://landing/sets/2/a.csv"}]}': "gs://landing/sets/1/",
    b'{"entries": [{"url": "gs://landing/sets/1/../a.csv"}]}': "without a path",
    b'{"entries": [{"url": "gs://elsewhere/sets/1/a.csv"}]}': "gs://landing/sets/1/",
    b"[" * 100_000: "recursion",
    b" " * (MAX_BYTES + 1): "more than",
}


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_manifest_says_what_is_wrong_with_it(content: bytes) -> None:
    with pytest.raises(BrokenManifest) as caught:
        read_manifest(content, PLACE)
    said = str(caught.value).replace("Input should be an object", "must be an object")
    assert BROKEN[content] in said
    assert len(said) < 400


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["files", "entries", "name", "url", "size", "md5", "meta"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(json_like)
def test_whatever_a_manifest_holds_no_file_is_outside_its_folder(content: Any) -> None:
    try:
        found = read_manifest(json.dumps(content).encode(), PLACE)
    except BrokenManifest:
        return
    assert all(name.startswith("sets/1/") and name.count("/") == 2 for name in found)

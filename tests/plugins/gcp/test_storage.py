"""Objects of the storage emulator through the provider's hook."""

from __future__ import annotations

import uuid

import pytest

from landfall.gcp.storage import Storage, split_uri

BUCKET = "landfall-landing"


@pytest.fixture
def storage(in_cloud: object) -> Storage:
    return Storage("google_cloud_default")


@pytest.fixture
def folder() -> str:
    return uuid.uuid4().hex


def test_what_is_written_is_read(storage: Storage, folder: str) -> None:
    generation = storage.write(f"gs://{BUCKET}/{folder}/a.json", b"{}")
    assert storage.read(f"gs://{BUCKET}/{folder}/a.json") == b"{}"
    assert storage.generation(f"gs://{BUCKET}/{folder}/a.json") == generation
    assert storage.generation(f"gs://{BUCKET}/{folder}/none") is None


GLOBS = [("*.csv", ["a.csv"]), ("**", ["a.csv", "b/c.csv"]), ("*/*.csv", ["b/c.csv"])]


@pytest.mark.parametrize(("glob", "found"), GLOBS)
def test_a_glob_is_matched(storage: Storage, folder: str, glob: str, found: list[str]) -> None:
    for name in ("a.csv", "b/c.csv"):
        storage.write(f"gs://{BUCKET}/{folder}/{name}", b"x", "text/csv")
    names = [item.name.removeprefix(f"{folder}/") for item in storage.find(BUCKET, f"{folder}/{glob}")]
    assert sorted(names) == found


def test_a_listing_pins_generation_size_and_checksum(storage: Storage, folder: str) -> None:
    generation = storage.write(f"gs://{BUCKET}/{folder}/a.csv", b"abc", "text/csv")
    (item,) = storage.find(BUCKET, f"{folder}/*")
    assert (item.generation, item.size, bool(item.checksum)) == (generation, 3, True)


def test_a_move_takes_the_generation_that_was_loaded(storage: Storage, folder: str) -> None:
    source, target = f"gs://{BUCKET}/{folder}/a.csv", f"gs://landfall-archive/{folder}/a.csv"
    generation = storage.write(source, b"abc", "text/csv")
    assert storage.move(source, generation, target)
    assert storage.generation(source) is None
    assert storage.read(target) == b"abc"


def test_a_newer_generation_is_left_where_it_is(storage: Storage, folder: str) -> None:
    source, target = f"gs://{BUCKET}/{folder}/a.csv", f"gs://landfall-archive/{folder}/a.csv"
    old = storage.write(source, b"old", "text/csv")
    storage.write(source, b"new", "text/csv")
    assert not storage.move(source, old, target)
    assert storage.read(source) == b"new"
    assert storage.generation(target) is None


def test_a_move_is_done_once_however_often_it_is_tried(storage: Storage, folder: str) -> None:
    source, target = f"gs://{BUCKET}/{folder}/a.csv", f"gs://landfall-archive/{folder}/a.csv"
    generation = storage.write(source, b"abc", "text/csv")
    assert [storage.move(source, generation, target) for _ in range(2)] == [True, False]
    assert storage.read(target) == b"abc"


@pytest.mark.parametrize("uri", ["gs://bucket", "gs:///name", "s3://bucket/name", "bucket/name", ""])
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        split_uri(uri)

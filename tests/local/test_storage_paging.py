"""The storage emulator lists in pages, as Cloud Storage does, told through the real client."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, NotFound  # noqa: TID253 - what is tested
from google.cloud.storage import Bucket  # noqa: TID253

NAMES = ("a", "a-b", "a/1", "a/2", "a/b/1", "ab/1", "b", "b/ä", "c.csv", "c/d.csv", "c/e.txt", "é")


@pytest.fixture
def filled(bucket: Bucket) -> Bucket:
    # An object is a file here, and a folder of its name cannot be beside it.
    for name in NAMES:
        if name not in ("a", "b"):
            bucket.blob(name).upload_from_string(b"")
    return bucket


def listed(bucket: Bucket, **options: Any) -> tuple[list[str], list[str], list[int]]:
    """Names, prefixes, and how many objects each page had."""
    pages = bucket.list_blobs(**options)
    names, sizes = [], []
    for page in pages.pages:
        found = [blob.name for blob in page]
        names += found
        sizes.append(len(found))
    return names, sorted(pages.prefixes), sizes


def test_pages_have_the_size_asked_for_and_miss_nothing(filled: Bucket) -> None:
    names, _, sizes = listed(filled, page_size=3)
    assert (names, sizes) == (sorted(set(NAMES) - {"a", "b"}), [3, 3, 3, 1])


def test_as_many_come_as_were_asked_for_in_all(filled: Bucket) -> None:
    assert [blob.name for blob in filled.list_blobs(max_results=4, page_size=3)] == ["a-b", "a/1", "a/2", "a/b/1"]


def test_a_page_that_just_holds_all_is_the_last(filled: Bucket) -> None:
    assert listed(filled, prefix="a/", page_size=3) == (["a/1", "a/2", "a/b/1"], [], [3])


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_prefixes_are_part_of_the_pages_and_come_once(filled: Bucket, size: int) -> None:
    names, prefixes, sizes = listed(filled, delimiter="/", page_size=size)
    assert (names, prefixes) == (["a-b", "c.csv", "é"], ["a/", "ab/", "b/", "c/"])
    assert max(sizes) <= size


@pytest.mark.parametrize("size", [1, 2, 100])
def test_offsets_go_together_with_prefix_and_pages(filled: Bucket, size: int) -> None:
    names, _, _ = listed(filled, prefix="a", start_offset="a/2", end_offset="ab/1", page_size=size)
    assert names == ["a/2", "a/b/1"]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_glob_goes_together_with_pages(filled: Bucket, size: int) -> None:
    assert listed(filled, match_glob="**.csv", page_size=size)[0] == ["c.csv", "c/d.csv"]
    assert listed(filled, match_glob="c/*.csv", prefix="c/", page_size=size)[0] == ["c/d.csv"]
    assert listed(filled, match_glob="*", delimiter="/", page_size=size)[0] == ["a-b", "c.csv", "é"]
    assert listed(filled, match_glob="a*/", delimiter="/", page_size=size)[:2] == ([], ["a/", "ab/"])


def test_a_glob_has_no_delimiter_but_the_slash(filled: Bucket) -> None:
    with pytest.raises(BadRequest, match="only supported delimiter"):
        list(filled.list_blobs(match_glob="*", delimiter="-"))


def test_a_page_has_at_most_a_thousand(bucket: Bucket) -> None:
    for number in range(1003):
        bucket.blob(f"{number:04}").upload_from_string(b"")
    names, _, sizes = listed(bucket, page_size=5000)
    assert (names, sizes) == ([f"{number:04}" for number in range(1003)], [1000, 3])
    assert sum(1 for _ in bucket.list_blobs()) == 1003


def test_what_comes_and_goes_between_two_pages_disturbs_no_other(filled: Bucket) -> None:
    pages = filled.list_blobs(page_size=2).pages
    first = [blob.name for blob in next(pages)]
    filled.blob(first[-1]).delete()
    filled.blob("a-0").upload_from_string(b"")
    rest = [blob.name for page in pages for blob in page]
    assert first + rest == sorted(set(NAMES) - {"a", "b"})


def test_a_token_that_nobody_gave_is_a_bad_request(filled: Bucket) -> None:
    with pytest.raises(BadRequest, match="pageToken"):
        list(filled.list_blobs(page_token="*"))


def test_a_bucket_that_is_not_there_is_not_found(bucket: Bucket) -> None:
    with pytest.raises(NotFound, match="bucket does not exist"):
        list(bucket.client.list_blobs("no-such-bucket"))

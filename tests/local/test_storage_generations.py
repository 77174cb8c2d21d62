"""The storage emulator answers preconditions and generations as Cloud Storage does, told through the real client."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

import pytest
from google.api_core.exceptions import (  # noqa: TID253 - what is tested
    BadRequest,
    GoogleAPICallError,
    NotFound,
    NotModified,
    PreconditionFailed,
)
from google.cloud import storage  # noqa: TID253

from local.cloud import Cloud

Blob, Bucket = storage.Blob, storage.Bucket
OLD = 1


def put(bucket: Bucket, name: str = "a", content: bytes = b"one") -> Blob:
    blob = bucket.blob(name)
    blob.upload_from_string(content)
    return blob


def upload_in_one_request(blob: Blob, **conditions: int) -> None:
    blob.upload_from_string(b"two", **conditions)


def upload_resumably(blob: Blob, **conditions: int) -> None:
    blob.upload_from_file(BytesIO(b"two"), **conditions)  # of unknown size


def rewrite(blob: Blob, **conditions: int) -> None:
    blob.rewrite(put(blob.bucket, "source"), **conditions)


def copy(blob: Blob, **conditions: int) -> None:
    blob.bucket.copy_blob(put(blob.bucket, "source"), blob.bucket, blob.name, **conditions)


def compose(blob: Blob, **conditions: int) -> None:
    blob.compose([put(blob.bucket, "source")], **conditions)


WRITES = (upload_in_one_request, upload_resumably, rewrite, copy, compose)
READS = (Blob.reload, Blob.download_as_bytes)


def patch(blob: Blob, **conditions: int) -> None:
    blob.metadata = {"k": "v"}
    blob.patch(**conditions)


CHANGES = (patch, Blob.delete)
Call = Callable[..., object]


@pytest.mark.parametrize("write", WRITES)
def test_a_write_asking_for_no_object_is_done_once(bucket: Bucket, write: Call) -> None:
    blob = bucket.blob("a")
    write(blob, if_generation_match=0)
    with pytest.raises(PreconditionFailed, match="pre-conditions"):
        write(blob, if_generation_match=0)


@pytest.mark.parametrize("write", WRITES)
def test_a_write_asking_for_the_generation_there_replaces_it(bucket: Bucket, write: Call) -> None:
    first = put(bucket).generation
    write(bucket.blob("a"), if_generation_match=first)
    assert bucket.get_blob("a").generation > first
    with pytest.raises(PreconditionFailed):
        write(bucket.blob("a"), if_generation_match=first)


@pytest.mark.parametrize("write", WRITES)
def test_a_write_asking_for_a_generation_finds_no_object_and_is_refused(bucket: Bucket, write: Call) -> None:
    with pytest.raises(PreconditionFailed):
        write(bucket.blob("a"), if_generation_match=OLD)
    assert bucket.get_blob("a") is None


@pytest.mark.parametrize("call", [*READS, *CHANGES])
def test_a_call_for_the_generation_there_is_answered(bucket: Bucket, call: Call) -> None:
    blob = put(bucket)
    call(bucket.blob("a"), if_generation_match=blob.generation, if_metageneration_match=1)


@pytest.mark.parametrize("call", [*READS, *CHANGES])
@pytest.mark.parametrize("condition", ["if_generation_match", "if_metageneration_match"])
def test_a_call_for_another_generation_is_refused_and_does_nothing(bucket: Bucket, call: Call, condition: str) -> None:
    generation = put(bucket).generation
    with pytest.raises(PreconditionFailed):
        call(bucket.blob("a"), **{condition: 7})
    there = bucket.get_blob("a")
    assert (there.generation, there.metageneration, there.metadata) == (generation, 1, None)


@pytest.mark.parametrize("call", [*READS, *CHANGES])
def test_a_call_for_any_but_the_generation_there_is_answered_with_not_modified(bucket: Bucket, call: Call) -> None:
    blob = put(bucket)
    call(bucket.blob("a"), if_generation_not_match=OLD)
    blob = put(bucket)
    with pytest.raises(NotModified):
        call(bucket.blob("a"), if_generation_not_match=blob.generation)


@pytest.mark.parametrize("call", [*READS, *CHANGES])
def test_an_overwritten_generation_is_not_found(bucket: Bucket, call: Call) -> None:
    first, second = put(bucket).generation, put(bucket, content=b"two").generation
    with pytest.raises(NotFound, match="No such object"):
        call(bucket.blob("a", generation=first))
    assert bucket.blob("a", generation=second).download_as_bytes() == b"two"


@pytest.mark.parametrize("call", [*READS, *CHANGES])
def test_a_deleted_generation_is_not_found(bucket: Bucket, call: Call) -> None:
    blob = put(bucket)
    blob.delete()
    with pytest.raises(NotFound):
        call(bucket.blob("a", generation=blob.generation))


@pytest.mark.parametrize("call", [*READS, *CHANGES])
def test_a_call_for_a_generation_of_no_object_is_not_found(bucket: Bucket, call: Call) -> None:
    with pytest.raises(NotFound):
        call(bucket.blob("a"), if_generation_match=OLD)


def test_a_change_of_what_is_known_makes_a_metageneration_and_no_generation(bucket: Bucket) -> None:
    blob = put(bucket)
    generation = blob.generation
    patch(blob, if_metageneration_match=1)
    assert (blob.generation, blob.metageneration) == (generation, 2)


@pytest.mark.parametrize("call", [Blob.rewrite, None])
def test_a_copy_is_of_the_generation_asked_for_or_not_made(bucket: Bucket, call: Call | None) -> None:
    first, source = put(bucket).generation, put(bucket, content=b"two")

    def copy(**given: int) -> None:
        if call is None:
            bucket.copy_blob(source, bucket, "target", **given)
        else:
            bucket.blob("target").rewrite(source, **given)

    with pytest.raises(PreconditionFailed):
        copy(if_source_generation_match=first)
    with pytest.raises(NotModified):
        copy(if_source_generation_not_match=source.generation)
    assert bucket.get_blob("target") is None
    copy(if_source_generation_match=source.generation)
    assert bucket.get_blob("target").download_as_bytes() == b"two"


def test_a_copy_by_generation_finds_only_the_one_there(bucket: Bucket) -> None:
    first, second = put(bucket), put(bucket, content=b"two")
    with pytest.raises(NotFound):
        bucket.copy_blob(first, bucket, "target", source_generation=first.generation)
    bucket.copy_blob(first, bucket, "target", source_generation=second.generation)
    assert bucket.blob("target").download_as_bytes() == b"two"


def test_a_composition_takes_its_parts_in_their_generations(bucket: Bucket) -> None:
    parts, target = [put(bucket, "p1"), put(bucket, "p2", b"two")], bucket.blob("whole")
    with pytest.raises(PreconditionFailed):
        target.compose(parts, if_source_generation_match=[parts[0].generation, OLD])
    target.compose(parts, if_source_generation_match=[part.generation for part in parts])
    assert target.download_as_bytes() == b"onetwo"


def test_generations_grow_over_deletion_and_restart(bucket: Bucket, storage_cloud: Cloud) -> None:
    seen = [put(bucket).generation, put(bucket).generation]
    bucket.blob("a").delete()
    seen.append(put(bucket).generation)
    storage_cloud.down()
    storage_cloud.up(["storage"])
    assert bucket.get_blob("a").generation == seen[-1]
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").upload_from_string(b"", if_generation_match=0)
    seen.append(put(bucket).generation)
    assert seen == sorted(set(seen))


def test_generations_grow_where_the_clock_was_set_back(bucket: Bucket, storage_cloud: Cloud) -> None:
    # As if the generation given last came from a clock that was ahead.
    ahead = put(bucket).generation + 10**15
    storage_cloud.down()
    with sqlite3.connect(storage_cloud.state / "storage" / "objects.db") as known:
        known.execute("UPDATE kept SET content = ? WHERE kind = 'generation'", [str(ahead)])
    known.close()
    storage_cloud.up(["storage"])
    assert put(bucket, "b").generation == ahead + 1


@pytest.mark.parametrize("write", [upload_in_one_request, upload_resumably])
def test_of_writers_at_once_exactly_one_makes_the_object(bucket: Bucket, write: Call) -> None:
    def attempt(number: int) -> str:
        blob = storage.Client().bucket(bucket.name).blob("a")
        try:
            write(blob, if_generation_match=0)
        except PreconditionFailed:
            return "lost"
        return f"won with {blob.generation}"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(attempt, range(24)))
    won = [result for result in results if result != "lost"]
    assert won == [f"won with {bucket.get_blob('a').generation}"]


def test_of_updaters_at_once_none_is_lost(bucket: Bucket) -> None:
    put(bucket, content=b"0")

    def count(_: int) -> None:
        own = storage.Client().bucket(bucket.name)
        while True:
            blob = own.get_blob("a")
            try:
                found = int(blob.download_as_bytes(if_generation_match=blob.generation))
                blob.upload_from_string(str(found + 1), if_generation_match=blob.generation)
            except (NotFound, PreconditionFailed):  # what the client found, it reads by generation
                continue
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(20)))
    assert bucket.blob("a").download_as_bytes() == b"20"


def test_requests_of_a_batch_have_conditions_of_their_own(bucket: Bucket) -> None:
    kept, deleted = put(bucket, "kept"), put(bucket, "deleted")
    client = bucket.client
    with client.batch(raise_exception=False) as batch:
        bucket.blob("kept").delete(if_generation_match=OLD)
        bucket.blob("deleted").delete(if_generation_match=deleted.generation)
    assert [answer.status_code for answer in batch._responses] == [412, 204]
    assert [blob.generation for blob in bucket.list_blobs()] == [kept.generation]
    with client.batch(raise_exception=False):
        patched = bucket.blob("kept")
        patched.metadata = {"k": "ä\n"}
        patched.patch()
    assert bucket.get_blob("kept").metadata == {"k": "ä\n"}


def test_a_restored_object_has_a_new_generation(bucket: Bucket) -> None:
    blob = put(bucket)
    blob.delete()
    restored = bucket.restore_blob("a", generation=blob.generation, if_generation_match=0)
    assert restored.generation > blob.generation
    assert bucket.blob("a").download_as_bytes() == b"one"


def test_a_download_says_which_generation_it_is_of(bucket: Bucket) -> None:
    blob = put(bucket)
    with urlopen(blob.media_link) as answer:
        assert answer.headers["X-Goog-Generation"] == str(blob.generation)


@pytest.mark.parametrize("name", ["a b?c&d=e#f%25+ä", "folder/a/o/b", "a/rewriteTo/b/c/o/d"])
def test_an_object_is_found_under_any_name(bucket: Bucket, name: str) -> None:
    blob = put(bucket, name)
    with urlopen(bucket.get_blob(name).media_link) as answer:
        assert answer.read() == b"one"
    bucket.blob("copy").rewrite(blob, if_source_generation_match=blob.generation)
    assert sorted(found.name for found in bucket.list_blobs()) == sorted(["copy", name])


def test_links_lead_to_where_the_request_was_sent(bucket: Bucket, storage_cloud: Cloud) -> None:
    assert put(bucket).media_link.startswith(storage_cloud.url("storage"))
    elsewhere = storage_cloud.url("storage").replace("127.0.0.1", "localhost")
    own = storage.Client(project="p", client_options={"api_endpoint": elsewhere}).bucket(bucket.name)
    links = [own.get_blob("a").media_link, *(blob.media_link for blob in own.list_blobs())]
    copied = own.blob("copy")
    copied.rewrite(own.blob("a"))
    assert {link.split("/download")[0] for link in [*links, copied.media_link]} == {elsewhere}


def test_refusals_are_told_in_json(bucket: Bucket) -> None:
    put(bucket)
    with pytest.raises(PreconditionFailed) as refused:
        bucket.blob("a").reload(if_generation_match=OLD)
    with pytest.raises(NotFound) as gone:
        bucket.blob("none").reload()
    with pytest.raises(NotFound) as nowhere:
        list(bucket.client.list_blobs("no-such-bucket"))

    def told(error: pytest.ExceptionInfo[GoogleAPICallError]) -> tuple[int, str]:
        content = json.loads(error.value.response.content)["error"]
        return content["code"], content["errors"][0]["reason"]

    assert [told(error) for error in (refused, gone, nowhere)] == [
        (412, "conditionNotMet"),
        (404, "notFound"),
        (404, "notFound"),
    ]


def test_a_generation_that_is_no_number_is_a_bad_request(bucket: Bucket) -> None:
    with pytest.raises(BadRequest, match="no whole number"):
        bucket.client._connection.api_request(method="GET", path=f"{bucket.path}/o/a", query_params={"generation": "x"})


def test_a_name_that_cannot_be_a_file_is_refused_for_good(bucket: Bucket) -> None:
    put(bucket, "folder/file")
    with pytest.raises(GoogleAPICallError, match="keeps objects as files"):
        put(bucket, "folder")
    assert [blob.name for blob in bucket.list_blobs()] == ["folder/file"]


def test_a_folder_of_the_bare_emulator_goes_on_being_of_use(tmp_path: Path) -> None:
    buckets = tmp_path / "storage" / "buckets"
    (buckets / "b").mkdir(parents=True)
    (buckets / "b" / "a").write_bytes(b"old")
    known = {"name": "a", "bucket": "b", "generation": "5", "metageneration": "2", "size": "3", "contentType": None}
    known |= {"crc32c": "", "md5Hash": ""}
    content = {"buckets": {"b": {"name": "b"}}, "objects": {"b": {"a": known}}}
    (buckets / ".meta").write_text(json.dumps(content))
    cloud = Cloud(tmp_path)
    cloud.up(["storage"])
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STORAGE_EMULATOR_HOST", cloud.url("storage"))
            blob = storage.Client().bucket("b").get_blob("a")
            assert (blob.generation, blob.download_as_bytes(checksum=None)) == (5, b"old")
    finally:
        cloud.down()

"""Uploads to the storage emulator: in one request, in chunks, cut off, sent twice; told through the real client."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from google.api_core.exceptions import BadRequest, Conflict, PreconditionFailed  # noqa: TID253 - what is tested
from google.cloud.storage import Blob, Bucket  # noqa: TID253

from local.cloud import Cloud

CHUNK = 256 << 10
CONTENT = random.Random(4).randbytes(3 * CHUNK + 17)


def session(blob: Blob, **conditions: Any) -> str:
    url: str = blob.create_resumable_upload_session(content_type="text/csv", **conditions)
    return url


def send(url: str, start: int, end: int, total: int | str = len(CONTENT)) -> requests.Response:
    span = f"bytes {start}-{end - 1}/{total}" if end > start else f"bytes */{total}"
    return requests.put(url, data=CONTENT[start:end], headers={"Content-Range": span}, allow_redirects=False)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\r", b"a\r\n\r\n", bytes(range(256)) * 50, b"--==0==--\r\n", CONTENT]
)
def test_bytes_come_back_as_they_were_put(bucket: Bucket, content: bytes) -> None:
    bucket.blob("once").upload_from_string(content)
    bucket.blob("chunks", chunk_size=CHUNK).upload_from_file(BytesIO(content))
    assert [bucket.blob(name).download_as_bytes() for name in ("once", "chunks")] == [content, content]


def test_a_large_upload_in_chunks_is_whole(bucket: Bucket) -> None:
    content = os.urandom(1 << 20) * 48
    blob = bucket.blob("large", chunk_size=8 << 20)
    blob.upload_from_string(content, if_generation_match=0)
    assert blob.download_as_bytes(checksum="crc32c") == content
    assert (blob.size, blob.metageneration) == (len(content), 1)


def test_the_conditions_of_a_session_are_checked_when_it_begins(bucket: Bucket) -> None:
    bucket.blob("a").upload_from_string(b"")
    with pytest.raises(PreconditionFailed):
        session(bucket.blob("a"), if_generation_match=0)


def test_the_conditions_of_a_session_are_checked_again_when_it_ends(bucket: Bucket) -> None:
    first, second = (session(bucket.blob("a"), if_generation_match=0) for _ in range(2))
    assert send(first, 0, CHUNK).status_code == 308
    assert send(second, 0, len(CONTENT)).status_code == 200
    refused = send(first, CHUNK, len(CONTENT))
    assert (refused.status_code, refused.json()["error"]["errors"][0]["reason"]) == (412, "conditionNotMet")
    assert bucket.blob("a").download_as_bytes() == CONTENT


def test_the_generation_is_that_of_the_end_of_an_upload(bucket: Bucket) -> None:
    url = session(bucket.blob("a"))
    bucket.blob("a").upload_from_string(b"meanwhile")
    meanwhile = bucket.get_blob("a").generation
    assert int(send(url, 0, len(CONTENT)).json()["generation"]) > meanwhile


def test_a_session_says_how_far_it_is(bucket: Bucket) -> None:
    url = session(bucket.blob("a"))
    nothing = send(url, 0, 0)
    assert (nothing.status_code, nothing.headers.get("Range")) == (308, None)
    send(url, 0, CHUNK)
    assert send(url, 0, 0).headers["Range"] == f"bytes=0-{CHUNK - 1}"


def test_a_chunk_that_is_sent_twice_counts_once(bucket: Bucket) -> None:
    url = session(bucket.blob("a"))
    for start, end in [(0, CHUNK), (0, CHUNK), (0, 2 * CHUNK), (CHUNK, 2 * CHUNK)]:
        assert send(url, start, end).status_code == 308
    assert send(url, 2 * CHUNK, len(CONTENT)).status_code == 200
    assert bucket.blob("a").download_as_bytes() == CONTENT


def test_a_chunk_that_leaves_a_gap_is_refused(bucket: Bucket) -> None:
    assert send(session(bucket.blob("a")), CHUNK, 2 * CHUNK).status_code == 400


def test_an_end_that_is_sent_again_gets_the_same_answer(bucket: Bucket, storage_cloud: Cloud) -> None:
    url = session(bucket.blob("a"), if_generation_match=0)
    generation = send(url, 0, len(CONTENT)).json()["generation"]
    assert send(url, 0, len(CONTENT)).json()["generation"] == generation
    assert send(url, 0, 0).json()["generation"] == generation
    storage_cloud.down()
    storage_cloud.up(["storage"])
    assert send(url, 0, 0).json()["generation"] == generation
    assert bucket.get_blob("a").generation == int(generation)


def test_an_upload_goes_on_after_a_restart(bucket: Bucket, storage_cloud: Cloud) -> None:
    url = session(bucket.blob("a"))
    send(url, 0, CHUNK)
    storage_cloud.down()
    storage_cloud.up(["storage"])
    assert send(url, CHUNK, len(CONTENT)).status_code == 200
    assert bucket.blob("a").download_as_bytes() == CONTENT


@pytest.mark.parametrize("cut", [0, 1, 400])
def test_a_request_that_is_cut_off_writes_nothing(bucket: Bucket, storage_cloud: Cloud, cut: int) -> None:
    where = urlsplit(storage_cloud.url("storage"))
    connection = http.client.HTTPConnection(where.hostname, where.port)
    connection.putrequest("POST", f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=a")
    connection.putheader("Content-Length", "500")
    connection.endheaders(b"x" * cut)
    connection.close()
    assert bucket.get_blob("a") is None


def test_a_client_that_stalls_keeps_nobody_waiting(bucket: Bucket, storage_cloud: Cloud) -> None:
    where = urlsplit(storage_cloud.url("storage"))
    stalling = http.client.HTTPConnection(where.hostname, where.port)
    stalling.putrequest("POST", f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=a")
    stalling.putheader("Content-Length", "500")
    stalling.endheaders(b"x")
    bucket.blob("b").upload_from_string(b"", timeout=30, retry=None)
    stalling.close()


def test_a_wrong_checksum_is_refused_and_writes_nothing(bucket: Bucket) -> None:
    blob = bucket.blob("a")
    blob.md5_hash = "AAAAAAAAAAAAAAAAAAAAAA=="
    with pytest.raises((BadRequest, Conflict)):
        blob.upload_from_string(b"one", checksum=None)
    assert bucket.get_blob("a") is None


def test_uploads_beside_one_another_do_not_mix(bucket: Bucket) -> None:
    contents = [random.Random(seed).randbytes(CHUNK * 2 + seed) for seed in range(8)]

    def put(number: int) -> None:
        bucket.blob(f"{number}", chunk_size=CHUNK).upload_from_file(BytesIO(contents[number]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(8)))
    assert [bucket.blob(f"{number}").download_as_bytes() for number in range(8)] == contents


def test_what_was_answered_outlives_a_kill(bucket: Bucket, storage_cloud: Cloud) -> None:
    answered: dict[str, int] = {}

    def put_until_killed(number: int) -> None:
        for count in range(10_000):
            blob = bucket.blob(f"{number}/{count}")
            try:
                blob.upload_from_string(blob.name, retry=None, timeout=30)
            except requests.RequestException:
                return
            answered[blob.name] = blob.generation

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(put_until_killed, number) for number in range(4)]
        while len(answered) < 50:
            time.sleep(0.01)
        os.kill(json.loads(storage_cloud.record.read_text())["services"]["storage"]["pid"], signal.SIGKILL)
        for writer in writers:
            writer.result()
    storage_cloud.up(["storage"])
    there = {blob.name: blob.generation for blob in bucket.list_blobs()}
    assert {name: there.get(name) for name in answered} == answered
    assert all(bucket.blob(name).download_as_text() == name for name in there)

"""Each fault as a real client sees it in front of the real service, and nothing where no rule strikes."""

from __future__ import annotations

import gzip
import io
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import requests
from google.api_core.exceptions import (  # noqa: TID253 - what is tested
    Conflict,
    InternalServerError,
    NotFound,
    PreconditionFailed,
    ServiceUnavailable,
    TooManyRequests,
)
from google.auth.credentials import AnonymousCredentials  # noqa: TID253
from google.cloud import bigquery, storage  # noqa: TID253

from include.functions.protocol import ErrorResponse
from local.services import PROJECT
from tests.faults import faults
from tests.faults.cloud import FaultyCloud
from tests.faults.faults import Delay, Duplicate, LoseAnswer, Refuse, Reset, Status, Truncate
from tests.faults.proxy import Proxies
from tests.faults.script import Rule
from tests.functions.conftest import GOOD, Bench, lines

CONTENT = bytes(range(256)) * 2000
BROKEN = requests.ConnectionError
NO_RETRY: dict[str, Any] = {"retry": None, "timeout": 30}


@pytest.fixture
def bucket(proxies: Proxies) -> storage.Bucket:
    """A bucket, through the proxies; nothing of that is in their log."""
    made = storage.Client(project=PROJECT).create_bucket(f"test-{uuid4()}")
    proxies.play()
    return made


@pytest.fixture
def direct(bucket: storage.Bucket, behind_proxies: FaultyCloud) -> storage.Bucket:
    """The same bucket, past the proxies."""
    client = storage.Client(project=PROJECT, client_options={"api_endpoint": behind_proxies.cloud.url("storage")})
    return client.bucket(bucket.name)


@pytest.fixture
def warehouse(proxies: Proxies) -> bigquery.Client:
    client = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials())
    client.create_dataset("faults", exists_ok=True)
    proxies.play()
    return client


@pytest.fixture
def bench(proxies: Proxies) -> Bench:
    return Bench(storage.Client(project=PROJECT), proxies.url("function"))


def start(warehouse: bigquery.Client, sql: str = "SELECT 1", job_id: str | None = None) -> str:
    """Begin a job as our own code does, without the client's help."""
    config = {"query": {"query": sql, "useLegacySql": False}}
    reference = {"projectId": PROJECT, "jobId": job_id or f"job-{uuid4()}"}
    body = {"configuration": config, "jobReference": reference}
    warehouse._connection.api_request("POST", f"/projects/{PROJECT}/jobs", data=body, timeout=60)
    return reference["jobId"]


def told(proxies: Proxies) -> list[tuple[str, list[int]]]:
    return [(exchange.call, exchange.answers) for exchange in proxies.log]


# ---- where no rule strikes


def test_objects_pass_unchanged(proxies: Proxies, bucket: storage.Bucket, direct: storage.Bucket) -> None:
    name = "a folder/ä ?&#%25+.csv"
    blob = bucket.blob(name, chunk_size=256 << 10)
    blob.metadata = {"k": "ü"}
    blob.upload_from_file(io.BytesIO(CONTENT), if_generation_match=0)
    assert direct.blob(name).download_as_bytes() == CONTENT
    found = bucket.get_blob(name)
    assert (found.download_as_bytes(), found.metadata) == (CONTENT, {"k": "ü"})
    assert [blob.name for blob in bucket.list_blobs(prefix="a folder/", page_size=1)] == [name]
    bucket.copy_blob(found, bucket, "copy", source_generation=found.generation)
    with bucket.client.batch():
        bucket.blob("copy").delete()
    with pytest.raises(NotFound, match="No such object"):
        bucket.blob("copy").reload()
    assert Counter(exchange.call for exchange in proxies.log) == {
        "storage.begin_upload": 1, "storage.upload_chunk": 2, "storage.get": 2, "storage.get_media": 1,
        "storage.list": 1, "storage.copy": 1, "storage.batch": 1,
    }  # fmt: skip


def test_a_compressed_body_passes_as_it_is(bucket: storage.Bucket, direct: storage.Bucket) -> None:
    blob = bucket.blob("a.csv.gz")
    blob.content_encoding = "gzip"
    blob.upload_from_string(gzip.compress(b"one"))
    assert direct.blob("a.csv.gz").download_as_bytes(raw_download=True) == gzip.compress(b"one")
    assert gzip.decompress(bucket.blob("a.csv.gz").download_as_bytes(raw_download=True)) == b"one"


def test_jobs_pass_unchanged(proxies: Proxies, warehouse: bigquery.Client) -> None:
    job_id = f"job-{uuid4()}"
    rows = warehouse.query("SELECT n FROM UNNEST([1, 2]) AS n ORDER BY n", job_id=job_id, job_retry=None).result()
    assert [row.n for row in rows] == [1, 2]
    with pytest.raises(Conflict):
        start(warehouse, job_id=job_id)
    assert {exchange.call for exchange in proxies.log} >= {"bigquery.insert_job", "bigquery.query_results"}
    assert not [exchange for exchange in proxies.log if exchange.call.endswith(".other")]


def test_a_batch_passes_and_the_function_reads_storage_through_its_own_door(proxies: Proxies, bench: Bench) -> None:
    request = bench.batch(lines(GOOD))
    proxies.play()
    answer = requests.post(proxies.url("function"), json=request, timeout=60)
    assert (answer.status_code, answer.json()["loaded"]) == (200, 1)
    calls = {(exchange.door, exchange.call) for exchange in proxies.log}
    assert ("function", "function.transform") in calls
    assert {call for door, call in calls if door == "function_storage"} >= {"storage.get_media", "storage.insert"}
    assert {door for door, _ in calls} == {"function", "function_storage"}


def test_what_a_service_refuses_is_told_as_it_says_it(proxies: Proxies, bucket: storage.Bucket) -> None:
    answer = requests.post(proxies.url("function"), data=b"{", headers={"Content-Type": "application/json"}, timeout=60)
    assert ErrorResponse.model_validate_json(answer.content).error.retryable is False
    with pytest.raises(PreconditionFailed):
        bucket.blob("none").upload_from_string(b"", if_generation_match=7)


def test_the_way_through_is_not_much_longer(bucket: storage.Bucket, direct: storage.Bucket) -> None:
    def best(of: storage.Bucket) -> float:
        def once() -> float:
            begun = time.perf_counter()
            for _ in range(10):
                of.blob("a").upload_from_string(b"x")
            return time.perf_counter() - begun

        return min(once() for _ in range(8))

    assert best(bucket) < 8 * best(direct)


# ---- each fault


@pytest.mark.parametrize("fault", [Refuse(), Reset("request")])
def test_what_the_service_does_not_hear_it_does_not_do(
    proxies: Proxies, bucket: storage.Bucket, direct: storage.Bucket, fault: faults.Fault
) -> None:
    proxies.play(Rule(fault=fault, call="storage.insert"))
    with pytest.raises(BROKEN):
        bucket.blob("a").upload_from_string(CONTENT, **NO_RETRY)
    assert direct.get_blob("a") is None
    assert told(proxies) == [("storage.insert", [])]
    bucket.blob("a").upload_from_string(CONTENT, **NO_RETRY)
    assert direct.blob("a").download_as_bytes() == CONTENT


@pytest.mark.parametrize("fault", [Reset("request"), Reset("request", 0.0)])
def test_a_job_that_is_heard_in_part_is_not_begun(
    proxies: Proxies, warehouse: bigquery.Client, fault: faults.Fault
) -> None:
    job_id = f"job-{uuid4()}"
    proxies.play(Rule(fault=fault, call="bigquery.insert_job"))
    with pytest.raises(BROKEN):
        start(warehouse, job_id=job_id)
    with pytest.raises(NotFound):
        warehouse.get_job(job_id)


@pytest.mark.parametrize("fault", [Reset(), Reset(share=0.0), Truncate(), Truncate(0.99)])
def test_a_download_that_breaks_off_is_noticed(proxies: Proxies, bucket: storage.Bucket, fault: faults.Fault) -> None:
    bucket.blob("a").upload_from_string(CONTENT)
    proxies.play(Rule(fault=fault, call="storage.get_media"))
    with pytest.raises((BROKEN, requests.exceptions.ChunkedEncodingError)):
        bucket.blob("a").download_as_bytes(**NO_RETRY)
    assert told(proxies) == [("storage.get_media", [200])]


def test_a_truncated_answer_still_says_how_long_it_was_to_be(proxies: Proxies, bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(CONTENT)
    proxies.play(Rule(fault=Truncate(0.25), call="storage.get_media"))
    url = f"{proxies.url('storage')}/download/storage/v1/b/{bucket.name}/o/a?alt=media"
    with requests.get(url, stream=True, timeout=30) as answer:
        assert int(answer.headers["Content-Length"]) == len(CONTENT)
        assert answer.raw.read(len(CONTENT) // 4) == CONTENT[: len(CONTENT) // 4]


def test_a_client_goes_on_where_its_download_broke_off(proxies: Proxies, bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(CONTENT)
    generation = bucket.get_blob("a").generation
    proxies.play(Rule(fault=Reset(), call="storage.get_media"))
    assert bucket.blob("a").download_as_bytes(timeout=30) == CONTENT
    first, second = proxies.log
    assert (first.answers, second.answers) == ([200], [206])
    assert f"generation={generation}" in second.path


@pytest.mark.parametrize("of", ["answer", "request"])
def test_a_late_answer_is_missed_and_the_work_is_done(
    proxies: Proxies, bucket: storage.Bucket, direct: storage.Bucket, of: Any
) -> None:
    proxies.play(Rule(fault=Delay(3.0, of), call="storage.insert"))
    with pytest.raises(requests.Timeout):
        bucket.blob("a").upload_from_string(CONTENT, retry=None, timeout=0.3)
    if of == "request":
        assert told(proxies) == [("storage.insert", [])]
    proxies.settle()
    assert told(proxies) == [("storage.insert", [200])]
    assert direct.blob("a").download_as_bytes() == CONTENT


def test_a_patient_client_gets_a_late_answer(proxies: Proxies, warehouse: bigquery.Client) -> None:
    proxies.play(Rule(fault=Delay(0.2), call="bigquery.*", times=None))
    assert [row.n for row in warehouse.query_and_wait("SELECT 7 AS n")] == [7]
    assert proxies.injected() == proxies.log


@pytest.mark.parametrize(
    ("code", "error"), [(429, TooManyRequests), (500, InternalServerError), (503, ServiceUnavailable)]
)
def test_an_error_is_told_in_googles_words(
    proxies: Proxies, bucket: storage.Bucket, warehouse: bigquery.Client, code: int, error: type[Exception]
) -> None:
    proxies.play(Rule(fault=Status(code, retry_after="7"), times=None))
    with pytest.raises(error) as caught:
        bucket.blob("a").upload_from_string(b"", **NO_RETRY)
    assert caught.value.response.headers["Retry-After"] == "7"  # type: ignore[attr-defined]
    with pytest.raises(error) as told_by_bigquery:
        start(warehouse)
    assert told_by_bigquery.value.errors[0]["reason"] in ("rateLimitExceeded", "internalError", "backendError")  # type: ignore[attr-defined]
    assert [exchange.answers for exchange in proxies.log] == [[], []]


def test_an_error_can_have_a_reason_and_no_hint(proxies: Proxies, warehouse: bigquery.Client) -> None:
    from google.api_core.exceptions import Forbidden

    proxies.play(Rule(fault=Status(403, reason="quotaExceeded")))
    with pytest.raises(Forbidden) as caught:
        start(warehouse)
    assert caught.value.errors[0]["reason"] == "quotaExceeded"
    assert "Retry-After" not in caught.value.response.headers


def test_in_front_of_the_function_the_platform_answers(proxies: Proxies) -> None:
    proxies.play(Rule(fault=Status(429, retry_after="1")))
    answer = requests.get(proxies.url("function"), timeout=30)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


@pytest.mark.parametrize("fault", [LoseAnswer(), Status(503, worked=True)])
def test_an_answer_is_lost_after_the_work_was_done(
    proxies: Proxies, bucket: storage.Bucket, direct: storage.Bucket, fault: faults.Fault
) -> None:
    proxies.play(Rule(fault=fault, call="storage.insert"))
    with pytest.raises((BROKEN, ServiceUnavailable)):
        bucket.blob("a").upload_from_string(CONTENT, if_generation_match=0, **NO_RETRY)
    assert direct.blob("a").download_as_bytes() == CONTENT
    assert told(proxies) == [("storage.insert", [200])]


def test_a_job_is_there_whose_beginning_nobody_was_told(proxies: Proxies, warehouse: bigquery.Client) -> None:
    job_id = f"job-{uuid4()}"
    proxies.play(Rule(fault=LoseAnswer(), call="bigquery.insert_job"))
    with pytest.raises(BROKEN):
        start(warehouse, "CREATE OR REPLACE TABLE faults.lost AS SELECT 1 AS n", job_id)
    assert warehouse.get_job(job_id).result() is not None
    with pytest.raises(Conflict):
        start(warehouse, job_id=job_id)


def test_a_batch_is_transformed_whose_answer_was_lost(proxies: Proxies, bench: Bench) -> None:
    request = bench.batch(lines(GOOD))
    proxies.play(Rule(fault=LoseAnswer(), call="function.transform"))
    with pytest.raises(BROKEN):
        requests.post(bench.url, json=request, timeout=60)
    assert "manifest.json" in bench.names(request["output"])
    assert requests.post(bench.url, json=request, timeout=60).json()["loaded"] == 1


@pytest.mark.parametrize(("which", "error"), [("first", None), ("second", PreconditionFailed)])
def test_a_request_arrives_twice(
    proxies: Proxies, bucket: storage.Bucket, which: Any, error: type[Exception] | None
) -> None:
    proxies.play(Rule(fault=Duplicate(which), call="storage.insert"))
    if error is None:
        bucket.blob("a").upload_from_string(CONTENT, if_generation_match=0, **NO_RETRY)
    else:
        with pytest.raises(error):
            bucket.blob("a").upload_from_string(CONTENT, if_generation_match=0, **NO_RETRY)
    assert told(proxies) == [("storage.insert", [200, 412])]


def test_a_request_arrives_twice_at_once(proxies: Proxies, bucket: storage.Bucket) -> None:
    proxies.play(Rule(fault=Duplicate(at_once=True), call="storage.insert"))
    try:
        bucket.blob("a").upload_from_string(CONTENT, if_generation_match=0, **NO_RETRY)
    except PreconditionFailed:  # the other one won
        bucket.blob("a").reload()
    (struck,) = proxies.injected()
    assert sorted(struck.answers) == [200, 412]


def test_a_batch_that_arrives_twice_at_once_is_published_once(proxies: Proxies, bench: Bench) -> None:
    request = bench.batch(lines(GOOD))
    proxies.play(Rule(fault=Duplicate(at_once=True), call="function.transform"))
    answer = requests.post(bench.url, json=request, timeout=60)
    (struck,) = proxies.injected()
    assert (answer.json()["loaded"], struck.answers) == (1, [200, 200])
    assert requests.post(bench.url, json=request, timeout=60).json() == answer.json()


def test_a_job_that_arrives_twice_is_begun_once(proxies: Proxies, warehouse: bigquery.Client) -> None:
    proxies.play(Rule(fault=Duplicate("second"), call="bigquery.insert_job"))
    with pytest.raises(Conflict):
        start(warehouse)
    assert told(proxies) == [("bigquery.insert_job", [200, 409])]


@pytest.mark.parametrize("fault", faults.ALL, ids=repr)
@pytest.mark.parametrize("call", ["begin_upload", "upload_chunk"])
def test_a_resumable_upload_survives_each_fault(
    proxies: Proxies, bucket: storage.Bucket, direct: storage.Bucket, fault: faults.Fault, call: str
) -> None:
    # The second of three chunks: something is there, and something is still to come.
    proxies.play(Rule(fault=fault, call=f"storage.{call}", nth=2 if call == "upload_chunk" else 1))
    bucket.blob("a", chunk_size=256 << 10).upload_from_file(io.BytesIO(CONTENT + CONTENT), timeout=30)
    assert direct.blob("a").download_as_bytes() == CONTENT + CONTENT
    assert len(proxies.injected()) == 1


def test_a_forked_child_does_not_keep_a_connection_from_being_reset(proxies: Proxies, bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(b"")  # leaves a connection open
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    try:
        proxies.play(Rule(fault=Refuse(), call="storage.get"))
        with pytest.raises(BROKEN):
            bucket.blob("a").reload(retry=None, timeout=20)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# ---- what is down, and what is behind the doors


def test_a_service_that_is_down_refuses_connections_and_comes_back(proxies: Proxies, bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(b"")
    with proxies.down("storage"):
        with pytest.raises(BROKEN, match="refused"):
            bucket.blob("a").reload(**NO_RETRY)
        requests.get(proxies.url("function"), timeout=30).raise_for_status()
    bucket.blob("a").reload(**NO_RETRY)


def test_a_service_that_dies_is_seen_to_be_gone(behind_proxies: FaultyCloud, bucket: storage.Bucket) -> None:
    behind_proxies.cloud.down(["storage"])
    try:
        with pytest.raises(BROKEN):
            bucket.reload(**NO_RETRY)
    finally:
        behind_proxies.cloud.up(["storage"])
    bucket.reload(**NO_RETRY)


def test_the_same_seed_strikes_the_same_requests(proxies: Proxies, bucket: storage.Bucket) -> None:
    rules = [
        Rule(fault=Refuse(), call="storage.insert", times=None, chance=0.3),
        Rule(fault=LoseAnswer(), call="storage.get", times=None, chance=0.3),
    ]

    def history(seed: int, attempt: Callable[[], Any]) -> list[tuple[str, Any]]:
        proxies.play(*rules, seed=seed)
        for _ in range(15):
            attempt()
        return [(exchange.call, exchange.fault) for exchange in proxies.log]

    def attempt() -> None:
        for call in (bucket.blob("a").upload_from_string, bucket.blob("a").reload):
            try:
                call(**({"data": b""} if call.__name__ == "upload_from_string" else {}), **NO_RETRY)
            except (BROKEN, NotFound):
                continue

    assert history(1, attempt) == history(1, attempt) != history(2, attempt)

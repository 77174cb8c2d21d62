"""The transform function over HTTP, under functions-framework, on the embedded cloud's storage."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.engine.account import Manifest
from include.engine.version import ENGINE_VERSION
from include.functions.gcp import main
from tests.functions.conftest import GOOD, Bench, lines, pinned, sample

Post = Callable[..., Any]


def test_a_get_says_which_version_runs(bench: Bench) -> None:
    import requests

    answer = requests.get(bench.url, timeout=30)
    assert answer.status_code == 200
    assert answer.json()["engine_version"] == ENGINE_VERSION
    assert set(answer.json()["keys"]) == {"mask", "raw"}


@pytest.mark.parametrize(("key", "value"), [("engine", "0"), ("keys", {"mask": "00000000"}), ("keys", {"raw": "0"})])
def test_a_batch_that_was_named_for_other_keys_or_another_engine_is_refused(
    bench: Bench, post: Post, key: str, value: Any
) -> None:
    import requests

    said = requests.get(bench.url, timeout=30).json()
    planned = {"engine": said["engine_version"], "keys": said["keys"]}
    request = bench.batch(lines(GOOD))
    answer = post(request | planned | {key: value})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "redeployed")
    assert answer.json()["error"]["retryable"] is False
    assert post(request | planned).status_code == 200


def test_a_batch_becomes_parquet_parts_and_a_manifest_that_names_them(bench: Bench, post: Post) -> None:
    import pyarrow.parquet as pq

    # Eight good records, one bad one, and one that the second file brings again.
    records = [GOOD.replace("ABC-1", f"ABC-{number}") for number in range(8)]
    request = bench.batch(lines(*records, GOOD.replace(";5;", ";many;")), lines(GOOD))
    answer = post(request, headers={"Idempotency-Key": f"{request['batch_id']}-1"})
    assert answer.status_code == 200, answer.text
    manifest = Manifest.from_json(bench.content(answer.json()["manifest"]))
    assert answer.json() == {
        "manifest": request["output"] + "manifest.json",
        "records": 10, "loaded": 8, "filtered": 0, "duplicates": 1, "quarantined": 1, "held": 0, "files": 2,
    }  # fmt: skip
    assert (manifest.records, manifest.loaded, manifest.quarantined) == (10, 8, 1)
    assert all(uri.startswith(request["output"]) for uri in (*manifest.good, *manifest.quarantine))
    rows = [pq.read_table(io.BytesIO(bench.content(uri))).num_rows for uri in manifest.good]
    assert sum(rows) == manifest.loaded
    listed = [uri.removeprefix(request["output"]) for uri in (*manifest.good, *manifest.quarantine)]
    assert bench.names(request["output"]) == sorted([*listed, "manifest.json"])


def test_the_same_try_sent_again_returns_what_it_published_and_does_no_work(bench: Bench, post: Post) -> None:
    request = bench.batch(lines(GOOD))
    first = post(request)
    written = {
        b.name: b.generation
        for b in bench.client.list_blobs("landfall-work", prefix=f"inventory/{request['batch_id']}/")
    }
    # Without its input, the work could not be done again.
    bench.client.bucket("landfall-landing").blob(f"inventory/{request['batch_id']}/0.csv").delete()
    second = post(request)
    assert (second.status_code, second.json()) == (200, first.json())
    again = {
        b.name: b.generation
        for b in bench.client.list_blobs("landfall-work", prefix=f"inventory/{request['batch_id']}/")
    }
    assert again == written


def test_a_further_try_writes_below_a_path_of_its_own(bench: Bench, post: Post) -> None:
    request = bench.batch(lines(GOOD))
    first = post(request).json()
    second = post(request | {"attempt": 2, "output": request["output"].replace("attempt-1", "attempt-2")}).json()
    assert first["manifest"] != second["manifest"]
    assert {k: v for k, v in first.items() if k != "manifest"} == {k: v for k, v in second.items() if k != "manifest"}


def test_an_input_in_another_version_is_refused_and_nothing_is_written(bench: Bench, post: Post) -> None:
    request = bench.batch(lines(GOOD), lines(GOOD))
    bench.put("landfall-landing", f"inventory/{request['batch_id']}/1.csv", lines(GOOD, GOOD))
    answer = post(request)
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert (error["code"], error["retryable"]) == ("input_changed", False)
    assert error["where"] == request["inputs"][1]["uri"]
    assert bench.names(request["output"]) == []


@pytest.mark.parametrize(("key", "value"), [("size", 1), ("crc32c", "AAAAAA==")])
def test_an_input_with_other_bytes_than_planned_is_refused(bench: Bench, post: Post, key: str, value: Any) -> None:
    request = bench.batch(lines(GOOD))
    request["inputs"][0][key] = value
    answer = post(request)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "input_changed")


def test_an_input_that_is_gone_is_told_from_one_that_changed(bench: Bench, post: Post) -> None:
    request = bench.batch(lines(GOOD))
    bench.client.bucket("landfall-landing").blob(f"inventory/{request['batch_id']}/0.csv").delete()
    answer = post(request)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (410, "input_missing", False)


def test_bytes_are_read_as_stored_even_where_the_store_would_unpack_them(bench: Bench, post: Post) -> None:
    request = bench.batch(lines(GOOD))
    name = f"inventory/{request['batch_id']}/packed.csv.gz"
    blob = bench.put("landfall-landing", name, gzip.compress(lines(GOOD)), content_encoding="gzip")
    answer = post(request | {"inputs": [pinned(blob, "file0")]})
    assert (answer.status_code, answer.json()["loaded"]) == (200, 1)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"output": "gs://landfall-archive/x/{id}/attempt-1/"}, "output"),
        ({"inputs": [{"file_id": "f", "uri": "gs://somebody-else/x.csv", "generation": 1, "size": 1}]}, "inputs.0.uri"),
        ({"references": {"reference/c.csv": {"uri": "gs://somebody-else/c", "generation": 1}}}, "references.reference/c.csv.uri"),  # noqa: E501
    ],
)  # fmt: skip
def test_no_bucket_but_the_deployments_own_is_touched(
    bench: Bench, post: Post, change: dict[str, Any], where: str
) -> None:
    request = bench.batch(lines(GOOD))
    request |= json.loads(json.dumps(change).replace("{id}", request["batch_id"]))
    answer = post(request)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["where"]) == (400, "bad_request", where)


def test_what_is_no_request_is_told_what_is_wrong_with_it(bench: Bench, post: Post) -> None:
    request = bench.batch(lines(GOOD))
    answer = post(request | {"attempt": "alice@example.com"})
    assert answer.status_code == 400
    assert answer.json()["error"]["where"] == "attempt"
    assert "alice" not in answer.text
    assert post(None, data="{").json()["error"]["code"] == "bad_request"
    assert post(request, headers={"Idempotency-Key": "another"}).json()["error"]["where"] == "Idempotency-Key"


def test_a_body_beyond_the_limit_is_refused_unread(post: Post) -> None:
    answer = post(None, data=b" " * 8_000_001)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_other_methods_are_refused(bench: Bench) -> None:
    import requests

    assert requests.put(bench.url, timeout=30).status_code == 405


def test_a_dataset_that_cannot_be_run_is_terminal(bench: Bench, post: Post) -> None:
    request = bench.batch(lines(GOOD))
    request["dataset"]["pipeline"]["derive"] = {"stock_value": "RAND()"}
    answer = post(request)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (422, "bad_dataset", False)
    assert "RAND answers differently each time" in error["message"]


def test_values_of_masked_columns_appear_neither_in_the_answer_nor_in_the_log(
    bench: Bench, post: Post, in_cloud: Any
) -> None:
    reference = (Path(__file__).resolve().parents[3] / "include/datasets/orders/reference/customers.csv").read_bytes()
    blob = bench.put("landfall-work", "reference/customers", reference)
    header = ",".join(column.name for column in sample("orders").source_columns)
    records = [
        "1,2024-01-01T00:00:00Z,C00001,alice@secret.example,ABC-0001,1,9.99,new,,",
        "2,nonsense,,bob at secret.example",
    ]
    request = bench.batch("\n".join((header, *records, "")).encode(), dataset="orders")
    request["references"] = {
        "reference/customers.csv": {"uri": f"gs://landfall-work/{blob.name}", "generation": blob.generation}
    }
    answer = post(request)
    assert answer.status_code == 200, answer.text
    assert answer.json()["records"] == 2
    assert "secret.example" not in answer.text
    assert "secret.example" not in in_cloud.log("function").read_text()
    manifest = Manifest.from_json(bench.content(answer.json()["manifest"]))
    assert all(b"secret.example" not in bench.content(uri) for uri in (*manifest.good, *manifest.quarantine))


def test_the_log_says_in_json_when_a_batch_begins_and_ends(bench: Bench, post: Post, in_cloud: Any) -> None:
    request = bench.batch(lines(GOOD))
    post(request)
    logged = [json.loads(line) for line in in_cloud.log("function").read_text().splitlines() if line.startswith("{")]
    mine = [line for line in logged if line.get("batch_id") == request["batch_id"]]
    assert [(line["message"], line["severity"]) for line in mine] == [
        ("transform began", "INFO"),
        ("transform ended", "INFO"),
    ]
    assert (mine[1]["status"], mine[1]["loaded"], mine[1]["dataset"], mine[1]["attempt"]) == (200, 1, "inventory", 1)


class Request:
    """A request as functions-framework would hand it over, for what only shows from inside the process."""

    method = "POST"
    content_length = None

    def __init__(self, body: dict[str, Any]) -> None:
        self.headers = {"X-Cloud-Trace-Context": "abc/1;o=1"}
        self.stream = io.BytesIO(json.dumps(body).encode())


@pytest.mark.parametrize("broken", [False, True])
def test_nothing_temporary_is_left_behind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: bool
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    main.objects.cache_clear()
    request = bench.batch(lines(GOOD))
    if broken:
        request["inputs"][0]["generation"] += 1
    answer, status = main.transform(Request(request))
    assert status == (409 if broken else 200), answer
    assert list(tmp_path.iterdir()) == []


def test_an_unforeseen_exception_is_told_and_logged_without_its_message(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("could not convert alice@example.com")

    monkeypatch.setattr("include.functions.job.run_job", fail)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    answer, status = main.transform(Request(bench.batch(lines(GOOD))))
    assert status == 500
    assert answer["error"] == {
        "code": "internal", "retryable": True, "where": "",
        "message": "ValueError in the transform function; its log has the place",
    }  # fmt: skip
    logged = capsys.readouterr().out
    assert "alice" not in logged
    assert "test_main.py" in logged
    assert json.loads(logged.splitlines()[0])["logging.googleapis.com/trace"] == "projects/p/traces/abc"


def test_an_instance_is_up_before_the_engine_and_the_storage_client_are_imported() -> None:
    heavy = ("duckdb", "pyarrow", "numpy", "sqlglot", "google.cloud.storage", "pydantic")
    code = f"import sys, include.functions.gcp.main; sys.exit(','.join(m for m in {heavy} if m in sys.modules) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True)

"""The embedded cloud starts, is found again, stops, and is what the real client libraries expect."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest, Conflict  # noqa: TID253 - what is tested
from google.auth.credentials import AnonymousCredentials  # noqa: TID253
from google.cloud import bigquery, storage  # noqa: TID253

from local import processes, services
from local.cloud import Cloud, CloudError
from local.paths import FUNCTION_SOURCE, ROOT
from tests.local.conftest import EMULATORS


@contextmanager
def environment(cloud: Cloud) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.environ().items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def buckets(own_cloud: Cloud) -> Iterator[storage.Client]:
    with environment(own_cloud):
        yield storage.Client(project=services.PROJECT)


@pytest.fixture(scope="module")
def warehouse(own_cloud: Cloud) -> Iterator[bigquery.Client]:
    with environment(own_cloud):
        client = bigquery.Client(project=services.PROJECT, credentials=AnonymousCredentials())
        client.create_dataset("shop", exists_ok=True)
        yield client


def pids(cloud: Cloud) -> dict[str, int]:
    record = json.loads(cloud.record.read_text())
    return {name: entry["pid"] for name, entry in record["services"].items()}


def parquet(numbers: list[int]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"n": pa.array(numbers, pa.int64())}), buffer)
    return buffer.getvalue()


def numbers(warehouse: bigquery.Client, table: str) -> list[int]:
    return [row.n for row in warehouse.query_and_wait(f"SELECT n FROM {table} ORDER BY n")]


def test_a_second_up_finds_everything_running_and_starts_nothing(own_cloud: Cloud) -> None:
    before = pids(own_cloud)
    assert own_cloud.up(EMULATORS) == []
    assert pids(own_cloud) == before


def test_a_service_that_died_is_started_again_on_its_old_port(own_cloud: Cloud) -> None:
    address, record = own_cloud.url("storage"), json.loads(own_cloud.record.read_text())
    entry = record["services"]["storage"]
    processes.stop_group(entry["pid"], entry["identity"])
    assert own_cloud.status()["storage"] == "stopped"
    assert own_cloud.up(EMULATORS) == ["storage"]
    assert own_cloud.url("storage") == address


def test_the_buckets_of_the_project_are_there(buckets: storage.Client) -> None:
    assert {bucket.name for bucket in buckets.list_buckets()} == set(services.BUCKETS.values())


def test_an_object_comes_back_as_it_was_put(buckets: storage.Client) -> None:
    blob = buckets.bucket("landfall-landing").blob("a folder/ä file.csv")
    blob.upload_from_string(b"id\n1\n")
    assert blob.download_as_bytes() == b"id\n1\n"


def test_parquet_of_several_named_objects_is_loaded(buckets: storage.Client, warehouse: bigquery.Client) -> None:
    bucket = buckets.bucket("landfall-work")
    for name, content in {"p0": [1, 2], "p1": [3], "p2": [99]}.items():
        bucket.blob(f"load one/{name}.parquet").upload_from_string(parquet(content))
    uris = [f"gs://landfall-work/load one/{name}.parquet" for name in ("p0", "p1")]
    job = warehouse.load_table_from_uri(uris, "shop.loaded", job_config=bigquery.LoadJobConfig(source_format="PARQUET"))
    assert job.result().output_rows == 3
    assert numbers(warehouse, "shop.loaded") == [1, 2, 3]


def test_a_job_id_that_was_used_is_refused(warehouse: bigquery.Client) -> None:
    job_id = f"once-{uuid4()}"
    warehouse.query("SELECT 1", job_id=job_id, job_retry=None).result()
    with pytest.raises(Conflict):
        warehouse.query("SELECT 1", job_id=job_id, job_retry=None).result()
    assert warehouse.get_job(job_id).state == "DONE"


def test_a_transaction_that_fails_leaves_nothing_behind(warehouse: bigquery.Client) -> None:
    warehouse.query_and_wait("CREATE OR REPLACE TABLE shop.rolled (n INT64)")
    with pytest.raises(BadRequest):
        warehouse.query_and_wait(
            "BEGIN TRANSACTION; INSERT INTO shop.rolled VALUES (1); ASSERT FALSE AS 'no'; COMMIT TRANSACTION;"
        )
    warehouse.query_and_wait("BEGIN TRANSACTION; INSERT INTO shop.rolled VALUES (2); COMMIT TRANSACTION;")
    assert numbers(warehouse, "shop.rolled") == [2]


def test_data_outlive_a_restart(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    cloud.up(EMULATORS)
    try:
        with environment(cloud):
            client = bigquery.Client(project=services.PROJECT, credentials=AnonymousCredentials())
            client.create_dataset("kept")
            client.query_and_wait("CREATE TABLE kept.t AS SELECT 7 AS n")
            storage.Client(project=services.PROJECT).bucket("landfall-work").blob("k").upload_from_string("v")
            cloud.down()
            cloud.up(EMULATORS)
            assert numbers(client, "kept.t") == [7]
            assert storage.Client().bucket("landfall-work").blob("k").download_as_text() == "v"
    finally:
        cloud.down()


def test_two_clouds_side_by_side_know_nothing_of_each_other(own_cloud: Cloud, tmp_path: Path) -> None:
    other = Cloud(tmp_path)
    other.up(["storage"])
    try:
        with environment(own_cloud):
            storage.Client().bucket("landfall-work").blob("mine").upload_from_string("")
        with environment(other):
            assert not storage.Client().bucket("landfall-work").blob("mine").exists()
    finally:
        assert other.down() == ["storage"]
    assert own_cloud.status()["storage"] == "healthy"


def test_last_times_port_is_taken_again_and_freed_by_down(tmp_path: Path) -> None:
    # Below the range the system picks from, so that no other test gets it meanwhile.
    port = next(p for p in range(20_000 + os.getpid() % 10_000, 32_000) if processes.free_port(p) == p)
    (tmp_path / "cloud.json").write_text(json.dumps({"services": {}, "ports": {"storage": port}}))
    cloud = Cloud(tmp_path)
    cloud.up(["storage"])
    assert cloud.url("storage") == f"http://127.0.0.1:{port}"
    cloud.down()
    assert not processes.port_is_taken(port)
    assert processes.free_port(preferred=port) == port


def test_down_spares_a_stranger_that_got_a_recorded_number(tmp_path: Path, bystander: subprocess.Popen[bytes]) -> None:
    cloud = Cloud(tmp_path)
    cloud.up(["storage"])
    cloud.down()
    entry = {"pid": bystander.pid, "identity": "an earlier one", "port": 1, "fingerprint": ""}
    record = json.loads(cloud.record.read_text())
    cloud.record.write_text(json.dumps({**record, "services": {"storage": entry}}))
    assert cloud.down() == []
    assert bystander.poll() is None


def test_a_service_that_cannot_start_shows_its_log_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "bigquery").write_text("a file where the emulator wants its folder")
    with pytest.raises(CloudError, match=r"(?s)bigquery service .*FileExistsError.*make clean") as error:
        Cloud(tmp_path).up(["bigquery"])
    assert str(tmp_path / "logs" / "bigquery.log") in str(error.value)


def test_a_broken_record_names_the_file_and_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "cloud.json").write_text("{")
    with pytest.raises(CloudError, match=r"cloud\.json.*delete the file"):
        Cloud(tmp_path).down()


def test_the_functions_keys_are_drawn_once_and_are_for_their_owner_only(tmp_path: Path) -> None:
    keys = services.function_keys(tmp_path)
    assert services.function_keys(tmp_path) == keys
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert not set(keys.values()) & set(services.function_keys(tmp_path / "other").values())


def test_neither_keys_nor_credentials_are_handed_to_airflow(own_cloud: Cloud) -> None:
    given = own_cloud.environ()
    assert not {"LANDFALL_MASK_KEY", "LANDFALL_RAW_KEY"} & given.keys()
    assert given["GOOGLE_APPLICATION_CREDENTIALS"] == ""


def test_changed_function_code_is_a_reason_to_start_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "include" / "engine.py"
    source.parent.mkdir()
    source.write_text("one = 1\n")
    monkeypatch.setattr(services, "ROOT", tmp_path)
    before = services.function(tmp_path, "127.0.0.1", 1, "").fingerprint()
    assert services.function(tmp_path, "127.0.0.1", 1, "").fingerprint() == before
    source.write_text("one = 1 + 1\n")
    assert services.function(tmp_path, "127.0.0.1", 1, "").fingerprint() != before


def test_nothing_asks_a_metadata_server_who_it_is(own_cloud: Cloud) -> None:
    # Every connection is recorded by the interpreter itself, and only loopback may be among them.
    code = """
import sys
reached = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        reached.append(str(arguments[1] if event == "socket.connect" else arguments[0]))
sys.addaudithook(watch)
import google.auth
from google.cloud import storage
try:
    google.auth.default()
except google.auth.exceptions.DefaultCredentialsError:
    print("no credentials")
print([b.name for b in storage.Client().list_buckets()])
from airflow.providers.google.cloud.hooks.gcs import GCSHook
from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook
print(GCSHook().list("landfall-landing"), BigQueryHook().get_client().project)
print("elsewhere:", [a for a in reached if "127.0.0.1" not in a and "localhost" not in a and "::1" not in a])
"""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **own_cloud.environ()},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert "no credentials" in answer.stdout, answer.stderr
    assert "elsewhere: []" in answer.stdout, answer.stdout + answer.stderr


@pytest.mark.skipif(not FUNCTION_SOURCE.exists(), reason="the function is not written yet")
def test_the_function_starts_with_the_emulators_and_answers(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    try:
        assert cloud.up(["storage", "function"]) == ["storage", "function"]
        assert cloud.status()["function"] == "healthy"
    finally:
        cloud.down()
    assert cloud.status()["function"] == "stopped"


def test_the_command_line_prints_lines_a_shell_can_evaluate(own_cloud: Cloud) -> None:
    command = 'eval "$("$0" -m local.cloud env --state "$1")" && echo "$STORAGE_EMULATOR_HOST|$CLOUDSDK_CONFIG"'
    answer = subprocess.run(
        ["bash", "-c", command, sys.executable, str(own_cloud.state)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert answer.stdout.strip() == f"{own_cloud.url('storage')}|{own_cloud.state}/gcloud"

"""What is masked is nowhere in clear, whatever is wrong with the files it comes in: a whole run, searched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.engine.quarantine import RAW_LIMIT
from include.engine.raw_keys import decrypt_raw

SECRET = "Ada.Lovelace"
CONTRACT = {
    "kind": "DataContract", "apiVersion": "v3.1.0", "id": "t", "version": "1.0.0", "status": "active",
    "team": {"name": "tests"}, "schema": [{"name": "t", "properties": [
        {"name": "id", "logicalType": "integer", "primaryKey": True},
        {"name": "email", "logicalType": "string", "logicalTypeOptions": {"pattern": "@", "maxLength": 40}},
        {"name": "initial", "logicalType": "string"},
    ]}],
}  # fmt: skip
PIPELINE = {
    "source": {"uri": "gs://{landing}/masked/**"}, "format": {"type": "csv"},
    "mask": {"email": "sha256", "initial": "redact"},
    "clean": {"email": "LOWER(email)"}, "derive": {"initial": "SUBSTR(email, 1, 30)"},
    "load": {"table": "masked.people", "mode": "append"}, "retry": {"attempts": 1},
}  # fmt: skip
BAD = [
    f"x,{SECRET}@x.org",
    f"2,{SECRET}",
    f"3,{SECRET}@x.org,more",
    f'4,"{SECRET}@x.org',
    f'5,"{SECRET}"@x.org',
    f"6,{SECRET}\0@x.org",
    f"1,{SECRET}@x.org",
    f"8,{SECRET}@{'x' * RAW_LIMIT}",
]


@pytest.fixture
def finished(tmp_path: Path, run_dag: Any, landing: Any, caplog: pytest.LogCaptureFixture) -> Any:
    folder = tmp_path / "datasets" / "masked"
    folder.mkdir(parents=True)
    (folder / "contract.yaml").write_text(json.dumps(CONTRACT))
    (folder / "pipeline.yaml").write_text(json.dumps(PIPELINE))
    landing.blob("masked/bad.csv").upload_from_string("\n".join(["id,email", f"1,{SECRET}@x.org", *BAD, ""]))
    landing.blob("masked/headless.csv").upload_from_string(f"1,{SECRET}@x.org\n2,{SECRET}2@x.org\n")
    landing.blob("masked/unknown.csv").upload_from_string(f"id,email,more\n1,{SECRET}@b,{SECRET}\n")
    landing.blob("masked/empty.csv").upload_from_string("")
    return run_dag("ingest_masked", datasets=folder.parent)


def test_a_masked_value_is_in_no_log_no_table_and_no_message(
    finished: Any, in_cloud: Any, query: Any, airflow_database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert finished.state == "success"
    places = {"task logs": caplog.text}
    places |= {str(path): _text(path) for path in sorted((in_cloud.state / "logs").rglob("*")) if path.is_file()}
    places |= {str(path): _text(path) for path in sorted(airflow_database.rglob("*")) if path.is_file()}
    for dataset in ("landfall_ops", "landfall_ops_staging", "masked"):
        for name in _tables(query, dataset):
            places[f"{dataset}.{name}"] = str(query(f"SELECT * FROM `{dataset}.{name}`"))
    assert {"landfall_ops.quarantine", "landfall_ops.files", "masked.people"} <= places.keys()
    assert "bad.csv" in places["landfall_ops.quarantine"]
    assert "transform ended" in places[str(in_cloud.log("function"))]
    assert [name for name, text in places.items() if SECRET.lower() in text.lower()] == []


def _tables(query: Any, dataset: str) -> list[str]:
    return [row["table_name"] for row in query(f"SELECT table_name FROM {dataset}.INFORMATION_SCHEMA.TABLES")]


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")


def test_its_raw_bytes_are_under_the_key_that_is_named_beside_them(finished: Any, in_cloud: Any, query: Any) -> None:
    from local.services import function_keys

    keys = function_keys(in_cloud.state)["LANDFALL_RAW_KEY"].encode()
    sql = "SELECT * FROM landfall_ops.quarantine WHERE run_id = @run AND uri LIKE '%bad.csv' AND record >= 0"
    rows = query(f"{sql} ORDER BY record", {"run": finished.run_id})
    kept = [decrypt_raw(row["raw"], keys, row["key_id"]).decode() for row in rows if row["raw"]]
    assert kept == [*BAD[:6]]
    long = rows[-1]
    assert (long["raw"], long["key_id"], long["byte_length"]) == (None, None, len(BAD[-1]))
    assert (long["uri"], long["byte_offset"] > 0) == ("gs://landfall-landing/masked/bad.csv", True)

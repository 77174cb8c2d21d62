"""`landfall plan`: what the next run would do, and that asking for it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import exit_codes
from cli.clients import bigquery_client, storage_client
from cli.folders import settings
from cli.main import app
from include.ledger.tables import Ledger
from tests.plugins.gcp.steps import HEADER, Steps, named_after

runner = CliRunner()
OPS = "plan_ops"
ROW = "1,2026-01-01,good\n"


@pytest.fixture
def case(
    request: pytest.FixtureRequest, in_cloud: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Steps]:
    """A dataset whose files above 1 KB are large, in a deployment whose ledger nobody has made."""
    monkeypatch.setenv("LANDFALL_OPS_DATASET", OPS)
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    monkeypatch.setattr("landfall.gcp.selection.has_ended", lambda _context, _run_id: True)
    made = Steps(named_after(request))
    write(made, tmp_path)
    yield made
    client = bigquery_client(settings())
    for name in (OPS, f"{OPS}_staging"):
        client.delete_dataset(name, delete_contents=True, not_found_ok=True)


def write(case: Steps, root: Path, complete: str = "none", mode: str = "append", glob: str = "**") -> None:
    case.write(root, complete=complete, mode=mode, glob=glob)
    with (root / case.name / "pipeline.yaml").open("a") as pipeline:
        pipeline.write("transform: {dataflow_above: 1KB}\n")


def everything() -> dict[str, Any]:
    """What lies in the buckets and in the warehouse."""
    storage, warehouse = storage_client(settings()), bigquery_client(settings())
    tables = {
        f"{found.dataset_id}.{table.table_id}": warehouse.get_table(table).num_rows
        for found in warehouse.list_datasets()
        for table in warehouse.list_tables(found.dataset_id)
        if table.table_type == "TABLE"
    }
    blobs = [
        (bucket, blob.name, blob.generation)
        for bucket in ("landfall-landing", "landfall-work", "landfall-archive")
        for blob in storage.list_blobs(bucket)
    ]
    return {"tables": tables, "blobs": blobs, "datasets": [found.dataset_id for found in warehouse.list_datasets()]}


def asked(case: Steps) -> tuple[int, dict[str, Any]]:
    answer = runner.invoke(app, ["plan", case.name, "--json"])
    return answer.exit_code, json.loads(answer.stdout)


def test_each_batch_is_shown_with_its_runner_its_reason_and_what_it_would_cost(case: Steps) -> None:
    case.land("a.csv", HEADER + ROW)
    case.land("b.csv", HEADER + 100 * ROW)
    case.land("c.csv.gz", b"x" * 1001)
    case.land("d.csv", HEADER + ROW)
    case.land("e.csv", HEADER + ROW)

    code, report = asked(case)
    answer = runner.invoke(app, ["plan", case.name])

    assert (code, answer.exit_code) == (exit_codes.OK, exit_codes.OK), answer.output
    batches = report["batches"]
    assert [(len(b["files"]), b["bytes"], b["runner"], b["shards"]) for b in batches] == [
        (1, 30, "function", 1), (1, 1812, "dataflow", 1), (1, 1001, "dataflow", 1), (2, 60, "function", 1)
    ]  # fmt: skip
    assert batches[0]["reason"] == "below dataflow_above (1 KB)"
    assert batches[1]["reason"] == "above dataflow_above (1 KB); cut into about 1 shard"
    assert batches[2]["reason"].startswith("above dataflow_above (1 KB); read as a whole: ")
    assert batches[1]["files"][0]["uri"] == f"gs://landfall-landing/{case.name}/b.csv"
    for batch in batches:
        estimates = batch["estimates"]
        assert 0 < estimates["function"]["usd"] < estimates["dataflow"]["usd"]
        assert estimates["function"]["possible"]
    assert f"batch 1, gs://landfall-landing/{case.name}/b.csv: by dataflow: above" in answer.output
    assert f"batch 3, gs://landfall-landing/{case.name}/d.csv and 1 more: by function: below" in answer.output
    assert f"list prices of us-central1, {report['prices']['function']['as_of']} (function)" in answer.output


@pytest.mark.parametrize("complete", ["none", "{stable: 1s}", "marker"])
def test_asking_changes_nothing_and_makes_no_ledger(case: Steps, tmp_path: Path, complete: str) -> None:
    write(case, tmp_path, complete=complete, glob="*.csv")
    case.land("a.csv", HEADER + ROW)
    case.land("_SUCCESS")
    before = everything()

    assert asked(case)[0] in (exit_codes.OK, exit_codes.NOTHING)

    assert everything() == before
    assert OPS not in before["datasets"]


def test_what_a_run_has_left_is_named_and_a_second_run_has_nothing_to_do(case: Steps) -> None:
    case.land("a.csv", HEADER + ROW)
    assert case.run(archived=False)
    code, report = asked(case)
    assert (code, report["batches"]) == (exit_codes.OK, [])
    assert [file["uri"] for file in report["left_behind"]] == [f"gs://landfall-landing/{case.name}/a.csv"]
    shown = runner.invoke(app, ["plan", case.name]).output
    assert "1 file would be moved to the archive, being done" in shown

    assert case.run() is None
    answer = runner.invoke(app, ["plan", case.name])
    assert answer.exit_code == exit_codes.NOTHING
    assert "would have nothing to do" in answer.output


def test_what_would_be_held_and_what_waits_is_said_as_the_run_says_it(case: Steps, tmp_path: Path) -> None:
    write(case, tmp_path, complete="manifest", glob="*/*.csv")
    listed = {"files": [{"name": "a.csv", "size": 7}]}
    case.land("1/_MANIFEST.json", json.dumps(listed))
    case.land("1/a.csv", HEADER + ROW)
    case.land("2/a.csv", HEADER + ROW)

    code, report = asked(case)
    shown = runner.invoke(app, ["plan", case.name]).output

    assert (code, report["batches"]) == (exit_codes.OK, [])
    (held,) = report["held"]
    assert held["uri"].endswith("1/a.csv")
    assert held["reason"].startswith("manifest_mismatch: ")
    assert f"1 file would be held\n  {held['uri']}: manifest_mismatch: " in shown
    assert f"1 file waits in {case.name}/2/ for _MANIFEST.json" in shown
    assert case.look().endswith(report["waiting"][0])


def test_a_set_with_a_large_file_is_one_batch_by_the_function(case: Steps, tmp_path: Path) -> None:
    write(case, tmp_path, complete="marker", mode="replace_partition", glob="*/*.csv")
    case.land("1/a.csv", HEADER + ROW)
    case.land("1/b.csv", HEADER + 100 * ROW)
    case.land("1/_SUCCESS")

    (batch,) = asked(case)[1]["batches"]

    assert (len(batch["files"]), batch["runner"]) == (2, "function")
    assert batch["reason"].startswith("1 of 2 files above dataflow_above (1 KB), but Dataflow takes one file")


def test_a_ledger_of_an_older_release_is_no_ground_to_call_everything_new(case: Steps) -> None:
    client = bigquery_client(settings())
    client.create_dataset(OPS, exists_ok=True)
    ledger = Ledger(client.project, OPS)
    client.query_and_wait(ledger.create_sql())
    client.delete_table(ledger.events.strip("`"))
    case.land("a.csv", HEADER + ROW)

    answer = runner.invoke(app, ["plan", case.name])

    assert answer.exit_code == exit_codes.PROBLEMS
    assert "the ledger is of an older release" in answer.output


def test_a_store_that_does_not_answer_and_a_dataset_that_is_not_there_are_told_apart(
    case: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runner.invoke(app, ["plan", "nowhere"]).exit_code == exit_codes.USAGE
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    answer = runner.invoke(app, ["plan", case.name])
    assert answer.exit_code == exit_codes.UNREACHABLE
    assert "source local/env.sh" in answer.output

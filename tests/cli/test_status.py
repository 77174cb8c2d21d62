"""`landfall status`, against a ledger in the BigQuery emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cli import exit_codes
from cli.clients import bigquery_client, storage_client
from cli.folders import settings
from cli.main import app
from include.ledger.tables import Ledger

if TYPE_CHECKING:
    from google.cloud.bigquery import Client

runner = CliRunner()


@pytest.fixture
def client(in_cloud: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client, with no ledger and no set in the landing bucket: other tests may have left one there."""
    monkeypatch.setenv("LANDFALL_OPS_DATASET", "status_ops")
    for blob in storage_client(settings()).bucket("landfall-landing").list_blobs(prefix="inventory/"):
        blob.delete()
    made = bigquery_client(settings())
    yield made
    made.delete_dataset("status_ops", delete_contents=True, not_found_ok=True)


@pytest.fixture
def landed(in_cloud: object) -> Iterator[str]:
    """A folder in the landing bucket with a file and no marker."""
    blob = storage_client(settings()).bucket("landfall-landing").blob("inventory/2031-01-01/stock.csv")
    blob.upload_from_string("x")
    yield "inventory/2031-01-01/"
    blob.delete()


def _write(client: Client, *files: str) -> None:
    client.create_dataset("status_ops", exists_ok=True)
    ledger = Ledger(client.project, "status_ops")
    client.query_and_wait(ledger.create_sql())
    columns = (
        "dataset, file_id, bucket, name, generation, checksum, size, state, reason, batch_id, run_id,"
        " records, loaded, filtered, duplicates, quarantined"
    )
    for file in files:
        client.query_and_wait(
            f"INSERT INTO {ledger.table('files')} ({columns}, at) VALUES ({file}, CURRENT_TIMESTAMP())"
        )


LOADED = "'orders', 'f1', 'in', 'orders/a.csv', 7, 'crc', 99, 'loaded', NULL, 'b1', 'r1', 1200, 1190, 4, 1, 5"
HELD = "'events', 'f2', 'in', 'events/b.ndjson', 8, 'crc', 9, 'held', 'gzip is cut', 'b', 'r', 3, 0, 0, 0, 3"


def test_files_are_shown_with_their_states_and_counts(client: Client) -> None:
    _write(client, LOADED, HELD)

    answer = runner.invoke(app, ["status"])

    assert answer.exit_code == exit_codes.OK, answer.output
    (line,) = [line for line in answer.output.splitlines() if "orders/a.csv" in line]
    assert "loaded" in line
    assert "1,200" in line
    assert "1,190" in line
    assert "events/b.ndjson: gzip is cut" in answer.output


def test_only_the_current_state_counts(client: Client) -> None:
    _write(client, LOADED.replace("'loaded'", "'planned'"), LOADED)

    files = json.loads(runner.invoke(app, ["status", "--json"]).stdout)["files"]

    assert [file["state"] for file in files] == ["loaded"]


def test_a_dataset_is_shown_alone(client: Client) -> None:
    _write(client, LOADED, HELD)

    files = json.loads(runner.invoke(app, ["status", "events", "--json"]).stdout)["files"]

    assert [file["name"] for file in files] == ["events/b.ndjson"]


def test_without_a_ledger_there_is_nothing_to_show_and_none_is_made(client: Client, landed: str) -> None:
    answer = runner.invoke(app, ["status"])

    assert answer.exit_code == exit_codes.NOTHING
    assert "landfall ingest" in answer.output
    assert landed not in answer.output
    assert "status_ops" not in [dataset.dataset_id for dataset in client.list_datasets()]


def test_without_dataset_folders_the_ledger_is_shown(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _write(client, LOADED)
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    answer = runner.invoke(app, ["status"])

    assert answer.exit_code == exit_codes.OK, answer.output
    assert "orders/a.csv" in answer.output


def test_a_dataset_without_files_is_nothing_found_and_still_json(client: Client) -> None:
    _write(client, LOADED)

    answer = runner.invoke(app, ["status", "inventory", "--json"])

    assert answer.exit_code == exit_codes.NOTHING
    assert json.loads(answer.stdout) == {"files": [], "waiting": [], "unknown": []}


DEAD = "'orders', 'f3', 'in', 'orders/$(x) y.csv', 8, 'crc', 9, 'dead_lettered', 'bad_rule', 'b', 'r', 0, 0, 0, 0, 0"
RETRIED = DEAD.replace("f3", "f4").replace("bad_rule", "retried: moved back as generation 9")


def _put_aside(client: Client, *records: int) -> None:
    ledger = Ledger(client.project, "status_ops")
    for record in records:
        client.query_and_wait(
            f"INSERT INTO {ledger.table('quarantine')} (dataset, batch_id, run_id, file_id, uri, record, line,"
            " byte_offset, byte_length, reasons, at) VALUES"
            f" ('orders', 'b1', 'r1', 'f1', 'gs://in/orders/a.csv', {record}, 1, 1, 1, '[]', CURRENT_TIMESTAMP())"
        )


def test_what_waits_is_shown_with_the_command_that_deals_with_it(client: Client) -> None:
    _write(client, LOADED, HELD, HELD.replace("f2", "f5").replace("b.nd", "c.nd"), DEAD, RETRIED)
    _put_aside(client, 3, 4)

    answer = runner.invoke(app, ["status"])
    waiting = json.loads(runner.invoke(app, ["status", "--json"]).stdout)["waiting"]

    assert answer.exit_code == exit_codes.OK, answer.output
    assert [(item["dataset"], item["kind"], item["files"], item["records"]) for item in waiting] == [
        ("events", "held", 2, 0), ("orders", "dead_lettered", 1, 0), ("orders", "quarantined", 1, 2)
    ]  # fmt: skip
    assert "2 files held, as events/c.ndjson" in answer.output
    assert "landfall release events/c.ndjson --dataset events" in answer.output
    assert "landfall retry 'orders/$(x) y.csv' --dataset orders" in answer.output, "to be copied into a shell"
    assert "2 quarantined records of 1 file, not yet replayed" in answer.output
    assert "landfall replay orders" in answer.output


def test_what_a_replay_has_settled_waits_no_more(client: Client) -> None:
    _write(client, LOADED)
    _put_aside(client, 3, 4)
    client.query_and_wait(
        f"INSERT INTO {Ledger(client.project, 'status_ops').table('replays')} (dataset, replay_id, run_id, file_id,"
        " record, outcome, batch_id, of_batch, at) VALUES"
        " ('orders', 'p', 'r', 'f1', 3, 'loaded', 'b2', 'b1', CURRENT_TIMESTAMP())"
    )

    (item,) = json.loads(runner.invoke(app, ["status", "orders", "--json"]).stdout)["waiting"]

    assert (item["kind"], item["records"]) == ("quarantined", 1)


def test_a_set_that_is_not_complete_is_shown_though_the_ledger_does_not_know_of_it(client: Client, landed: str) -> None:
    _write(client)
    answer = runner.invoke(app, ["status", "inventory"])

    assert answer.exit_code == exit_codes.OK, answer.output
    assert f"1 file waits in {landed} for _SUCCESS" in answer.output
    assert "landfall drop inventory" in answer.output


def test_a_ledger_of_an_older_release_is_named_as_such(client: Client) -> None:
    _write(client, LOADED)
    client.delete_table(Ledger(client.project, "status_ops").events.strip("`"))

    answer = runner.invoke(app, ["status"])

    assert answer.exit_code == exit_codes.OK
    assert "orders/a.csv" in answer.output
    assert "the next run brings it up to date" in answer.output


def test_a_warehouse_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:9")

    answer = runner.invoke(app, ["status"])

    assert answer.exit_code == exit_codes.UNREACHABLE
    assert "source local/env.sh" in answer.output


def test_a_setting_that_cannot_be_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDFALL_OPS_DATASET", "not a dataset!")

    answer = runner.invoke(app, ["status"])

    assert answer.exit_code == exit_codes.USAGE
    assert "LANDFALL_OPS_DATASET" in answer.output

"""`landfall status`, against a ledger in the BigQuery emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cli import exit_codes
from cli.clients import bigquery_client
from cli.folders import settings
from cli.main import app
from include.ledger.tables import Ledger

if TYPE_CHECKING:
    from google.cloud.bigquery import Client

runner = CliRunner()


@pytest.fixture
def client(in_cloud: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("LANDFALL_OPS_DATASET", "status_ops")
    made = bigquery_client(settings())
    yield made
    made.delete_dataset("status_ops", delete_contents=True, not_found_ok=True)


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


@pytest.mark.usefixtures("client")
def test_without_a_ledger_there_is_nothing_to_show() -> None:
    answer = runner.invoke(app, ["status"])

    assert answer.exit_code == exit_codes.NOTHING
    assert "landfall ingest" in answer.output


def test_a_dataset_without_files_is_nothing_found_and_still_json(client: Client) -> None:
    _write(client, LOADED)

    answer = runner.invoke(app, ["status", "inventory", "--json"])

    assert answer.exit_code == exit_codes.NOTHING
    assert json.loads(answer.stdout) == {"files": []}


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

"""`landfall release`, `reject` and `retry`: how they refuse; what they do, tests/dags/test_dead_letters.py tries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cli import exit_codes
from cli.main import app
from tests.cli.test_status import HELD, LOADED, _write, client

if TYPE_CHECKING:
    from google.cloud.bigquery import Client

__all__ = ["client"]

runner = CliRunner()


@pytest.mark.parametrize(
    "arguments", [["reject", "a.csv"], ["reject", "a.csv", "--reason", " "], ["release"], ["retry"]]
)
def test_a_file_and_a_reason_are_asked_for(arguments: list[str]) -> None:
    assert runner.invoke(app, arguments).exit_code == exit_codes.USAGE


def test_a_dataset_that_is_not_there_is_named_with_those_that_are() -> None:
    answer = runner.invoke(app, ["release", "a.csv", "--dataset", "order"])
    assert answer.exit_code == exit_codes.USAGE
    assert "orders" in answer.output


@pytest.mark.usefixtures("client")
def test_without_a_ledger_there_is_no_file() -> None:
    assert runner.invoke(app, ["release", "a.csv"]).exit_code == exit_codes.NOTHING


def test_a_file_in_another_state_is_shown_with_it_and_nothing_is_changed(client: Client) -> None:
    _write(client, LOADED, HELD)
    answer = runner.invoke(app, ["release", "orders/a.csv", "events/b.ndjson"])
    assert answer.exit_code == exit_codes.PROBLEMS
    assert "gs://in/orders/a.csv, generation 7, is loaded; only a file that is held can be released" in answer.output
    files = json.loads(runner.invoke(app, ["status", "--json"]).stdout)["files"]
    assert {file["name"]: (file["state"], bool(file["advice"])) for file in files} == {
        "orders/a.csv": ("loaded", False),
        "events/b.ndjson": ("held", True),
    }


def test_a_held_file_that_lies_there_no_more_is_not_released(client: Client) -> None:
    _write(client, HELD)
    answer = runner.invoke(app, ["release", "events/b.ndjson"])
    assert answer.exit_code == exit_codes.PROBLEMS
    assert "does not lie there in generation 8 any more" in answer.output

"""`landfall ingest`: drop, run through real Airflow, account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import exit_codes
from cli.main import app
from local.cloud import Cloud
from local.start import migrate

runner = CliRunner()

HEADER = "order_id,ordered_at,customer_id,email,sku,quantity,price,status,coupon,notes\n"
GOOD = "{},2026-11-18T10:00:00Z,C00001,a@example.org,ABC-1234,2,9.99,new,,\n"


@pytest.fixture
def airflow(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """An Airflow of the cloud's own, as `source local/env.sh` has it; it runs in processes of its own."""
    for name, value in cloud.environ().items():
        monkeypatch.setenv(name, value)
    migrate(cloud.environ())


def test_without_an_airflow_nothing_is_dropped_and_the_way_out_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_HOME", raising=False)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    (tmp_path / "a.csv").write_text(HEADER)

    answer = runner.invoke(app, ["ingest", "orders", str(tmp_path / "a.csv")])

    assert answer.exit_code == exit_codes.UNREACHABLE
    assert "source local/env.sh" in answer.output


@pytest.mark.slow
@pytest.mark.usefixtures("airflow")
def test_a_file_is_loaded_and_its_records_are_accounted_for(tmp_path: Path) -> None:
    path = tmp_path / "ingest-one.csv"
    path.write_text(HEADER + GOOD.format(501) + GOOD.format(502) + GOOD.format("A-17") + GOOD.format(502))

    answer = runner.invoke(app, ["ingest", "orders", str(path), "--json"])

    assert answer.exit_code == exit_codes.OK, answer.output
    (file,) = json.loads(answer.stdout)["files"]
    assert file["name"] == "orders/ingest-one.csv"
    assert file["state"] == "loaded"
    counts = [file[name] for name in ("records", "loaded", "filtered", "duplicates", "quarantined")]
    assert counts == [4, 2, 0, 1, 1]


@pytest.mark.slow
@pytest.mark.usefixtures("airflow")
def test_a_held_file_is_a_problem_of_the_data_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "ingest-held.csv"
    path.write_text("this,is,no\norder,at,all\n")

    answer = runner.invoke(app, ["ingest", "orders", str(path)])

    assert answer.exit_code == exit_codes.PROBLEMS, answer.output
    assert "held" in answer.output

"""A ledger that an older release made is brought up to date by the first run, and by nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.ledger.states import current_sql
from include.ledger.tables import COUNTS, Ledger
from landfall.gcp import landing
from tests.plugins.gcp.steps import Steps

_COUNTS = ", ".join(f"{name} INT64 NOT NULL" for name in COUNTS)
# As the first release made it.
OLD = f"""
CREATE TABLE {{0}}.files (
  dataset STRING NOT NULL, file_id STRING NOT NULL, bucket STRING NOT NULL, name STRING NOT NULL,
  generation INT64 NOT NULL, checksum STRING NOT NULL, size INT64 NOT NULL, state STRING NOT NULL, reason STRING,
  batch_id STRING, run_id STRING NOT NULL, {_COUNTS}, at TIMESTAMP NOT NULL);
CREATE TABLE {{0}}.batches (
  dataset STRING NOT NULL, batch_id STRING NOT NULL, commit_id STRING NOT NULL, run_id STRING NOT NULL,
  target STRING NOT NULL, mode STRING NOT NULL, files INT64 NOT NULL, {_COUNTS},
  manifest STRING NOT NULL, rules STRING, at TIMESTAMP NOT NULL);
CREATE TABLE {{0}}.quarantine (
  dataset STRING NOT NULL, batch_id STRING NOT NULL, run_id STRING NOT NULL, file_id STRING NOT NULL,
  uri STRING NOT NULL, record INT64 NOT NULL, line INT64 NOT NULL, byte_offset INT64 NOT NULL,
  byte_length INT64 NOT NULL, reasons STRING NOT NULL, raw BYTES, key_id STRING, text STRING, at TIMESTAMP NOT NULL);
CREATE VIEW {{0}}.files_current AS SELECT * FROM {{0}}.files
  QUALIFY ROW_NUMBER() OVER (PARTITION BY dataset, file_id ORDER BY {current_sql()}) = 1;
"""


@pytest.fixture
def steps(
    request: pytest.FixtureRequest, tmp_path: Path, in_cloud: object, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Steps]:
    from landfall.gcp.warehouse import Warehouse

    warehouse = Warehouse("google_cloud_default", "landfall-local", "US")
    ops = "ops_" + re.sub(r"\W+", "_", request.node.name[5:30])
    monkeypatch.setenv("LANDFALL_OPS_DATASET", ops)
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    monkeypatch.setattr("landfall.gcp.selection.has_ended", lambda _context, _run_id: True)

    def make(old: str) -> Steps:
        warehouse.query(f"DROP SCHEMA IF EXISTS {ops} CASCADE")
        warehouse.ensure_dataset(ops)
        warehouse.ensure_dataset(f"{ops}_staging", expiring=True)
        for statement in filter(str.strip, old.format(ops).split(";")):
            warehouse.query(statement)
        made = Steps(f"of_{ops}")
        made.write(tmp_path, complete="none", mode="append", glob="**")
        return made

    return make


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []
    create = landing.create_ledger
    monkeypatch.setattr(landing, "create_ledger", lambda site: (made.append(site), create(site)))
    return made


def test_a_ledger_of_an_older_release_gets_its_columns_and_views_from_the_next_run(
    steps: Callable[[str], Steps], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, made = steps(OLD), counted(monkeypatch)
    case.land("a.csv", "id,day,name\n1,2026-01-01,x\n")
    assert case.run()
    assert (case.rows(), len(made)) == ([(1, "x")], 1)
    ops = made[0].settings.ops_dataset
    assert case.query(f"SELECT voucher, vouched_at FROM {ops}.files WHERE state = 'loaded'")
    assert case.query(f"SELECT evolved FROM {ops}.batches")
    assert case.query(f"SELECT COUNT(*) AS n FROM {ops}.quarantine_open") == [{"n": 0}]


def test_a_ledger_that_is_up_to_date_costs_a_run_nothing_more(
    steps: Callable[[str], Steps], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = steps("")
    case.land("a.csv", "id,day,name\n1,2026-01-01,x\n")
    assert case.run()
    made = counted(monkeypatch)
    case.land("b.csv", "id,day,name\n2,2026-01-01,y\n")
    assert case.run()
    assert (case.rows(), made) == ([(1, "x"), (2, "y")], [])


def test_the_ledger_of_another_release_is_known_by_a_name_that_follows_from_its_ddl(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from include.ledger import tables

    ledger = Ledger("p", "d")
    before = ledger.events
    assert before == Ledger("p", "d").events
    monkeypatch.setattr(tables, "_REPLAYS", f"{tables._REPLAYS}, more STRING")
    assert ledger.events != before
    assert f"CREATE OR REPLACE VIEW {ledger.events}" in ledger.create_sql().splitlines()[-1]

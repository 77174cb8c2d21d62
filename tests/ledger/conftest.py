"""The warehouse of the embedded cloud, with a ledger."""

from __future__ import annotations

import pytest

from include.ledger.tables import Ledger
from landfall.gcp.warehouse import Warehouse


@pytest.fixture
def warehouse(in_cloud: object) -> Warehouse:
    made = Warehouse("google_cloud_default", "landfall-local", "US")
    ledger = Ledger("landfall-local", "ops")
    made.ensure_dataset(ledger.dataset)
    made.ensure_dataset(ledger.staging_dataset, expiring=True)
    made.ensure_dataset("tests")
    made.query(ledger.create_sql())
    return made

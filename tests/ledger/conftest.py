"""The warehouse of the embedded cloud, with a ledger."""

from __future__ import annotations

import functools

import pytest

from include.ledger.tables import Ledger
from landfall.gcp.warehouse import Warehouse


@functools.cache
def _make_ledger(cloud: object) -> None:
    """Make it once in each cloud: every test has a dataset of its own, and making it is a third of a small test."""
    made = Warehouse("google_cloud_default", "landfall-local", "US")
    ledger = Ledger("landfall-local", "ops")
    made.ensure_dataset(ledger.dataset)
    made.ensure_dataset(ledger.staging_dataset, expiring=True)
    made.ensure_dataset("tests")
    made.query(ledger.create_sql())


@pytest.fixture
def warehouse(in_cloud: object) -> Warehouse:
    _make_ledger(in_cloud)
    return Warehouse("google_cloud_default", "landfall-local", "US")

"""Makes a dataset's target table ready for what is to be loaded, or refuses to load it."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from include.crashpoints import boundary
from landfall.errors import TerminalFailure

if TYPE_CHECKING:
    from include.engine.account import EvolvedColumn
    from include.ledger.drift import Drift
    from landfall.gcp.landing import Site

log = logging.getLogger(__name__)


def ready_target(site: Site, evolved: Sequence[EvolvedColumn]) -> Drift:
    """Make the target where there is none, and add to it what contract and files have and it has not.

    Args:
        site: the dataset and its warehouse.
        evolved: the columns that the admitted files bring beyond the contract's.

    Raises:
        TerminalFailure: the contract changed in a way that rows in the table would not keep; nothing is changed.
    """
    from include.ledger.drift import alter_sql
    from include.ledger.tables import create_target_sql

    table = site.dataset.pipeline.load.table
    with boundary("load.dataset"):
        site.warehouse.ensure_dataset(table.partition(".")[0])
    with boundary("load.target"):
        site.warehouse.change(create_target_sql(site.dataset, site.ledger))
    drift = compare_target(site, evolved)
    statements = alter_sql(site.dataset, site.ledger, drift)
    if statements:
        log.warning("the table %s is changed for what is to be loaded:\n%s", table, statements)
        with boundary("load.alter"):
            site.warehouse.change(statements)
    return drift


def compare_target(site: Site, evolved: Sequence[EvolvedColumn]) -> Drift:
    """Compare the target with contract and files; nothing is changed.

    Args:
        site: the dataset and its warehouse.
        evolved: the columns that the admitted files bring beyond the contract's.

    Raises:
        Missing: there is no target table.
        TerminalFailure: the contract changed in a way that rows in the table would not keep.
    """
    from include.ledger.drift import find_drift

    table = site.dataset.pipeline.load.table
    drift = find_drift(site.dataset, site.warehouse.columns(table), evolved, _evolved_before(site))
    if drift.refused:
        reasons = "\n".join(drift.refused)
        raise TerminalFailure(f"the contract does not go with the table {table}; nothing is loaded\n{reasons}")
    return drift


def _evolved_before(site: Site) -> set[str]:
    """Names of the columns that files brought in earlier commits."""
    from include.ledger.queries import evolved_sql

    parameters = {"dataset": site.dataset.name, "run_id": ""}
    rows = site.warehouse.query(evolved_sql(site.ledger), parameters)
    return {item["column"] for row in rows for item in json.loads(row["evolved"])}

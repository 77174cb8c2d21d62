"""Finds, before a commit, the sets whose days a newer set has replaced."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.ledger.plan import Plan
    from landfall.gcp.landing import Site

log = logging.getLogger(__name__)


def settle_late(site: Site, plan: Plan, files: list[dict[str, Any]], rows: str) -> list[dict[str, Any]]:
    """Return the ledger's rows of a commit, those of sets held or added that a newer set overtook.

    Args:
        files: the rows as the transforms gave them.
        rows: what to select the staged rows from; empty where there are none.
    """
    from include.ledger.accounts import FILE_TYPES
    from include.ledger.overtaken import overtaken_sql, settle_overtaken
    from landfall.gcp.warehouse import Structs

    load = site.dataset.pipeline.load
    if load.mode != "replace_partition" or not rows or plan.force:
        return files
    parameters = {"dataset": site.dataset.name, "files": Structs(FILE_TYPES, files)}
    found = site.warehouse.query(overtaken_sql(site.dataset, site.ledger, rows), parameters)
    for row in found:
        log.warning("the set of %s comes late: %s has replaced %s", row["voucher"], row["newer"], row["day"])
    return settle_overtaken(files, found, load.late)

"""Puts what a dataset is enriched from where the function reads it: the folder's file, or a snapshot of a table."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.crashpoints import boundary
from landfall.errors import Missing, TerminalFailure

if TYPE_CHECKING:
    from include.ledger.plan import Reference
    from include.spec.pipeline import Enrich
    from landfall.gcp.landing import Site

log = logging.getLogger(__name__)


def pin_references(site: Site) -> dict[str, Reference]:
    """Write the dataset's reference below an address that names its content, unless it lies there.

    Returns:
        the reference by the name that the pipeline gives it; nothing where there is none.

    Raises:
        TerminalFailure: a table cannot serve: it is not there, lacks a column, is too large or holds what is no text.
        TransientFailure: the warehouse does not work.
    """
    from include.ledger.identity import content_hash
    from include.ledger.plan import Reference
    from include.spec.settings import datasets_folder

    enrich = site.dataset.pipeline.enrich
    if enrich is None:
        return {}
    if enrich.table:
        content, kind, media = _snapshot(site, enrich, enrich.table), "jsonl", "application/x-ndjson"
    else:
        content, kind, media = (datasets_folder() / site.dataset.name / enrich.with_).read_bytes(), "csv", "text/csv"
    uri = site.work_uri("reference", f"{content_hash(content)}.{kind}")
    with boundary("plan.reference"):
        generation = site.storage.generation(uri) or site.storage.write(uri, content, media, if_generation=0)
    return {enrich.with_: Reference(uri=uri, generation=generation)}


def _snapshot(site: Site, enrich: Enrich, table: str) -> bytes:
    from include.engine.errors import TerminalReferenceError
    from include.engine.snapshot import MAX_ROWS, check_rows, write_snapshot

    names = [enrich.on, *enrich.take]
    try:
        types = _types(site, table, names)
        check_rows(table, site.warehouse.row_count(table))
        rows = site.warehouse.rows(table, names, limit=MAX_ROWS + 1)
        content = write_snapshot(table, [site.dataset.column(name) for name in names], types, rows)
    except TerminalReferenceError as error:
        raise TerminalFailure(f"enrich.with: {error}") from error
    except Missing as error:
        message = f"there is no table {table} in the deployment's project; make it, or mend enrich.with"
        raise TerminalFailure(f"enrich.with: {message}") from error
    log.info("reference table %s: %d rows, %d bytes", table, content.count(b"\n") - 1, len(content))
    return content


def _types(site: Site, table: str, names: list[str]) -> dict[str, str]:
    from include.engine.snapshot import TYPES

    there = {column.name.lower(): column.type for column in site.warehouse.columns(table)}
    lacking = [name for name in names if name.lower() not in there]
    if lacking:
        known = ", ".join(sorted(there)[:50])
        message = f"table {table} lacks the columns {', '.join(lacking)}; it has: {known}"
        raise TerminalFailure(f"enrich.with: {message}. Name them there as in the contract, by a view for example.")
    types = {name: there[name.lower()] for name in names}
    for name, type_ in types.items():
        if type_.removeprefix("ARRAY<").rstrip(">").partition("(")[0] not in TYPES:
            message = f"table {table}, column {name}: {type_} is no type that a reference may have"
            raise TerminalFailure(f"enrich.with: {message}; convert it, or take its parts, in a view.")
    return types

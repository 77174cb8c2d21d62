"""Staging tables: what transforms wrote, where a transaction can read it; they expire by themselves."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from include.crashpoints import boundary

if TYPE_CHECKING:
    from google.cloud.bigquery import SchemaField

    from include.engine.account import Manifest
    from include.ledger.drift import Drift
    from landfall.gcp.landing import Site

log = logging.getLogger(__name__)


def read_manifest(site: Site, uri: str) -> Manifest:
    """Read what a transform published."""
    from include.engine.account import Manifest

    return Manifest.from_json(site.storage.read(uri))


def stage_rows(site: Site, manifests: Mapping[int, Manifest], table: str, drift: Drift) -> str:
    """Stage the good parts; those with the same columns together. Returns what to select the rows from."""
    from include.ledger.drift import union_sql
    from include.ledger.tables import FILE_ID, RECORD

    groups: dict[tuple[str, ...], list[str]] = {}
    for manifest in manifests.values():
        if manifest.good:
            groups.setdefault(tuple(column.name for column in manifest.evolved), []).extend(manifest.good)
    staged = {}
    for number, (new, uris) in enumerate(groups.items()):
        name = f"{table}_{number}" if number else table
        staged[stage(site, uris, name, _row_schema(site, new))] = new
    columns = [*(column.name for column in site.dataset.columns), FILE_ID, RECORD]
    return union_sql(staged, columns, [item.column.name for item in drift.evolved])


def stage(site: Site, uris: Sequence[str], table: str, schema: Sequence[SchemaField] = ()) -> str:
    """Load Parquet parts into a staging table; returns its quoted name, or nothing where there are no parts.

    Without a schema the parts' own is taken.
    """
    if not uris:
        return ""
    full = f"{site.ledger.project}.{site.ledger.staging_dataset}.{table}"
    with boundary("load.stage"):
        rows = site.warehouse.load_parquet(uris, full, schema, f"landfall-{table.replace('_', '-')}")
    log.info("staged %d rows of %d parts in %s", rows, len(uris), table)
    return site.ledger.staging(table)


def _row_schema(site: Site, evolved: Sequence[str]) -> list[SchemaField]:
    from google.cloud.bigquery import SchemaField

    from include.ledger.commit import staging_type
    from include.ledger.tables import FILE_ID, RECORD

    fields = []
    for column in site.dataset.columns:
        repeated = column.kind == "array" and column.items is not None
        type_ = staging_type(column.items) if repeated and column.items else staging_type(column)
        fields.append(_field(column.name, type_, "REPEATED" if repeated else "NULLABLE"))
    fields += [SchemaField(name, "STRING") for name in evolved]
    return [*fields, SchemaField(FILE_ID, "STRING"), SchemaField(RECORD, "INT64")]


def _field(name: str, type_: str, mode: str) -> SchemaField:
    """Make a field of a GoogleSQL type; NUMERIC(10, 2) is written as type, precision and scale."""
    import re

    from google.cloud.bigquery import SchemaField

    decimal = re.fullmatch(r"(\w+)\((\d+), (\d+)\)", type_)
    if decimal is None:
        return SchemaField(name, type_, mode=mode)
    return SchemaField(name, decimal.group(1), mode=mode, precision=int(decimal.group(2)), scale=int(decimal.group(3)))

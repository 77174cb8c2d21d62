"""What a contract, and the files, ask of a target table that is there already: what is added, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from include.engine.account import EvolvedColumn, Manifest
from include.ledger.tables import FILE_ID, LOADED_AT, RECORD, Ledger, target
from include.spec.columns import Column
from include.spec.dataset import Dataset

_OURS: Final = frozenset((FILE_ID, RECORD, LOADED_AT))
_DECIMAL: Final = re.compile(r"(NUMERIC|BIGNUMERIC)(?:\((\d+)(?:, (\d+))?\))?")
_LEGACY: Final = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}
# digits before the point, digits after it, of the types without a precision
_BARE: Final = {"NUMERIC": (29, 9), "BIGNUMERIC": (38, 38)}


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table as the warehouse has it.

    Args:
        type: as GoogleSQL writes it.
        required: it takes no null.
    """

    name: str
    type: str
    required: bool = False

    @classmethod
    def of(
        cls, name: str, type_: str, mode: str, precision: int | None = None, scale: int | None = None
    ) -> TableColumn:
        """Make a column of what BigQuery's API says of a field."""
        made = _LEGACY.get(type_, type_)
        if precision is not None:
            made += f"({precision}, {scale or 0})"
        return cls(name, f"ARRAY<{made}>" if mode == "REPEATED" else made, mode == "REQUIRED")


@dataclass(frozen=True, slots=True)
class TargetEvolved:
    """A new column of the files as the target has it.

    Args:
        type: STRING or JSON, as the target's column is or will be.
        missing: the target does not have it yet.
        first: no commit of the dataset brought it before; it is told to people once.
    """

    column: EvolvedColumn
    type: str
    missing: bool
    first: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """How a target table differs from what is to be loaded.

    Args:
        added: the contract's columns that the table lacks.
        evolved: the files' columns that the contract lacks.
        changes: DDL that the table needs, each a clause of ALTER TABLE.
        cleared: columns that earlier files brought and these do not: null in a row that is merged.
        refused: why nothing may be loaded, a sentence each.
    """

    added: tuple[Column, ...] = ()
    evolved: tuple[TargetEvolved, ...] = ()
    changes: tuple[str, ...] = ()
    cleared: tuple[TableColumn, ...] = ()
    refused: tuple[str, ...] = ()


def find_drift(
    dataset: Dataset,
    table: Sequence[TableColumn],
    evolved: Iterable[EvolvedColumn] = (),
    before: Collection[str] = (),
) -> Drift:
    """Compare a contract and the files' new columns with the table.

    A new column is added where it may be null. A decimal that becomes wider and a column that need no longer be there
    are changed in the table. A type that changes or narrows, and a column that becomes required, are refused: rows
    that are in the table would not keep the contract. Columns that the contract lost stay, and are null in new rows.

    Args:
        dataset: its columns are the contract's.
        table: the target's columns.
        evolved: the columns that files bring besides.
        before: the names of those that earlier commits of the dataset brought.
    """
    there = {column.name.lower(): column for column in table}
    added = [column for column in dataset.columns if column.name.lower() not in there]
    refused = [_required(column) for column in added if column.required and column.kind != "array"]
    changes: list[str] = []
    for column in dataset.columns:
        if (theirs := there.get(column.name.lower())) is not None:
            refused += _refusals(column, theirs)
            changes += _changes(column, theirs)
    lost = there.keys() - {column.name.lower() for column in dataset.columns} - _OURS
    changes += [f"ALTER COLUMN `{there[name].name}` DROP NOT NULL" for name in sorted(lost) if there[name].required]
    new = [_evolved(column, there.get(column.name), column.name not in before) for column in evolved]
    refused += [_foreign(item, there[item.column.name]) for item in new if item.type not in ("STRING", "JSON")]
    cleared = sorted(lost & set(before) - {item.column.name for item in new})
    return Drift(tuple(added), tuple(new), tuple(changes), tuple(there[name] for name in cleared), tuple(refused))


def _required(column: Column) -> str:
    return (
        f"{column.name}: the contract has a new column {column.bigquery_type} NOT NULL, which rows that are in the"
        " table do not have. Leave out `required`, or fill a new table."
    )


def _refusals(ours: Column, theirs: TableColumn) -> list[str]:
    shown = f"{ours.name}: the table has {_shown(theirs)}, the contract {ours.bigquery_type}"
    shown += " NOT NULL" if ours.required and ours.kind != "array" else ""
    fix = "Take the change back, give the column a new name, or load a new table."
    if not _holds(ours.bigquery_type, theirs.type):
        return [f"{shown}: not every value in the table fits. {fix}"]
    if ours.required and ours.kind != "array" and not theirs.required:
        return [f"{shown}: rows that are in the table may have no value. {fix}"]
    return []


def _shown(column: TableColumn) -> str:
    return f"{column.type} NOT NULL" if column.required else column.type


def _holds(new: str, old: str) -> bool:
    """Whether a type holds every value of another, so that BigQuery changes a column from the old to the new."""
    wide, narrow = _digits(new), _digits(old)
    if wide is None or narrow is None:
        return new == old
    fits = wide[0] >= narrow[0] and wide[1] >= narrow[1]
    return fits and (new.startswith("BIG") or not old.startswith("BIG"))


def _digits(type_: str) -> tuple[int, int] | None:
    found = _DECIMAL.fullmatch(type_)
    if found is None:
        return None
    if found[2] is None:
        return _BARE[found[1]]
    scale = int(found[3] or 0)
    return int(found[2]) - scale, scale


def _changes(ours: Column, theirs: TableColumn) -> list[str]:
    changes = []
    if _digits(ours.bigquery_type) != _digits(theirs.type) or ours.bigquery_type[:3] != theirs.type[:3]:
        changes.append(f"ALTER COLUMN `{theirs.name}` SET DATA TYPE {ours.bigquery_type}")
    if theirs.required and not ours.required:
        changes.append(f"ALTER COLUMN `{theirs.name}` DROP NOT NULL")
    return changes


def _evolved(column: EvolvedColumn, theirs: TableColumn | None, first: bool) -> TargetEvolved:
    return TargetEvolved(column, theirs.type if theirs else column.type, theirs is None, first)


def _foreign(item: TargetEvolved, theirs: TableColumn) -> str:
    sources = ", ".join(item.column.sources)
    return (
        f"{item.column.name}: the table has {_shown(theirs)}, the contract nothing, and files bring a field {sources}"
        " of that name. Add the column to the contract, or map the field's name with `format.rename`."
    )


def alter_sql(dataset: Dataset, ledger: Ledger, drift: Drift) -> str:
    """Return the DDL that lets the target take what is to be loaded; nothing where it can already.

    It can be run again and again, and must run before the transaction, in which BigQuery allows no permanent DDL.
    """
    columns = [(column.name, column.bigquery_type, column.description) for column in drift.added]
    columns += [
        (item.column.name, item.type, f"not in the contract; files call it {item.column.sources[0]}"[:1000])
        for item in drift.evolved
        if item.missing
    ]
    clauses = [f"ADD COLUMN IF NOT EXISTS `{name}` {kind}{_described(text)}" for name, kind, text in columns]
    table = target(dataset, ledger)
    # One statement for all: BigQuery takes five changes of a table in ten seconds.
    adding = [", ".join(clauses)] if clauses else []
    return "\n".join(f"ALTER TABLE {table} {clause};" for clause in (*adding, *drift.changes))


def _described(text: str) -> str:
    import json

    return f" OPTIONS(description={json.dumps(text)})" if text else ""


def joined(manifests: Mapping[int, Manifest], loaded: Iterable[str]) -> tuple[EvolvedColumn, ...]:
    """Return the new columns of the files that are loaded, over all batches, in the order of their names.

    Args:
        manifests: batch number to manifest.
        loaded: ids of the files that are admitted.
    """
    admitted = frozenset(loaded)
    found: dict[str, EvolvedColumn] = {}
    for _, manifest in sorted(manifests.items()):
        for column in manifest.evolved:
            files = tuple(file for file in column.files if file in admitted)
            if files:
                own = EvolvedColumn(column.name, column.type, column.sources, files)
                found[column.name] = found[column.name].joined(own) if column.name in found else own
    return tuple(found[name] for name in sorted(found))


def record_of(manifest: Manifest, drift: Drift) -> list[dict[str, Any]]:
    """Return what the ledger keeps of a batch's new columns: name, type, sources, files, whether it is the first."""
    own = {column.name: column for column in manifest.evolved}
    return [
        {
            "column": item.column.name,
            "type": item.type,
            "sources": list(own[item.column.name].sources),
            "files": [file for file in own[item.column.name].files if file in item.column.files],
            "first": item.first,
        }
        for item in drift.evolved
        if item.column.name in own and set(own[item.column.name].files) & set(item.column.files)
    ]


def union_sql(tables: Mapping[str, Iterable[str]], columns: Sequence[str], evolved: Sequence[str]) -> str:
    """Return the rows of several staging tables as one source, a new column null where a table lacks it.

    Args:
        tables: quoted name of each staging table to the new columns that it has.
        columns: columns that all of them have.
        evolved: every new column.
    """
    parts = []
    for table, own in tables.items():
        has = frozenset(own)
        new = [f"`{name}`" if name in has else f"CAST(NULL AS STRING) AS `{name}`" for name in evolved]
        parts.append(f"SELECT {', '.join([*(f'`{name}`' for name in columns), *new])} FROM {table}")
    return f"({' UNION ALL '.join(parts)})" if len(tables) > 1 else next(iter(tables), "")

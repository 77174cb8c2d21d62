"""What is left of files that are gone: the bytes of their records in quarantine, and why some cannot be read so."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from include.engine.account import Opening
from include.engine.kept import RAW_LIMIT, around, has_bytes
from include.spec.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of one file, as far as its records were chosen.

    Args:
        records: number to what the function needs of a record: line, bytes in base64, name of the key they are under.
        opening: what the ledger kept of the file's beginning, as JSON has it; None: nothing.
        lost: why records cannot be read, to their numbers.
        later: numbers of those that did not fit.
    """

    records: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    opening: Mapping[str, str] | None = None
    lost: Mapping[str, list[int]] = field(default_factory=dict)
    later: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a selection of records holds it."""
        records = [{"number": number, **record} for number, record in sorted(self.records.items())]
        return {"records": records, "opening": self.opening}


def left_over(
    dataset: Dataset, files: Mapping[str, Iterable[int]], rows: Iterable[Mapping[str, Any]]
) -> dict[str, Left]:
    """Sort what is left of files that are gone.

    Args:
        dataset: as it is today.
        files: file id to the numbers of its chosen records.
        rows: of `kept_sql`; none where the format's records have no bytes.
    """
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["file_id"], {})[row["record"]] = row
    return {name: _left(dataset, numbers, found.get(name, {})) for name, numbers in files.items()}


def _left(dataset: Dataset, numbers: Iterable[int], rows: Mapping[int, Mapping[str, Any]]) -> Left:
    opening = next((json.loads(row["opening"]) for row in rows.values() if row["opening"]), None)
    surroundings = around(dataset, Opening(**opening) if opening else None)
    # Of a file without a row it is not known how it began: its records did not fit.
    if isinstance(surroundings, str) and (rows or not has_bytes(dataset)):
        return Left(lost={surroundings: list(numbers)})
    records: dict[int, Mapping[str, Any]] = {}
    lost: dict[str, list[int]] = {}
    later = []
    for number in numbers:
        row = rows.get(number)
        if row is None:
            later.append(number)
            continue
        if why := _why_lost(row):
            lost.setdefault(why, []).append(number)
        else:
            raw = b64encode(row["raw"]).decode()
            records[number] = {"line": row["line"], "raw": raw, "key": row["key_id"]}
    return Left(records, opening, lost, tuple(later))


def _why_lost(row: Mapping[str, Any]) -> str:
    if row["raw"] is not None:
        return ""
    if row["byte_length"] > RAW_LIMIT:
        return f"it is longer than {RAW_LIMIT:,} bytes; of such a record the quarantine keeps none"
    return (
        "the quarantine holds no bytes of it: it was longer than `format.max_record`, or it was put aside while columns"
        " were masked and LANDFALL_RAW_KEY was not set"
    )

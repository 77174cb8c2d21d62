"""What a run's manifests say, as the ledger's rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from include.engine.account import FileAccount, Manifest
from include.ledger.completeness import LATE
from include.ledger.drift import Drift, record_of
from include.ledger.plan import Plan, PlannedFile
from include.ledger.states import FileState
from include.ledger.tables import COUNTS

FILE_TYPES = {
    "file_id": "STRING", "bucket": "STRING", "name": "STRING", "generation": "INT64", "checksum": "STRING",
    "size": "INT64", "released": "BOOL", "state": "STRING", "reason": "STRING", "batch_id": "STRING", "place": "INT64",
    "voucher": "STRING", "vouched_at": "TIMESTAMP", "late": "BOOL", "again": "BOOL", "opening": "STRING",
    **dict.fromkeys(COUNTS, "INT64"),
}  # fmt: skip
BATCH_TYPES = {
    "batch_id": "STRING", "commit_id": "STRING", "target": "STRING", "mode": "STRING", "files": "INT64",
    "manifest": "STRING", "rules": "STRING", "evolved": "STRING", **dict.fromkeys(COUNTS, "INT64"),
}  # fmt: skip

# Characters of openings in one commit, whose query may have 10 MB with all its parameters.
_MOST_OPENINGS = 2_000_000


def file_rows(plan: Plan, manifests: Mapping[int, Manifest], *, whole_sets: bool) -> list[dict[str, Any]]:
    """Return a row for each file of the batches, in the order in which they are to be applied.

    Openings beyond the room that a commit has for them are left out: once such a file is gone, its records are lost.

    Args:
        plan: the run's plan.
        manifests: batch number to manifest, for the batches that were transformed.
        whole_sets: a batch is one set, loaded as a whole or not at all (replace_partition): where one of its files
            is held, all are.
    """
    rows: list[dict[str, Any]] = []
    room = _MOST_OPENINGS
    for number, manifest in sorted(manifests.items()):
        batch = plan.batches[number]
        accounts = {account.file_id: account for account in manifest.files}
        held = [account.uri for account in manifest.files if account.state == "held"]
        for file in batch.files:
            row = _file_row(file, accounts[file.file_id], batch.batch_id, place=len(rows))
            if whole_sets and held and not batch.late and row["state"] == FileState.LOADED:
                reason = f"set_incomplete: {held[0]} of the same set is held; the set is loaded as a whole"
                row |= {"state": FileState.HELD.value, "reason": reason, **all_quarantined(row["records"])}
            room -= len(row["opening"] or "")
            if room < 0:
                row["opening"] = None
            rows.append(row)
    return rows


def batch_rows(
    plan: Plan,
    manifests: Mapping[int, Manifest],
    uris: Mapping[int, str],
    commit: str,
    files: list[dict[str, Any]],
    drift: Drift,
) -> list[dict[str, Any]]:
    """Return a row for each batch; its counts are the sums over its files' rows."""
    load = plan.dataset["pipeline"]["load"]
    rows = []
    for number, manifest in sorted(manifests.items()):
        name = plan.batches[number].batch_id
        own = [row for row in files if row["batch_id"] == name]
        evolved = record_of(manifest, drift)
        rows.append({
            "batch_id": name, "commit_id": commit, "target": load["table"], "mode": load["mode"], "files": len(own),
            "manifest": uris[number], "rules": json.dumps(dict(manifest.rules), sort_keys=True),
            "evolved": json.dumps(evolved, ensure_ascii=False) if evolved else None,
            **{count: sum(row[count] for row in own) for count in COUNTS},
        })  # fmt: skip
    return rows


def _file_row(file: PlannedFile, account: FileAccount, batch_id: str, place: int) -> dict[str, Any]:
    accepted = account.state == "accepted"
    return {
        **file.model_dump(exclude={"promised"}),
        "batch_id": batch_id,
        "state": (FileState.LOADED if accepted else FileState.HELD).value,
        "reason": f"{account.reason.code}: {account.reason.message}" if account.reason else _late_reason(file),
        "place": place,
        "opening": json.dumps(asdict(account.opening)) if accepted and account.opening else None,
        **{count: getattr(account, count) for count in COUNTS},
    }


def _late_reason(file: PlannedFile) -> str | None:
    return f"{LATE}: it came after its set; its rows were added to the partition" if file.late else None


def all_quarantined(records: int) -> dict[str, int]:
    """Return the counts of a file of which nothing is loaded."""
    return {**dict.fromkeys(COUNTS, 0), "records": records, "quarantined": records}

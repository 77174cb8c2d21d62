"""Sets whose days a newer set has replaced: they come late, whenever they were planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from include.ledger.accounts import all_quarantined
from include.ledger.completeness import LATE
from include.ledger.states import FileState
from include.ledger.tables import FILE_ID, Ledger, partition_sql, target
from include.spec.dataset import Dataset


def overtaken_sql(dataset: Dataset, ledger: Ledger, rows: str) -> str:
    """Return the script that finds sets of which a newer one has brought a day: voucher, day, newer.

    The newer one may be in the table, or come with the same commit. Parameters: @dataset, @files.

    Args:
        rows: what to select the staged rows from.
    """
    assert dataset.partition is not None
    # The days in a variable, so that no partition of the target is read but these.
    days = f"SELECT ARRAY_AGG(DISTINCT {partition_sql(dataset.partition)}) FROM {rows}"
    return (
        f"DECLARE days ARRAY<DATE> DEFAULT ({days});\n"
        f"SELECT voucher, MIN(day) AS day, MAX(newer) AS newer FROM ({overtaken_query(dataset, ledger, rows)})"
        " GROUP BY voucher;"
    )


def overtaken_query(dataset: Dataset, ledger: Ledger, rows: str) -> str:
    """Return the query for voucher, day and newer, the voucher of a newer set that has brought the day as well.

    It needs the script variable `days` and the parameters @dataset and @files.

    Args:
        rows: what to select the staged rows from.
    """
    assert dataset.partition is not None
    day = partition_sql(dataset.partition)
    mine = (
        f"SELECT DISTINCT f.voucher, f.vouched_at, {day} AS day FROM {rows} AS s JOIN UNNEST(@files) AS f"
        f" ON f.file_id = s.{FILE_ID} WHERE f.state = 'loaded' AND NOT f.late AND f.vouched_at IS NOT NULL"
    )
    there = (
        f"SELECT DISTINCT c.voucher, c.vouched_at, t.day FROM (SELECT DISTINCT {FILE_ID}, {day} AS day"
        f" FROM {target(dataset, ledger)} WHERE {day} IN UNNEST(days)) AS t"
        f" JOIN {ledger.table('files')} AS c ON c.file_id = t.{FILE_ID}"
        " WHERE c.dataset = @dataset AND c.state = 'loaded' AND c.vouched_at IS NOT NULL"
    )
    return (
        f"SELECT m.voucher, m.day, o.voucher AS newer FROM ({mine}) AS m"
        f" JOIN ({mine} UNION ALL {there}) AS o ON o.day = m.day AND o.vouched_at > m.vouched_at"
    )


def settle_overtaken(
    files: Sequence[dict[str, Any]],
    found: Iterable[Mapping[str, Any]],
    policy: Literal["hold", "load"],
) -> list[dict[str, Any]]:
    """Hold the files of sets that a newer one overtook, or let their rows be added: as the policy or a release says.

    Args:
        files: the ledger's rows of a commit.
        found: what `overtaken_sql` found.
        policy: `load.late`.
    """
    overtaken = {row["voucher"]: row for row in found}
    settled = []
    for file in files:
        row = overtaken.get(file["voucher"])
        if row is None or file["state"] != FileState.LOADED:
            settled.append(file)
            continue
        newer = row["newer"].rpartition("#")[0]
        reason = f"{LATE}: the newer set of {newer} has replaced {row['day']}"
        if policy == "load" or file["released"]:
            settled.append({**file, "late": True, "reason": f"{reason}; its rows were added"})
            continue
        advice = "Deliver the folder again, or release its files to add their rows."
        held = {"state": FileState.HELD.value, "reason": f"{reason}. {advice}"}
        settled.append({**file, **held, **all_quarantined(file["records"])})
    return settled

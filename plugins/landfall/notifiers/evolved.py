"""Tells a dataset's channels that its table has new columns: those of its contract, and those that files brought."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from include.spec.dataset import Dataset
from landfall.notifiers.alert import alert_from_context, reason_of
from landfall.notifiers.channels import channels
from landfall.notifiers.deliver import deliver


def tell_evolved(
    context: Mapping[str, Any], dataset: Dataset, evolved: Iterable[Mapping[str, Any]], added: Sequence[str]
) -> int:
    """Tell each channel once of all columns that a run added; return how many were told.

    Args:
        context: of the task that tells.
        dataset: the table's dataset.
        evolved: columns that the contract does not know, as the ledger's `evolved` has them.
        added: names of columns that the contract got since the last run.
    """
    brought: dict[tuple[str, str], set[str]] = {}
    for item in evolved:
        if item["first"]:
            brought.setdefault((item["column"], item["type"]), set()).update(item["sources"])
    lines = [
        f"{name} {kind}: not in the contract; files call it {', '.join(sorted(sources))}"
        for (name, kind), sources in sorted(brought.items())
    ]
    lines += [f"{name}: new in the contract" for name in added]
    if not lines:
        return 0
    table = dataset.pipeline.load.table
    advice = "add what is to stay to the contract" if brought else "rows loaded before have no value there"
    reason = f"{table} has {len(lines)} new columns; {advice}\n" + "\n".join(lines)
    alert = dataclasses.replace(alert_from_context(context, dataset.name), kind="evolved", reason=reason_of(reason))
    return deliver(alert, channels(dataset.contract.support, dataset.pipeline.notify))

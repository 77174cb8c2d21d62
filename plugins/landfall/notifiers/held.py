"""Tells a dataset's channels that files are held: nothing of them is loaded until a person has looked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from include.spec.dataset import Dataset
from landfall.notifiers.alert import alert_from_context, reason_of
from landfall.notifiers.channels import channels
from landfall.notifiers.deliver import deliver


def tell_held(context: Mapping[str, Any], dataset: Dataset, held: Mapping[str, str]) -> int:
    """Tell each channel once of all files that a run holds; return how many were told.

    Args:
        context: of the task that tells.
        dataset: the files' dataset.
        held: address of each file to the reason for which it is held.
    """
    reasons = "\n".join(f"{uri}: {reason}" for uri, reason in sorted(held.items()))
    alert = dataclasses.replace(
        alert_from_context(context, dataset.name),
        kind="held",
        reason=reason_of(
            f"{len(held)} files are held, nothing of them is loaded; mend them and land them again\n{reasons}"
        ),
        files=tuple(sorted(held)),
    )
    return deliver(alert, channels(dataset.contract.support, dataset.pipeline.notify))

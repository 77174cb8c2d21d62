"""Tells a dataset's channels that new versions of loaded files were turned away."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from include.spec.dataset import Dataset
from landfall.notifiers.alert import alert_from_context, reason_of
from landfall.notifiers.channels import channels
from landfall.notifiers.deliver import deliver


def tell_redelivered(context: Mapping[str, Any], dataset: Dataset, files: Sequence[str]) -> int:
    """Tell each channel once of all files that a run turned away; return how many were told.

    Args:
        context: of the task that tells.
        dataset: the files' dataset.
        files: their addresses.
    """
    reason = (
        f"{len(files)} files are new versions of loaded ones and were not loaded, as `load.redelivered` is `skip`;"
        " they are in the archive bucket, below their generation\n" + "\n".join(sorted(files))
    )
    alert = dataclasses.replace(
        alert_from_context(context, dataset.name),
        kind="redelivered",
        reason=reason_of(reason),
        files=tuple(sorted(files)),
    )
    return deliver(alert, channels(dataset.contract.support, dataset.pipeline.notify))

"""Tells a dataset's channels of files that no run takes any more: dead letters, and those that a person rejected."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from include.spec.dataset import Dataset
from landfall.notifiers.alert import alert_from_context, reason_of
from landfall.notifiers.channels import channels
from landfall.notifiers.deliver import deliver


def tell_dead_lettered(context: Mapping[str, Any], dataset: Dataset, dead: Mapping[str, str]) -> int:
    """Tell each channel once of all files that have failed too often; return how many were told.

    Args:
        context: of the task that tells.
        dataset: the files' dataset.
        dead: address of each file to its last failure and what to do.
    """
    what = f"{len(dead)} files failed too often and were put aside; no run tries them again until a person wants it"
    return _tell(context, dataset, "dead_lettered", what, dead)


def tell_rejected(context: Mapping[str, Any], dataset: Dataset, rejected: Mapping[str, str]) -> int:
    """Tell each channel once of all files that a person rejected; return how many were told.

    Args:
        context: of the task that tells, or nothing.
        dataset: the files' dataset.
        rejected: address of each file to the reason given.
    """
    what = f"{len(rejected)} files were rejected by a person and are in the archive, below their generation"
    return _tell(context, dataset, "rejected", what, rejected)


def _tell(context: Mapping[str, Any], dataset: Dataset, kind: str, what: str, files: Mapping[str, str]) -> int:
    reasons = "\n".join(f"{uri}: {reason}" for uri, reason in sorted(files.items()))
    alert = dataclasses.replace(
        alert_from_context(context, dataset.name),
        kind=kind,
        reason=reason_of(f"{what}\n{reasons}"),
        files=tuple(sorted(files)),
    )
    return deliver(alert, channels(dataset.contract.support, dataset.pipeline.notify))

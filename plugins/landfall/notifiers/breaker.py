"""Tells a dataset's channels that a service is not called any more because it is down, and that it answers again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from include.breaker import State
from include.spec.dataset import Dataset
from landfall.notifiers.alert import alert_from_context, reason_of
from landfall.notifiers.channels import channels
from landfall.notifiers.deliver import deliver


def tell_breaker(dataset: Dataset, service: str, state: State, *, up: bool) -> int:
    """Tell each channel once; return how many were told.

    Args:
        dataset: the dataset whose task opened or closed the breaker, which is shared by all.
        service: its name, for people.
        state: the breaker's state while it was open.
        up: the service answers again.
    """
    since = datetime.fromtimestamp(state.since, UTC)
    if up:
        reason = f"{service} answers again; it was down since {since:%Y-%m-%d %H:%M:%S} UTC. Nothing is to be done"
    else:
        reason = (
            f"{service} is down; tasks of all datasets that need it fail at once and are tried again. One of them asks"
            f" it every now and then. Look at the service's status page. Last outage: {state.reason}"
        )
    alert = dataclasses.replace(
        alert_from_context(_context(), dataset.name),
        kind="service_up" if up else "service_down",
        reason=reason_of(reason),
        when=datetime.now(UTC),
    )
    return deliver(alert, channels(dataset.contract.support, dataset.pipeline.notify))


def _context() -> Mapping[str, Any]:
    """The context of the task that runs; none where no task does."""
    from airflow.sdk import get_current_context

    try:
        context: Mapping[str, Any] = get_current_context()
    except RuntimeError:
        return {}
    return context

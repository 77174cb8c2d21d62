"""Tells a dataset's channels that a run has missed its deadline.

For `SyncCallback("landfall.notifiers.deadline.deadline_missed", kwargs=deadline_kwargs(…))` in a DeadlineAlert:
Airflow knows it from 3.3 on. The callback runs in a process of the executor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from include.spec.pipeline import Notify

if TYPE_CHECKING:
    from landfall.notifiers.alert import Alert


def deadline_kwargs(*, dataset: str, channels: Sequence[Notify]) -> dict[str, Any]:
    """Return the `kwargs` for SyncCallback: plain data, the same at every parse."""
    from landfall.notifiers.channels import to_plain

    return {"dataset": dataset, "channels": to_plain(channels)}


def deadline_missed(
    *, dataset: str, channels: Sequence[Sequence[str]], context: Mapping[str, Any] | None = None
) -> int:
    """Tell each channel once that a run is late; return how many were told.

    Args:
        dataset: the dataset's name.
        channels: triples as `deadline_kwargs` makes them.
        context: what Airflow adds: `dag_run` as its API shows one, and `deadline` with id and deadline_time.
    """
    from landfall.notifiers.channels import from_plain
    from landfall.notifiers.deliver import deliver

    return deliver(_alert(dataset, context or {}), from_plain(channels))


def _alert(dataset: str, context: Mapping[str, Any]) -> Alert:
    from landfall.notifiers.alert import Alert

    run = context.get("dag_run") or {}
    dag_id, run_id = str(run.get("dag_id", "")), str(run.get("dag_run_id", ""))
    state = str(run.get("state") or "unknown")
    needed_by = (context.get("deadline") or {}).get("deadline_time", "its deadline")
    return Alert(
        kind="deadline_missed",
        dataset=dataset,
        dag_id=dag_id,
        run_id=run_id,
        reason=f"the run had not ended by {needed_by}; its state is {state}",
        log_url=_run_url(dag_id, run_id) if dag_id and run_id else "",
        when=datetime.now(UTC),
    )


def _run_url(dag_id: str, run_id: str) -> str:
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="http://localhost:8080/")
    return f"{base.rstrip('/')}/dags/{dag_id}/runs/{quote(run_id)}"

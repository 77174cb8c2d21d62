"""The plan of a run in the work bucket: written once, read by every task that comes after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from include.crashpoints import boundary

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.plan import Plan
    from landfall.gcp.landing import Site


def write_plan(site: Site, plan: Plan) -> str:
    """Write a run's plan; returns its address, which follows from the run."""
    from include.ledger.plan import plan_name

    uri = site.work_uri(plan_name(plan.run_id))
    with boundary("plan.plan"):
        site.storage.write(uri, plan.model_dump_json(indent=1).encode())
    return uri


def read_plan(site: Site, uri: str) -> Plan:
    """Read a run's plan."""
    from include.ledger.plan import Plan

    return Plan.model_validate_json(site.storage.read(uri))


def transformed(
    site: Site, context: Context, task: str, results: Iterable[Mapping[str, Any] | None] | None
) -> tuple[str, Plan, dict[int, str]]:
    """Return the plan's address, the plan, and batch number to manifest of the batches whose transform ended well.

    Args:
        task: the id of the task that wrote the plan.
        results: what the transforms returned; nothing of one that failed.
    """
    uri = context["ti"].xcom_pull(task_ids=task)[0]["plan"]
    done = {result["batch"]: result["manifest"] for result in results or () if result}
    return uri, read_plan(site, uri), done

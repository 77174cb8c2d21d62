"""What of a cloud's environment a test takes over."""

from __future__ import annotations

from collections.abc import Mapping


def leading(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what leads clients to a cloud: Airflow's settings are the test process's own, but for connections."""
    return {n: v for n, v in environment.items() if not n.startswith("AIRFLOW_") or n.startswith("AIRFLOW_CONN_")}

"""What Airflow says of other runs of a DAG; tasks have no database, the Task SDK asks for them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)

# A tuple: Airflow gives an enum that equals its text, but has another hash.
_ENDED = ("success", "failed")


def has_ended(context: Mapping[str, Any], run_id: str) -> bool:
    """Whether a run of this task's DAG is known to have ended; False where nobody can tell.

    Args:
        context: of a task; below Airflow, without a DAG or with a task instance that cannot ask, nobody can tell.
        run_id: the other run.
    """
    import httpx
    from airflow.sdk.exceptions import AirflowRuntimeError

    ask = getattr(context["ti"], "get_dagrun_state", None)
    dag = context.get("dag")
    if ask is None or dag is None:
        return False
    try:
        return ask(dag_id=dag.dag_id, run_id=run_id) in _ENDED
    except (AirflowRuntimeError, httpx.HTTPError) as error:
        # Unknown, or not to be asked for now: the lease's time says when the files are free.
        log.info("the state of run %s is not known: %s", run_id, error)
        return False

"""What differs between the Airflow versions this project runs on, 3.1 and 3.3, and what is broken in both."""

from __future__ import annotations

from typing import Any

from airflow import __version__
from airflow.sdk import DAG, BaseOperator

try:
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

try:
    from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

    HAS_RETRY_POLICY = True
except ImportError:  # Airflow 3.1
    RetryDecision = RetryPolicy = object
    HAS_RETRY_POLICY = False

# A flag in Airflow 3.1, the factor in 3.3: there True is a factor of one, and every delay as long as the first.
DOUBLING: bool | float = True if isinstance(BaseOperator.retry_exponential_backoff, bool) else 2.0

# In Airflow 3.1 a deadline's callback runs in the triggerer only, to which Composer brings no code of ours, and a DAG
# with a deadline crashes `airflow dags test`.
HAS_DEADLINES = tuple(int(part) for part in __version__.split(".")[:2]) >= (3, 2)


class IngestDag(DAG):  # type: ignore[misc, unused-ignore]
    """A DAG whose deadline does not crash `airflow dags test`.

    Up to 3.3.1 the command crashes at the end of every successful run of a DAG with a deadline: it hands its own,
    unsaved DAG to `DagRun.update_state`, which looks the deadlines up by ids that only saving gives them
    (https://github.com/apache/airflow/issues/73428).
    """

    def test(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Airflow's own signature
        """Run the DAG in this process, without its deadline."""
        self.deadline = None
        return super().test(*args, **kwargs)


__all__ = [
    "DOUBLING", "HAS_DEADLINES", "HAS_RETRY_POLICY", "AirflowFailException", "AirflowSkipException", "IngestDag",
    "RetryDecision", "RetryPolicy", "TaskDeferred",
]  # fmt: skip

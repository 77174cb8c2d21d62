"""How long Airflow waits before it tries a task again; imported at parse, so it imports next to nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from include.backoff import Backoff
from include.spec.pipeline import Retry
from landfall.compat import DOUBLING, HAS_RETRY_POLICY, RetryDecision, RetryPolicy


class SpreadOut(RetryPolicy):  # type: ignore[misc, unused-ignore]
    """Delays of pipeline.yaml's `retry`, drawn for each mapped task by itself, and no shorter than a service asked for.

    Airflow's own draw (a hash of the task's name, its run and the try) is the same for all instances of a mapped task,
    so that two hundred batches would come back in the same second. What it cannot know is a Retry-After.

    Args:
        retry: the dataset's.
    """

    def __init__(self, retry: Retry) -> None:
        base = retry.base_delay.total_seconds()
        self.longest = retry.max_delay.total_seconds()
        self.backoff = Backoff(base=base, jitter=base, cap=self.longest)

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> Any:  # noqa: ANN401, ARG002 - Airflow's own signature
        """Return how long to wait; whether there is a try left is Airflow's to know."""
        asked = float(getattr(exception, "retry_after", 0.0))
        delay = min(self.backoff.delay(try_number, asked=asked), self.longest)
        return RetryDecision.retry(timedelta(seconds=delay), reason=f"tried again in {delay:.0f} s")


def retry_args(retry: Retry) -> dict[str, Any]:
    """Return the task arguments that say how often and when Airflow tries again.

    Airflow's own delay is base * 2^(try-1) plus up to as much again, capped. It counts where the policy cannot: on
    Airflow 3.1, and for a task whose process was killed.
    """
    own = {
        "retries": retry.attempts - 1,
        "retry_delay": retry.base_delay,
        "retry_exponential_backoff": DOUBLING,
        "max_retry_delay": retry.max_delay,
    }
    return {**own, "retry_policy": SpreadOut(retry)} if HAS_RETRY_POLICY else own

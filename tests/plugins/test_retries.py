"""When Airflow tries a task again: as pipeline.yaml says, on either Airflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.taskinstance import TaskInstance  # noqa: TID251 - its formula is what is tested

from include.spec.pipeline import Retry
from landfall.compat import HAS_RETRY_POLICY
from landfall.errors import TransientFailure
from landfall.retries import SpreadOut, retry_args

RETRY = Retry(attempts=6, base="10s", max="2m")
ENDED = datetime(2026, 1, 1, tzinfo=UTC)
needs_policy = pytest.mark.skipif(not HAS_RETRY_POLICY, reason="Airflow 3.1 has no retry policies")


def airflows_delay(try_number: int, **given: Any) -> float:
    """Seconds after which Airflow itself would try again."""
    task = SimpleNamespace(**{**retry_args(RETRY), **given})
    ti = SimpleNamespace(
        task=task, try_number=try_number, end_date=ENDED, retry_delay_override=None, dag_id="d", task_id="t",
        logical_date=ENDED,
    )  # fmt: skip
    delay: timedelta = TaskInstance.next_retry_datetime(ti) - ENDED
    return delay.total_seconds()


def test_airflows_own_delay_doubles_with_as_much_chance_again_and_is_capped() -> None:
    for number, least in enumerate((10, 20, 40, 80), start=1):
        assert least <= airflows_delay(number) <= min(2 * least, 120)
    assert airflows_delay(5) == 120


@needs_policy
def test_true_would_be_a_factor_of_one() -> None:
    assert [airflows_delay(number, retry_exponential_backoff=True) for number in (1, 2, 3)] == [10, 10, 10]


@needs_policy
def test_mapped_tasks_that_failed_together_do_not_come_back_together() -> None:
    policy = SpreadOut(RETRY)
    delays = {policy.evaluate(TransientFailure("x"), 1, 5).retry_delay for _ in range(200)}
    assert len(delays) > 150
    assert all(timedelta(seconds=10) <= delay <= timedelta(seconds=20) for delay in delays)


@needs_policy
@pytest.mark.parametrize(("asked", "least"), [(0.0, 10.0), (45.0, 45.0), (3_600.0, 120.0)])
def test_a_retry_after_is_waited_for_up_to_the_longest_delay(asked: float, least: float) -> None:
    decision = SpreadOut(RETRY).evaluate(TransientFailure("x", retry_after=asked), 1, 5)
    assert decision.retry_delay >= timedelta(seconds=least)
    assert decision.retry_delay <= timedelta(seconds=120)


@needs_policy
def test_the_tasks_of_a_dataset_have_it_the_mapped_one_too() -> None:
    from include.spec.dataset import load_dataset
    from include.spec.settings import DATASETS
    from landfall.dag import build_dag

    dag = build_dag(load_dataset(DATASETS / "orders"), {})
    assert {type(task.retry_policy) for task in dag.tasks} == {SpreadOut}

"""A DAG file that imports nothing but Airflow: less than this a task cannot cost."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, BaseOperator


class Trivial(BaseOperator):
    """Does nothing."""

    def execute(self, context: Any) -> None:
        """Do nothing."""


for number in range(int(os.environ.get("LANDFALL_BENCH_DAGS", "1"))):
    with DAG(dag_id=f"plain_{number:04}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        Trivial(task_id="trivial")

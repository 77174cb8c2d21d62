"""One DAG for every folder in include/datasets; of a broken folder a placeholder, tagged `broken`. Never raises."""

from __future__ import annotations

from airflow.sdk import DAG  # noqa: F401 - Airflow looks for these words before it parses a file

from landfall.generate import build_dags

globals().update(build_dags())

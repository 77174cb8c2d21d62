"""One DAG for every folder in include/datasets. It never raises: a broken folder is a placeholder DAG, tagged `broken`."""

from __future__ import annotations

from airflow.sdk import DAG  # noqa: F401 - Airflow looks for these words before it parses a file

from landfall.generate import build_dags

globals().update(build_dags())

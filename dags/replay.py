"""One DAG, `replay`: quarantined records are tried again under today's contract, as its form says."""

from __future__ import annotations

from airflow.sdk import DAG  # noqa: F401 - Airflow looks for these words before it parses a file

from landfall.replay import build_replay_dag

replay = build_replay_dag()

"""Names that stand elsewhere in Airflow 3.1, the older of the two images this project runs on."""

from __future__ import annotations

import sys

from airflow import __version__

try:
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
except ImportError:  # Airflow 3.1
    from airflow.exceptions import AirflowFailException, AirflowSkipException


def keeps_deadlines() -> bool:
    """Whether the Airflow that parses a DAG keeps the DAG's deadline.

    In Airflow 3.1 a deadline's callback runs in the triggerer only, to which Composer brings no code of ours. And up
    to 3.3.1 `airflow dags test` crashes at the end of every successful run of a DAG with a deadline: it hands its own,
    unsaved DAG to `DagRun.update_state`, which looks the deadlines up by ids that only saving
    gives them (https://github.com/apache/airflow/issues/73428).
    """
    version = tuple(int(part) for part in __version__.split(".")[:2])
    return version >= (3, 2) and sys.argv[1:3] != ["dags", "test"]


__all__ = ["AirflowFailException", "AirflowSkipException", "keeps_deadlines"]

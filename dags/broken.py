"""No DAGs: raises what is wrong in include/datasets, so that the UI shows it among the import errors.

Airflow keeps import errors by file and takes every DAG of such a file away; so they are raised here, not in ingest.py.
"""

from __future__ import annotations

from airflow.sdk import get_parsing_context

from include.spec.errors import SpecError
from landfall.generate import find_problems

# A task's process parses a DAG's own file only, and never needs this one.
if get_parsing_context().dag_id is None:
    problems = find_problems()
    if problems:
        raise SpecError(problems)

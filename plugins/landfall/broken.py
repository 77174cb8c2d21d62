"""What the UI shows of a dataset folder that is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator

from include.spec.errors import SpecError
from landfall.dag import START
from landfall.errors import TerminalFailure


class ReportProblems(BaseOperator):
    """Fail with the problems of a dataset folder.

    Args:
        problems: what is wrong, one line each.
    """

    def __init__(self, *, problems: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.problems = problems

    def execute(self, context: Any) -> None:  # noqa: ANN401, ARG002
        """Show what is wrong."""
        raise TerminalFailure(f"the dataset's folder is wrong; mend it, then `landfall check`:\n{self.problems}")


def placeholder_dag(name: str, error: SpecError) -> DAG:
    """Make the DAG that stands for a broken dataset folder: no schedule, one task, the errors in its documentation.

    It keeps the name of the real one, so that its history stays where people look for it.
    """
    problems = "\n".join(str(problem) for problem in error.problems)
    with DAG(
        dag_id=f"ingest_{name}",
        description="broken: see the documentation",
        schedule=None,
        start_date=START,
        catchup=False,
        tags=["broken", "landfall"],
        default_args={"owner": "landfall", "execution_timeout": timedelta(minutes=5)},
        doc_md=f"**This dataset's folder is wrong and nothing is loaded.**\n\n```\n{problems}\n```",
    ) as dag:
        ReportProblems(task_id="report_problems", problems=problems)
    return dag

"""The DAG that replays quarantined records of any dataset."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param
from airflow.sdk.bases.notifier import BaseNotifier

from include.spec.dataset import list_folders
from include.spec.durations import parse_duration
from include.spec.pipeline import Retry
from include.spec.settings import RUN_LIMIT, datasets_folder
from landfall.clouds import cloud_of
from landfall.retries import retry_args

_START = datetime(2026, 1, 1, tzinfo=UTC)
_TASK_LIMIT = timedelta(minutes=75)
_RUNS = 4
_DATASET = "{{ params.dataset }}"
_DOCUMENT = """
Tries quarantined records again under today's contract and loads those that pass, once. What fails again goes back to
quarantine with its new reasons. Nothing is changed unless **Dry run** is off; the log of `report`, and the object that
it names, say what would become of which record. Runs of datasets go on beside it.
"""


class NotifyReplayFailure(BaseNotifier):
    """Tells the channels of the dataset that is replayed; those are known when the task runs, not before."""

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:  # noqa: ANN401
        """Render nothing: there is no template."""

    def notify(self, context: Any) -> None:  # noqa: ANN401 - Airflow's Context is a TypedDict of its own
        """Send one alert to each channel; a try that will be repeated is no failure."""
        from include.spec.dataset import load_dataset
        from include.spec.errors import SpecError
        from landfall.notifiers.channels import channels
        from landfall.notifiers.failure import NotifyFailure

        name = str((context.get("params") or {}).get("dataset") or "")
        told = channels((), ())
        if name in {folder.name for folder in list_folders(datasets_folder())}:
            try:
                dataset = load_dataset(datasets_folder() / name, rules=False)
                told = channels(dataset.contract.support, dataset.pipeline.notify)
            except SpecError:
                pass  # the task failed for that very reason, and its message says so
        NotifyFailure(dataset=name or "replay", channels=told).notify(context)


def build_replay_dag(root: Path | None = None) -> DAG:
    """Make the DAG; its form proposes the datasets that there are."""
    names = [folder.name for folder in list_folders(root or datasets_folder())]
    with DAG(
        dag_id="replay",
        description="Tries quarantined records again under today's contract",
        schedule=None,
        start_date=_START,
        catchup=False,
        max_active_runs=_RUNS,
        tags=["landfall", "replay"],
        default_args={
            "owner": "landfall",
            **retry_args(Retry()),
            "execution_timeout": _TASK_LIMIT,
            "on_failure_callback": [NotifyReplayFailure()],
        },
        doc_md=_DOCUMENT.strip(),
        params=_form(names),
        dagrun_timeout=parse_duration(RUN_LIMIT),
    ) as dag:
        cloud = cloud_of("gs://")
        select = cloud.select()
        commit = cloud.commit(_DATASET, cloud.transform(_DATASET, select.output))
        commit >> cloud.report(_DATASET)
    return dag


def _form(datasets: Sequence[str]) -> dict[str, Param]:
    # Nullable: the UI takes any other field for one that must be filled in.
    def text(title: str, description: str, **more: Any) -> Param:  # noqa: ANN401 - of a JSON schema
        return Param(None, type=["null", "string"], title=title, description=description, **more)

    return {
        "dataset": text("Dataset", "whose records", examples=list(datasets)),
        "file": text("File", "an object's name, its address, or the end of its name; none: all"),
        "rule": text("Rule", "what they broke: `type`, or with its column, `type.price`; none: any"),
        "column": text("Column", "the column that a reason is about; none: any"),
        "since": text("Since", "quarantined then or later", format="date-time"),
        "until": text("Until", "quarantined before", format="date-time"),
        "limit": Param(
            10_000, type=["null", "integer"], minimum=1, maximum=100_000, title="Limit", description="most records"
        ),
        "whole_files": Param(
            False, type=["null", "boolean"], title="Whole files",
            description="also release files that are held, and retry dead letters, as File and Rule say",
        ),
        "dry_run": Param(
            True, type=["null", "boolean"], title="Dry run", description="say what would become of them; change nothing"
        ),
    }  # fmt: skip

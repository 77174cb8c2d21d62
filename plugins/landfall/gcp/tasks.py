"""Google Cloud's tasks: the operators that `landfall.clouds.Cloud` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landfall.gcp.archive import ArchiveFiles
from landfall.gcp.load import LoadBatches
from landfall.gcp.new_files import WaitForFiles
from landfall.gcp.plan import PlanRun
from landfall.gcp.replay_tasks import CommitReplay, ReportReplay, SelectRecords
from landfall.gcp.transform import TransformBatch
from landfall.gcp.verify import VerifyLoad

if TYPE_CHECKING:
    from airflow.sdk import Asset, BaseOperator, XComArg


def wait(dataset: str, **settings: Any) -> BaseOperator:  # noqa: ANN401 - Airflow's own task arguments
    """Wait for files in Cloud Storage."""
    return WaitForFiles(task_id="wait_for_files", dataset=dataset, mode="reschedule", **settings)


def plan(dataset: str) -> BaseOperator:
    """Pin and pack files of Cloud Storage."""
    return PlanRun(task_id="plan", dataset=dataset)


def transform(dataset: str, batches: XComArg) -> XComArg:
    """Transform on Cloud Functions, one mapped task a batch."""
    mapped = TransformBatch.partial(
        task_id="transform", dataset=dataset, map_index_template="batch {{ task.batch['batch'] }}"
    )
    return mapped.expand(batch=batches).output


def load(dataset: str, manifests: XComArg) -> BaseOperator:
    """Load into BigQuery; when every transform has ended, however."""
    return LoadBatches(task_id="load", dataset=dataset, manifests=manifests, trigger_rule="all_done_min_one_success")


def verify(dataset: str) -> BaseOperator:
    """Verify in BigQuery."""
    return VerifyLoad(task_id="verify", dataset=dataset)


def archive(dataset: str, outlets: list[Asset]) -> BaseOperator:
    """Archive in Cloud Storage."""
    return ArchiveFiles(task_id="archive", dataset=dataset, outlets=outlets)


def select() -> BaseOperator:
    """Choose quarantined records in BigQuery."""
    return SelectRecords(task_id="select")


def commit(dataset: str, manifests: XComArg) -> BaseOperator:
    """Settle a replay in BigQuery; when every transform has ended, however."""
    return CommitReplay(task_id="commit", dataset=dataset, manifests=manifests, trigger_rule="all_done_min_one_success")


def report(dataset: str) -> BaseOperator:
    """Report a replay."""
    return ReportReplay(task_id="report", dataset=dataset)

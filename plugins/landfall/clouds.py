"""The contract that every cloud implements: five kinds of task between a landed file and its table."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from airflow.sdk import Asset, BaseOperator, XComArg

# source scheme -> package below this one; a new cloud is one line here and one package
CLOUDS = {"gs": "landfall.gcp"}


class Cloud(Protocol):
    """What a cloud's package offers under the name `tasks`; every task of a dataset's DAG is given
    its name; in the DAG `replay` that is a template.

    The tasks of a run hand one another addresses and counts only; rows stay in the cloud's storage.
    """

    def wait(self, dataset: str, **settings: Any) -> BaseOperator:  # noqa: ANN401 - Airflow's own task arguments
        """Wait, within bounds, until there is a file to load; skip the run where there is none."""

    def plan(self, dataset: str) -> BaseOperator:
        """Pin the files, pack them into batches, write the plan; returns one item for each batch."""

    def transform(self, dataset: str, batches: XComArg) -> XComArg:
        """Run the engine over each batch; returns the address of each batch's manifest."""

    def load(self, dataset: str, manifests: XComArg) -> BaseOperator:
        """Commit what succeeded in one transaction; returns the address of what was committed."""

    def verify(self, dataset: str) -> BaseOperator:
        """Reconcile the warehouse with the counts and run the contract's quality checks."""

    def archive(self, dataset: str, outlets: list[Asset]) -> BaseOperator:
        """Move away what is loaded, report the accounting, and fail the run if a batch failed."""

    def select(self) -> BaseOperator:
        """Choose the quarantined records that the form of a replay says; returns one item for each batch."""

    def commit(self, dataset: str, manifests: XComArg) -> BaseOperator:
        """Settle the replayed records in one transaction, or say what would become of them."""

    def report(self, dataset: str) -> BaseOperator:
        """Show what became of the replayed records, and fail the run if some could not be replayed."""


def cloud_of(uri: str) -> Cloud:
    """Return the cloud that holds a source.

    Raises:
        ValueError: no cloud has this scheme.
    """
    scheme = uri.partition("://")[0]
    if scheme not in CLOUDS:
        raise ValueError(f"no cloud for {scheme}:// in {uri}; known are {', '.join(sorted(CLOUDS))}")
    cloud: Cloud = importlib.import_module(f"{CLOUDS[scheme]}.tasks")
    return cloud

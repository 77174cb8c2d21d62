"""Runs a batch of one large file as a Beam job: on Dataflow, or in a process of the task where LANDFALL_DATAFLOW=local.

Job n of a batch is called `landfall-<batch id>-<n>`; Dataflow lets only one of a name be active. Every try of the task,
in this run or a later one, looks at the jobs in their order:

| job n | then |
|---|---|
| has published its manifest | that is the answer |
| is active | it is waited for: a task that was killed, cleared or timed out finds its job again |
| has ended without a manifest: failed, cancelled | the next number |
| there is none | it is begun |
"""

from __future__ import annotations

import functools
import json
import logging
import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from include.breaker import Breaker
from include.ledger.estimate import MACHINE
from landfall.compat import TaskDeferred
from landfall.errors import TerminalFailure, TransientFailure
from landfall.gcp.calls import Calls
from landfall.gcp.classify.dataflow import classify_dataflow
from landfall.gcp.large import LargeBatch

if TYPE_CHECKING:
    from airflow.providers.google.cloud.hooks.dataflow import DataflowHook
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

log = logging.getLogger(__name__)

LOCAL = "local"
DONE, FAILED = "JOB_STATE_DONE", "JOB_STATE_FAILED"
# Seconds between two looks of the triggerer at a job that takes minutes at least.
_POLL = 30
# Of a label's value: https://cloud.google.com/compute/docs/labeling-resources#requirements
_LABEL_LENGTH = 63


@dataclass(frozen=True)
class Begun:
    """A job that is active: its number, and the provider's trigger that sees it end."""

    number: int
    trigger: BaseTrigger


class Job(Protocol):
    """The Beam job of one batch."""

    def run(self, context: Context) -> dict[str, Any] | Begun:
        """Return the manifest's address and the counts, or what to wait for."""

    def kill(self) -> None:
        """End what would not end with the task by itself."""


def job_of(large: LargeBatch) -> Job:
    """Return what runs a batch in this deployment.

    Raises:
        TerminalFailure: a setting is missing.
    """
    from landfall.gcp import beam_process

    settings = large.site.settings
    if settings.dataflow == LOCAL:
        return beam_process.ProcessJob(large, beam_process.PROGRAM)
    needed = {"dataflow": settings.dataflow, "dataflow_region": settings.dataflow_region}
    # Of the keys the plan was made with; the function has them in its environment, a job reads them from their secrets.
    needed |= {f"{kind}_key_secret": getattr(settings, f"{kind}_key_secret") for kind in large.plan.keys}
    missing = [f"LANDFALL_{name.upper()}" for name, value in needed.items() if not value]
    if missing:
        message = f"batch {large.batch.number} is for Dataflow, and {' and '.join(missing)} is not set"
        fix = "deploy the Flex Template (docs/operations.md), or raise transform.dataflow_above of the dataset"
        raise TerminalFailure(f"{message}; {fix}", files=large.uris)
    return DataflowJob(large)


class DataflowJob:
    """The jobs of one batch on Dataflow, begun by the provider's operator and waited for by the provider's trigger.

    Args:
        large: the batch.
    """

    def __init__(self, large: LargeBatch) -> None:
        self._large, self._settings = large, large.site.settings
        # A breaker of its own: jobs are begun seldom, and Dataflow has no crowd of callers to be kept from it.
        self._call = Calls(classify_dataflow, Breaker("Dataflow"))

    def run(self, context: Context) -> dict[str, Any] | Begun:
        """Return what a job published, or the job that is active now, begun by this call where there was none.

        Raises:
            TerminalFailure, TransientFailure: no job could be looked for or begun.
        """
        for number in count(1):
            job = self._find(number)
            # After the look at the job: one that has ended by then publishes nothing any more.
            result = self._large.result(number)
            if result is not None:
                log.info("job %s has published its manifest", self.name(number))
                return result
            if job is None:
                return self._begun(number, self._launch(context, number))
            if not _has_ended(job):
                log.info("attach to job %s, which is active (%s)", self.name(number), job["currentState"])
                return self._begun(number, job["id"])
            log.info("job %s has ended without a manifest (%s)", self.name(number), job["currentState"])
        raise AssertionError("numbers do not end")

    def answer(self, told: str) -> dict[str, Any]:
        """Return what the newest job published, once the triggerer has told of its end, or that it lost sight of it.

        Args:
            told: what the triggerer said.

        Raises:
            TerminalFailure, TransientFailure: the job published nothing.
        """
        number = self._large.last()
        result = self._large.result(number)
        if result is not None:
            return result
        job = self._find(number)
        if job is not None and not _has_ended(job):
            message = f"job {self.name(number)} is still active ({job['currentState']}), and was not seen to the end"
            raise TransientFailure(f"{message}: {told}", files=self._large.uris)
        # What was told beside the manifest is why a job failed; one that somebody cancelled may have got over it.
        return self._large.answer(number, told, has_failed=job is None or job["currentState"] == FAILED)

    def kill(self) -> None:
        """Leave the job alone: the next try attaches to it, and who wants it stopped cancels it on Dataflow."""

    def name(self, number: int) -> str:
        """Return what a job is called."""
        return f"landfall-{self._large.batch.batch_id}-{number}"

    @functools.cached_property
    def _hook(self) -> DataflowHook:
        from airflow.providers.google.cloud.hooks.dataflow import DataflowHook

        return DataflowHook(gcp_conn_id=self._settings.connection)

    def _find(self, number: int) -> dict[str, Any] | None:
        """Return the newest job of a name; the provider's hook would list every job of the project for that."""
        name = self.name(number)

        def listed() -> list[dict[str, Any]]:
            jobs = self._hook.get_conn().projects().locations().jobs()
            request = jobs.list(
                projectId=self._settings.project, location=self._settings.dataflow_region, name=name, filter="ALL"
            )
            found: list[dict[str, Any]] = []
            while request is not None:
                answer = request.execute(num_retries=0)
                found += answer.get("jobs", [])
                request = jobs.list_next(request, answer)
            return [job for job in found if job["name"] == name]

        found = self._call(f"look for the Dataflow job {name}", listed)
        return max(found, key=lambda job: str(job.get("createTime", "")), default=None)

    def _launch(self, context: Context, number: int) -> str:
        """Begin a job; returns its id. One whose answer got lost is found by its name."""
        from airflow.providers.google.cloud.operators.dataflow import DataflowStartFlexTemplateOperator

        begin = DataflowStartFlexTemplateOperator(
            task_id="begin",
            body={"launchParameter": self._parameters(number, self._large.ask(number))},
            project_id=self._settings.project,
            location=self._settings.dataflow_region,
            gcp_conn_id=self._settings.connection,
            append_job_name=False,
            deferrable=True,
        )
        try:
            # The library tries a broken call again by itself, and what arrived twice is refused for its name.
            self._call(f"begin job {self.name(number)}", lambda: begin.execute(context), repeatable=False)
        except TaskDeferred:
            return str(begin.job["id"])  # its trigger never sees that a job was cancelled, and waits for ever
        except (TerminalFailure, TransientFailure):
            job = self._find(number)
            if job is None or _has_ended(job):
                raise
            return str(job["id"])
        raise TransientFailure("the provider's operator came back without having deferred")

    def _parameters(self, number: int, request: str) -> dict[str, Any]:
        """Return `LaunchFlexTemplateParameter` of the REST API; it holds the names of secrets and never a key."""
        settings, work = self._settings, f"gs://{self._settings.work}/_landfall/dataflow"
        given = {
            "request": request,
            "landing": settings.landing,
            "work": settings.work,
            "archive": settings.archive,
            "mask_key_secret": settings.mask_key_secret,
            "raw_key_secret": settings.raw_key_secret,
        }
        environment = {
            "sdkContainerImage": self._image(),
            "serviceAccountEmail": settings.dataflow_account,
            "subnetwork": settings.dataflow_subnetwork,
            "ipConfiguration": "WORKER_IP_PRIVATE",
            "machineType": MACHINE,
            "maxWorkers": settings.dataflow_workers,
            "tempLocation": f"{work}/temp",
            "stagingLocation": f"{work}/staging",
            "additionalUserLabels": {
                "landfall-dataset": label(self._large.site.dataset.name),
                "landfall-run": label(self._large.plan.run_id),
            },
        }
        return {
            "jobName": self.name(number),
            "containerSpecGcsPath": settings.dataflow,
            "parameters": {name: value for name, value in given.items() if value},
            "environment": {name: value for name, value in environment.items() if value},
        }

    def _image(self) -> str:
        """Return the template's own image: workers without our code, or with another engine, would be of no use."""
        content = self._large.site.storage.read(self._settings.dataflow)
        try:
            return str(json.loads(content)["image"])
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self._settings.dataflow} is no Flex Template; look at LANDFALL_DATAFLOW"
            raise TerminalFailure(message) from error

    def _begun(self, number: int, job_id: str) -> Begun:
        from airflow.providers.google.cloud.triggers.dataflow import DataflowJobStatusTrigger

        project, region = self._settings.project, self._settings.dataflow_region
        log.info(
            "wait for job %s: https://console.cloud.google.com/dataflow/jobs/%s/%s?project=%s; "
            "to stop it: gcloud dataflow jobs cancel %s --region=%s --project=%s",
            self.name(number), region, job_id, project, job_id, region, project,
        )  # fmt: skip
        trigger = DataflowJobStatusTrigger(
            job_id=job_id, expected_statuses={DONE}, project_id=project, location=region,
            gcp_conn_id=self._settings.connection, poll_sleep=_POLL,
        )  # fmt: skip
        return Begun(number, trigger)


def label(text: str) -> str:
    """Return a text as the value of a label: lower case, digits, hyphens and underscores, at most 63 of them."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:_LABEL_LENGTH]


def _has_ended(job: dict[str, Any]) -> bool:
    from airflow.providers.google.cloud.hooks.dataflow import DataflowJobStatus

    return job["currentState"] in DataflowJobStatus.TERMINAL_STATES

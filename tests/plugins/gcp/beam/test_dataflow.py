"""A large file's job on Dataflow: begun once, found again by its name, waited for by the provider's trigger."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httplib2
import pytest
from google.auth.exceptions import RefreshError  # noqa: TID253 - an error to raise
from googleapiclient import discovery_cache

from include.functions.failures import Unworkable
from landfall.compat import TaskDeferred
from landfall.errors import Missing, TerminalFailure, TransientFailure
from landfall.gcp.dataflow import Begun, DataflowJob, job_of, label
from landfall.gcp.large import LargeBatch
from landfall.gcp.transform import TransformBatch
from tests.plugins.gcp.beam.conftest import IMAGE, MASK, ROWS, TEMPLATE, publish
from tests.plugins.gcp.beam.service import Dataflow, Redirected
from tests.plugins.gcp.steps import Steps


def context(tries: int = 1) -> Any:
    instance = SimpleNamespace(try_number=tries, xcom_push=lambda **_: None, task_id="t", dag_id="d", run_id="r")
    return {"ti": instance, "task_instance": instance, "run_id": "r"}


def begun(it: LargeBatch) -> Begun:
    found = DataflowJob(it).run(context())
    assert isinstance(found, Begun)
    return found


def test_a_job_is_begun_with_all_that_it_needs_and_no_key(dataflow: Dataflow, large: Any) -> None:
    it = large()
    found = begun(it)
    assert found.number == 1
    [body] = dataflow.launched
    place = f"gs://landfall-work/{it.plan.dataset['name']}/dataflow/{it.batch.batch_id}/attempt-1/"
    assert body == {
        "launchParameter": {
            "jobName": f"landfall-{it.batch.batch_id}-1",
            "containerSpecGcsPath": TEMPLATE,
            "parameters": {
                "request": f"{place}request.json",
                "landing": "landfall-landing",
                "work": "landfall-work",
                "archive": "landfall-archive",
                "mask_key_secret": MASK,
            },
            "environment": {
                "sdkContainerImage": IMAGE,
                "serviceAccountEmail": "workers@p.iam.gserviceaccount.com",
                "subnetwork": "regions/europe-west1/subnetworks/landfall",
                "ipConfiguration": "WORKER_IP_PRIVATE",
                "machineType": "e2-standard-2",
                "maxWorkers": 7,
                "tempLocation": "gs://landfall-work/_landfall/dataflow/temp",
                "stagingLocation": "gs://landfall-work/_landfall/dataflow/staging",
                "additionalUserLabels": {
                    "landfall-dataset": label(it.plan.dataset["name"]),
                    "landfall-run": it.plan.run_id,
                },
            },
        }
    }


def test_the_body_is_what_the_api_describes(dataflow: Dataflow, large: Any) -> None:
    begun(large())
    path = f"{discovery_cache.__path__[0]}/documents/dataflow.v1b3.json"
    with open(path) as stream:
        schemas = json.load(stream)["schemas"]
    given = dataflow.launched[0]["launchParameter"]
    assert set(dataflow.launched[0]) <= set(schemas["LaunchFlexTemplateRequest"]["properties"])
    assert set(given) <= set(schemas["LaunchFlexTemplateParameter"]["properties"])
    fields = schemas["FlexTemplateRuntimeEnvironment"]["properties"]
    assert set(given["environment"]) <= set(fields)
    assert given["environment"]["ipConfiguration"] in fields["ipConfiguration"]["enum"]


def test_the_request_lies_there_before_the_job_begins(dataflow: Dataflow, large: Any) -> None:
    from include.functions.protocol import TransformRequest

    it = large()
    dataflow.refuse = 403
    with pytest.raises(TerminalFailure, match="Dataflow answered 403"):
        DataflowJob(it).run(context())
    lies = it.site.storage.read(dataflow.launched[0]["launchParameter"]["parameters"]["request"])
    assert TransformRequest.model_validate_json(lies).attempt == 1


def test_a_try_that_was_killed_before_its_launch_is_made_up_for(dataflow: Dataflow, large: Any) -> None:
    it = large()
    it.ask(1)
    assert begun(it).number == 1
    assert len(dataflow.launched) == 1


def test_the_triggerer_waits_for_the_job_with_a_trigger_of_the_provider(dataflow: Dataflow, large: Any) -> None:
    path, given = begun(large()).trigger.serialize()
    assert path == "airflow.providers.google.cloud.triggers.dataflow.DataflowJobStatusTrigger"
    assert given["job_id"] == dataflow.jobs[0]["id"]
    assert (given["project_id"], given["location"]) == ("landfall-local", "europe-west1")
    assert given["expected_statuses"] == {"JOB_STATE_DONE"}


@pytest.mark.parametrize(
    "state", ["JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING"]
)
def test_a_retry_attaches_to_the_job_that_is_active(dataflow: Dataflow, large: Any, state: str) -> None:
    it = large()
    job = dataflow.add(f"landfall-{it.batch.batch_id}-1", state)
    found = begun(it)
    assert (found.number, found.trigger.serialize()[1]["job_id"]) == (1, job["id"])
    assert dataflow.launched == []


def test_a_job_that_is_done_leads_to_its_manifest(dataflow: Dataflow, large: Any) -> None:
    it = large()
    dataflow.add(f"landfall-{it.batch.batch_id}-1", "JOB_STATE_DONE")
    publish(it._request(1))
    found = DataflowJob(it).run(context())
    assert found["manifest"] == it.place(1) + "manifest.json"  # type: ignore[index]
    assert (found["records"], found["loaded"]) == (2, 2)  # type: ignore[index]
    assert dataflow.launched == []


def test_a_job_that_ends_while_it_is_looked_for_is_not_begun_again(
    dataflow: Dataflow, large: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = large()
    job = dataflow.add(f"landfall-{it.batch.batch_id}-1", "JOB_STATE_RUNNING")
    listed = dataflow.list

    def end(target: str) -> tuple[int, Any]:
        if job["currentState"] == "JOB_STATE_RUNNING":
            publish(it._request(1))
            job["currentState"] = "JOB_STATE_DONE"
        return listed(target)

    monkeypatch.setattr(dataflow, "list", end)
    assert DataflowJob(it).run(context())["records"] == 2  # type: ignore[index]
    assert dataflow.launched == []


@pytest.mark.parametrize("state", ["JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_DONE"])
def test_a_job_that_ended_without_a_manifest_leads_to_the_next_number(
    dataflow: Dataflow, large: Any, state: str
) -> None:
    it = large()
    for number in (1, 2):
        dataflow.add(f"landfall-{it.batch.batch_id}-{number}", state)
    assert begun(it).number == 3
    assert dataflow.launched[0]["launchParameter"]["jobName"].endswith("-3")
    assert "/attempt-3/" in dataflow.launched[0]["launchParameter"]["parameters"]["request"]


def test_of_jobs_of_one_name_the_newest_counts(dataflow: Dataflow, large: Any) -> None:
    it = large()
    name = f"landfall-{it.batch.batch_id}-1"
    dataflow.add(name, "JOB_STATE_FAILED")
    newest = dataflow.add(name, "JOB_STATE_RUNNING")
    assert begun(it).trigger.serialize()[1]["job_id"] == newest["id"]


def test_jobs_are_asked_for_by_name(dataflow: Dataflow, large: Any) -> None:
    it = large()
    begun(it)
    assert [query["name"] for query in dataflow.lists] == [[f"landfall-{it.batch.batch_id}-1"]]


def test_a_launch_whose_answer_got_lost_is_found_again(dataflow: Dataflow, large: Any) -> None:
    dataflow.lost = 1
    found = begun(large())
    assert len(dataflow.jobs) == 1
    assert found.trigger.serialize()[1]["job_id"] == dataflow.jobs[0]["id"]


def test_a_service_that_is_away_may_come_back(dataflow: Dataflow, large: Any) -> None:
    dataflow.refuse = 503
    with pytest.raises(TransientFailure, match="Dataflow answered 503"):
        DataflowJob(large()).run(context())


def test_a_template_that_is_none_is_said(dataflow: Dataflow, large: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    it = large()
    it.site.storage.write(TEMPLATE, b"[]")
    with pytest.raises(TerminalFailure, match="is no Flex Template; look at LANDFALL_DATAFLOW"):
        DataflowJob(it).run(context())


def test_settings_that_are_missing_are_named(large: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDFALL_DATAFLOW", "")
    with pytest.raises(TerminalFailure, match="LANDFALL_DATAFLOW and LANDFALL_DATAFLOW_REGION is not set") as caught:
        job_of(large())
    assert "raise transform.dataflow_above" in str(caught.value)


def test_a_key_that_a_job_could_not_read_is_named(dataflow: Dataflow, large: Any) -> None:
    it = large()
    it = replace(it, plan=it.plan.model_copy(update={"keys": {"mask": "a", "raw": "b"}}))
    with pytest.raises(TerminalFailure, match="Dataflow, and LANDFALL_RAW_KEY_SECRET is not set"):
        job_of(it)


@pytest.fixture
def task(dataflow: Dataflow, steps: Steps) -> Callable[[], tuple[TransformBatch, LargeBatch]]:
    """Return the task of a planned batch, and the batch."""

    def make() -> tuple[TransformBatch, LargeBatch]:
        from landfall.gcp.landing import Site
        from landfall.gcp.plan import PlanRun
        from landfall.gcp.plan_file import read_plan

        steps.land("a.csv", ROWS)
        [batch] = PlanRun(task_id="plan", dataset=steps.name).execute(steps._context("r", {}, {}))
        site = Site.of(steps.name)
        plan = read_plan(site, batch["plan"])
        return TransformBatch(task_id="transform", dataset=steps.name, batch=batch), LargeBatch(
            site, plan, plan.batches[0]
        )

    return make


def deferred(task: TransformBatch) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context())
    return caught.value


def test_the_task_defers_under_its_own_method_and_returns_the_manifest(task: Any) -> None:
    it, batch = task()
    paused = deferred(it)
    assert paused.method_name == "complete"
    assert paused.timeout is not None
    publish(batch._request(1))
    event = {"status": "success", "message": "Job with id 'x' has reached an expected state: JOB_STATE_DONE"}
    done = it.resume_execution(paused.method_name, {"event": event}, context())
    assert done["batch"] == 0
    assert done["manifest"] == batch.place(1) + "manifest.json"
    assert done["loaded"] == 2


def test_a_task_that_resumes_reads_the_answer_of_the_newest_job(task: Any, dataflow: Dataflow) -> None:
    it, batch = task()
    dataflow.add(f"landfall-{batch.batch.batch_id}-1", "JOB_STATE_FAILED")
    batch.ask(1)
    batch.site.storage.write(
        batch.place(1) + "failure.json", Unworkable("bad_rule", "no").body.model_dump_json().encode()
    )
    deferred(it)
    publish(batch._request(2))
    assert it.complete(context(), event={"status": "success"})["manifest"] == batch.place(2) + "manifest.json"


def fail(batch: LargeBatch, dataflow: Dataflow, state: str) -> dict[str, Any]:
    """Let a step of the newest job fail for good, and the job come to a state; returns what the triggerer says."""
    why = Unworkable("bad_rule", "derive.discount cannot run").body.model_dump_json().encode()
    batch.site.storage.write(batch.place(1) + "failure.json", why)
    dataflow.jobs[-1]["currentState"] = f"JOB_STATE_{state}"
    return {"status": "error", "message": f"Job with id 'x' is already in terminal state: JOB_STATE_{state}"}


@pytest.mark.parametrize("state", ["RUNNING", "CANCELLED"])
def test_what_one_step_of_a_job_says_is_not_why_it_did_not_end(task: Any, dataflow: Dataflow, state: str) -> None:
    it, batch = task()
    deferred(it)
    event = fail(batch, dataflow, state)
    with pytest.raises(TransientFailure, match=state):
        it.complete(context(), event=event)


def test_a_job_that_failed_says_why_and_the_note_for_load_is_written(task: Any, dataflow: Dataflow) -> None:
    it, batch = task()
    deferred(it)
    event = fail(batch, dataflow, "FAILED")
    with pytest.raises(TerminalFailure, match="bad_rule") as caught:
        it.complete(context(), event=event)
    assert caught.value.code == "bad_rule"
    from landfall.gcp.failures import given_up

    assert "bad_rule" in str(given_up(batch.site, batch.plan, [0]))


def seen(trigger: Any, states: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the event of the provider's trigger for a job that takes these states; its gRPC call is replaced."""
    from airflow.providers.google.cloud.hooks.dataflow import AsyncDataflowHook

    left = iter(states)

    async def status(_: Any, **__: Any) -> Any:
        return SimpleNamespace(name=next(left))

    async def first() -> Any:
        return await anext(trigger.run())

    monkeypatch.setattr(AsyncDataflowHook, "get_job_status", status)
    trigger.poll_sleep = 0
    event: dict[str, Any] = asyncio.run(first()).payload
    return event


@pytest.mark.parametrize("end", ["FAILED", "CANCELLED", "DRAINED", "UPDATED"])
def test_the_triggerer_sees_every_end_of_a_job(
    task: Any, dataflow: Dataflow, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    it, _ = task()
    paused = deferred(it)
    states = [f"JOB_STATE_{state}" for state in ("QUEUED", "PENDING", "RUNNING", end)]
    event = seen(paused.trigger, states, monkeypatch)
    dataflow.jobs[-1]["currentState"] = states[-1]
    with pytest.raises(TransientFailure, match=f"left no manifest: .*JOB_STATE_{end}"):
        it.resume_execution(paused.method_name, {"event": event}, context())


def test_the_triggerer_sees_a_job_end_well(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    it, batch = task()
    paused = deferred(it)
    event = seen(paused.trigger, ["JOB_STATE_RUNNING", "JOB_STATE_DONE"], monkeypatch)
    publish(batch._request(1))
    done = it.resume_execution(paused.method_name, {"event": event}, context())
    assert done["manifest"] == batch.place(1) + "manifest.json"


def test_a_triggerer_that_lost_sight_of_a_job_leads_back_to_it(task: Any, dataflow: Dataflow) -> None:
    it, _ = task()
    deferred(it)
    with pytest.raises(TransientFailure, match="503 the API is away"):
        it.complete(context(), event={"status": "error", "message": "503 the API is away"})
    deferred(it)
    assert len(dataflow.launched) == 1


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("scheduled__2026-11-21T19:00:00+00:00", "scheduled__2026-11-21t19-00-00-00-00"),
        ("orders", "orders"),
        ("x" * 80, "x" * 63),
    ],
)
def test_a_label_is_what_google_cloud_takes(text: str, made: str) -> None:
    assert label(text) == made


def answered(status: int) -> Exception:
    from googleapiclient.errors import HttpError
    from httplib2 import Response

    return HttpError(Response({"status": status, "retry-after": "7"}), b'{"error": {"message": "said so"}}')


ERRORS = {
    "403": (lambda: answered(403), TerminalFailure, False),
    "404": (lambda: answered(404), Missing, False),
    "409": (lambda: answered(409), TransientFailure, False),
    "429": (lambda: answered(429), TransientFailure, False),
    "500": (lambda: answered(500), TransientFailure, True),
    "no name": (lambda: httplib2.ServerNotFoundError("dataflow.googleapis.com"), TransientFailure, True),
    "broken": (lambda: ConnectionResetError("by peer"), TransientFailure, True),
    "silent": (lambda: TimeoutError("60 s"), TransientFailure, True),
    "broken seal": (lambda: ssl.SSLError("decryption failed"), TransientFailure, True),
    "no token": (lambda: RefreshError("revoked"), TerminalFailure, False),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("at", ["jobs", "flexTemplates"])
def test_nothing_of_the_client_library_escapes(
    dataflow: Dataflow, large: Any, monkeypatch: pytest.MonkeyPatch, at: str, name: str
) -> None:
    make, kind, outage = ERRORS[name]
    asked = Redirected.request

    def broken(self: Any, uri: str, *arguments: Any, **named: Any) -> Any:
        if at in uri:
            raise make()
        return asked(self, uri, *arguments, **named)

    monkeypatch.setattr(Redirected, "request", broken)
    with pytest.raises((TerminalFailure, TransientFailure)) as caught:
        DataflowJob(large()).run(context())
    assert type(caught.value) is kind
    assert getattr(caught.value, "outage", False) is outage
    assert getattr(caught.value, "retry_after", 0.0) in ((7.0,) if name in ("429", "500") else (0.0,))

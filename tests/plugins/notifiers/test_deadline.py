"""A missed deadline is told through the same channels, by a callback that Airflow finds by its path."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from include.spec.pipeline import Notify
from landfall.notifiers.deadline import deadline_kwargs

definitions = pytest.importorskip("airflow.sdk.definitions.callback")
supervisor = pytest.importorskip("airflow.sdk.execution_time.callback_supervisor", reason="Airflow 3.3 and later")

PATH = "landfall.notifiers.deadline.deadline_missed"
GOOD, LOG = Notify(type="webhook", connection="good"), Notify(type="log")
# What Deadline.handle_miss adds in 3.3.1: the run as the API shows it, and the deadline.
CONTEXT = {
    "dag_run": {
        "dag_id": "ingest_orders",
        "dag_run_id": "scheduled__2026-11-21T06:00:00+00:00",
        "state": "running",
    },
    "deadline": {"id": "0199", "deadline_time": "2026-11-21T07:00:00+00:00"},
}


def run(kwargs: dict[str, Any]) -> tuple[bool, str | None]:
    log = structlog.get_logger()
    result: tuple[bool, str | None] = supervisor.execute_callback(PATH, kwargs, "ingest.py", None, log)
    return result


def stored(kwargs: dict[str, Any]) -> dict[str, Any]:
    """What is left of a callback's arguments once a DAG is serialised, stored and read back."""
    from airflow.serialization.serialized_objects import BaseSerialization

    callback = definitions.SyncCallback(PATH, kwargs=kwargs)
    assert isinstance(hash(callback), int)
    text = json.dumps(BaseSerialization.serialize(callback.serialize()))
    found: dict[str, Any] = BaseSerialization.deserialize(json.loads(text))["kwargs"]
    return found


def test_each_channel_is_told_once_which_run_is_late(receiver: Any, connect: Callable[..., None]) -> None:
    connect("good", conn_type="http", host=receiver.url)
    kwargs = stored(deadline_kwargs(dataset="orders", channels=(LOG, GOOD)))
    assert run({**kwargs, "context": CONTEXT}) == (True, None)
    (request,) = receiver.requests
    assert request.body["kind"] == "deadline_missed"
    assert request.body["subject"] == (
        "[landfall] orders: deadline missed: the run had not ended by 2026-11-21T07:00:00+00:00; its state is running"
    )
    assert request.body["log_url"].endswith("/dags/ingest_orders/runs/scheduled__2026-11-21T06%3A00%3A00%2B00%3A00")


def test_a_broken_channel_neither_fails_the_callback_nor_silences_the_next(
    receiver: Any, connect: Callable[..., None]
) -> None:
    connect("good", conn_type="http", host=receiver.url)
    connect("broken", conn_type="http", host="http://localhost:1")
    broken = Notify(type="webhook", connection="broken")
    kwargs = deadline_kwargs(dataset="orders", channels=(broken, GOOD))
    assert run({**kwargs, "context": CONTEXT}) == (True, None)
    assert len(receiver.requests) == 1


def test_its_arguments_are_the_same_at_every_parse() -> None:
    first, second = (deadline_kwargs(dataset="orders", channels=(LOG, GOOD)) for _ in range(2))
    assert definitions.SyncCallback(PATH, kwargs=first) == definitions.SyncCallback(PATH, kwargs=second)


def test_without_a_context_it_still_tells_of_the_dataset(receiver: Any, connect: Callable[..., None]) -> None:
    connect("good", conn_type="http", host=receiver.url)
    assert run(deadline_kwargs(dataset="orders", channels=[GOOD])) == (True, None)
    assert receiver.requests[0].body["dataset"] == "orders"

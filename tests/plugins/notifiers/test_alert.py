"""An alert says what failed, where, why, and where to look."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.log import mask_secret

from landfall.notifiers.alert import Alert, alert_from_context, reason_of, summary_of

ENDED = datetime(2026, 11, 21, 6, 5, 4, tzinfo=UTC)


def context(**parts: Any) -> dict[str, Any]:
    ti = SimpleNamespace(
        dag_id="ingest_orders", run_id="manual__1", task_id="load", map_index=-1, try_number=2, max_tries=2,
        log_url="https://airflow.example.com/log", end_date=ENDED,
    )  # fmt: skip
    return {"ti": ti, "exception": ValueError("the table is gone\nCreate it."), **parts}


class FilesError(Exception):
    files = ("gs://landing/orders/a.csv", "gs://landing/orders/b.csv")


def test_it_is_made_of_the_context_of_a_failed_task() -> None:
    alert = alert_from_context(context(), "orders")
    assert alert == Alert(
        dataset="orders",
        dag_id="ingest_orders",
        run_id="manual__1",
        task_id="load",
        try_number=2,
        max_tries=3,
        reason="ValueError: the table is gone\nCreate it.",
        log_url="https://airflow.example.com/log",
        when=ENDED,
    )


def test_it_cannot_be_changed(alert: Alert) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        alert.reason = "all is well"  # type: ignore[misc]


def test_files_come_from_the_error_or_from_what_caused_it() -> None:
    outer = RuntimeError("two files are held")
    outer.__cause__ = FilesError("held")
    assert alert_from_context(context(exception=FilesError("x")), "orders").files == FilesError.files
    assert alert_from_context(context(exception=outer), "orders").files == FilesError.files


def test_a_task_whose_process_vanished_has_a_reason_all_the_same() -> None:
    assert "without saying why" in alert_from_context(context(exception=None), "orders").reason


def test_a_dag_level_context_without_a_task_makes_an_alert() -> None:
    dag = SimpleNamespace(dag_id="ingest_orders")
    alert = alert_from_context({"dag": dag, "run_id": "manual__1", "reason": "timed_out"}, "orders")
    assert (alert.dag_id, alert.task_id, alert.reason) == ("ingest_orders", "", "timed_out")
    assert alert.subject == "[landfall] orders: the run failed: timed_out"


def test_the_subject_names_dataset_task_and_the_reasons_first_line(alert: Alert) -> None:
    assert alert.subject == (
        "[landfall] orders: transform[2] failed: TerminalError: orders-7.csv.gz ends in the middle of a gzip block"
    )


def test_the_text_holds_all_that_is_needed_to_act(alert: Alert) -> None:
    assert alert.text.splitlines() == [
        "Dataset: orders",
        "Reason: TerminalError: orders-7.csv.gz ends in the middle of a gzip block",
        "Ask for it again.",
        "Files: gs://landing/orders/orders-7.csv.gz",
        "Task: transform[2] of ingest_orders",
        "Run: scheduled__2026-11-21T06:00:00+00:00 of ingest_orders",
        "Try: 3 of 3",
        "When: 2026-11-21 06:05:04 UTC",
        "Log: https://airflow.example.com/dags/ingest_orders/runs/r/tasks/transform/mapped/2?try_number=3",
    ]


def test_json_holds_every_field_and_the_identity(alert: Alert) -> None:
    data = json.loads(json.dumps(alert.to_json()))
    assert set(data) == {field.name for field in dataclasses.fields(Alert)} | {"alert_id", "subject"}
    assert data["when"] == "2026-11-21T06:05:04+00:00"
    assert data["files"] == ["gs://landing/orders/orders-7.csv.gz"]


def test_the_same_failure_told_twice_has_one_identity_and_another_try_has_another(alert: Alert) -> None:
    later = dataclasses.replace(alert, when=datetime(2026, 11, 22, tzinfo=UTC))
    assert later.alert_id == alert.alert_id
    assert dataclasses.replace(alert, try_number=4).alert_id != alert.alert_id
    assert dataclasses.replace(alert, map_index=3).alert_id != alert.alert_id


def test_many_files_are_counted_rather_than_listed(alert: Alert) -> None:
    many = dataclasses.replace(alert, files=tuple(f"gs://landing/{n}.csv" for n in range(50)))
    assert "gs://landing/19.csv and 30 more" in many.text
    assert "gs://landing/20.csv" not in many.text


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("bad\r\nBcc: all@example.com"), "ValueError: bad\nBcc: all@example.com"),
        (ValueError("\n\n  first \x1b[31mred\n"), "ValueError: first  [31mred"),
        (KeyError(), "KeyError"),
        ("timed_out", "timed_out"),
    ],
)
def test_a_reason_is_plain_text(error: object, reason: str) -> None:
    assert reason_of(error) == reason


def test_a_reason_and_a_subject_are_cut(alert: Alert) -> None:
    reason = reason_of(ValueError("x" * 5_000))
    assert len(reason) == 1_000
    assert len(dataclasses.replace(alert, reason=reason).subject) == 200
    assert len(summary_of(ValueError("x" * 5_000))) == 160


def test_the_subject_is_one_line_whatever_the_error_says() -> None:
    error = ValueError("bad\r\nBcc: all@example.com")
    assert "Bcc" not in alert_from_context(context(exception=error), "orders").subject


def test_a_secret_that_airflow_knows_is_masked() -> None:
    mask_secret("correct-horse-battery", "password")
    assert reason_of(ValueError("login with correct-horse-battery failed")) == "ValueError: login with *** failed"

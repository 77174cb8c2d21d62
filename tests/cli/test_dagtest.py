"""Following a run by Airflow's log."""

from __future__ import annotations

from pathlib import Path

from cli.dagtest import Step, read_steps, reasons

LOG = """\
[LANDFALL] begins ingest_orders
05:57:28.686792Z [info     ] [DAG TEST] starting task_id=plan map_index=-1 [airflow.sdk]
05:57:32.141245Z [info     ] Task instance state updated [x] new_state=success rows_affected=1
05:57:32.150209Z [info     ] [DAG TEST] end task task_id=plan map_index=-1 [airflow.sdk]
05:57:32.219703Z [\x1b[32minfo\x1b[0m] [DAG TEST] starting task_id=transform map_index=1 [airflow.sdk]
hello from the task
05:57:32.264872Z [info     ] Task instance state updated    [x] new_state=up_for_retry rows_affected=1
05:57:32.273114Z [info     ] [DAG TEST] end task task_id=transform map_index=1 [airflow.sdk]
[LANDFALL] finishes ingest_orders failed
"""


def test_tasks_are_followed_with_their_states() -> None:
    assert list(read_steps(LOG.splitlines(keepends=True))) == [
        Step("ingest_orders", "begins"),
        Step("ingest_orders", "started", "plan"),
        Step("ingest_orders", "ended", "plan", state="success"),
        Step("ingest_orders", "started", "transform", 1),
        Step("ingest_orders", "ended", "transform", 1, "up_for_retry"),
        Step("ingest_orders", "finishes", state="failed"),
    ]


def test_a_task_that_says_nothing_of_its_state_gets_no_other_tasks_state() -> None:
    lines = [
        "Task instance state updated new_state=success",
        "[DAG TEST] end task task_id=a map_index=-1",
        "[DAG TEST] end task task_id=b map_index=-1",
    ]

    assert [step.state for step in read_steps(lines)] == ["success", ""]


def test_the_reasons_of_a_failure_are_its_exceptions_without_their_tracebacks(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text(
        "Traceback (most recent call last):\n"
        '  File "x.py", line 1, in y\n'
        "landfall.errors.TransientError: the function is busy; it is tried again\n"
        "ValueError: boom\n"
        "ValueError: boom\n"
        "all is well: really\n"
    )

    assert reasons(log) == [
        "landfall.errors.TransientError: the function is busy; it is tried again",
        "ValueError: boom",
    ]

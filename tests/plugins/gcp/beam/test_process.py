"""A large file's job as a process of the task: its answer, its end, and that nothing of it is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from landfall.errors import TerminalFailure, TransientFailure
from landfall.gcp import leash
from landfall.gcp.beam_process import ProcessJob, shown
from landfall.gcp.large import LargeBatch
from local.processes import identity
from tests.plugins.gcp.beam.conftest import ROWS, STAND_IN
from tests.plugins.gcp.steps import Steps

CONTEXT: Any = {}


def are_gone(pids: list[int]) -> bool:
    for _ in range(1_500):
        if not any(identity(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def test_a_run_loads_what_the_process_published(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "publish")
    steps.land("a.csv", ROWS)
    committed = steps.run()
    assert steps.failures == []
    assert committed["loaded"] == 2  # type: ignore[index]
    assert steps.rows() == [(1, "a"), (2, "b")]
    assert steps.files() == {"a.csv": "loaded"}


def test_what_a_job_published_is_not_done_again(
    large: Callable[[], LargeBatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "publish")
    it = large()
    first = ProcessJob(it, STAND_IN).run(CONTEXT)
    assert first["manifest"].endswith(f"/dataflow/{it.batch.batch_id}/attempt-1/manifest.json")
    assert ProcessJob(it, ("false",)).run(CONTEXT) == first


def test_a_try_has_a_path_that_no_earlier_one_had(
    large: Callable[[], LargeBatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = large()
    monkeypatch.setenv("STAND_IN", "terminal")
    with pytest.raises(TerminalFailure, match="job 1 of the batch"):
        ProcessJob(it, STAND_IN).run(CONTEXT)
    monkeypatch.setenv("STAND_IN", "publish")
    assert "/attempt-2/" in ProcessJob(it, STAND_IN).run(CONTEXT)["manifest"]


def test_a_try_that_was_killed_before_its_process_began_is_in_nobodys_way(
    large: Callable[[], LargeBatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "publish")
    it = large()
    it.ask(1)
    assert "/attempt-2/" in ProcessJob(it, STAND_IN).run(CONTEXT)["manifest"]


@pytest.mark.parametrize(
    ("what", "kind", "code"), [("terminal", TerminalFailure, "bad_rule"), ("transient", TransientFailure, "busy")]
)
def test_the_job_says_itself_whether_trying_again_can_help(
    large: Callable[[], LargeBatch], monkeypatch: pytest.MonkeyPatch, what: str, kind: type[Any], code: str
) -> None:
    monkeypatch.setenv("STAND_IN", what)
    it = large()
    with pytest.raises(kind, match=f"job 1 of the batch failed: {code}") as caught:
        ProcessJob(it, STAND_IN).run(CONTEXT)
    assert (caught.value.code, caught.value.files) == (code, it.uris)


def test_a_job_that_breaks_off_may_come_back_and_its_last_words_hold_no_data(
    large: Callable[[], LargeBatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "break")
    with pytest.raises(TransientFailure) as caught:
        ProcessJob(large(), STAND_IN).run(CONTEXT)
    told = str(caught.value)
    assert told.startswith("job 1 of the batch left no manifest: the process ended with 1\nprogress: 1 of 2 shards\n")
    assert told.endswith("\nValueError")
    assert "stand_in.py" in told
    assert "jane" not in told


def test_progress_is_in_the_log_while_the_job_works(
    large: Callable[[], LargeBatch], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hear: Any
) -> None:
    heard = tmp_path / "heard"
    monkeypatch.setenv("STAND_IN", f"wait:{heard}")
    hear(lambda line: heard.touch() if line == "progress: 1 of 2 shards" else None)
    # The stand-in goes on when its line was heard.
    assert ProcessJob(large(), STAND_IN, longest=120.0).run(CONTEXT)["records"] == 2


def test_nothing_outlives_a_task_that_is_killed(
    large: Callable[[], LargeBatch], monkeypatch: pytest.MonkeyPatch, hear: Any
) -> None:
    from landfall.gcp.transform import TransformBatch

    monkeypatch.setenv("STAND_IN", "hang")
    job, pids = ProcessJob(large(), STAND_IN), list[int]()
    task = TransformBatch(task_id="transform", dataset="d", batch={})
    task._job = job

    def kill(line: str) -> None:
        pids.extend(map(int, line.split()[1:]))
        task.on_kill()

    hear(kill)
    with pytest.raises(TransientFailure, match="the process was killed"):
        job.run(CONTEXT)
    assert len(pids) == 2
    assert are_gone(pids)


def test_a_job_that_takes_too_long_is_ended(large: Callable[[], LargeBatch], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "hang")
    with pytest.raises(TransientFailure, match="the process was killed, at the latest after 2 s"):
        ProcessJob(large(), STAND_IN, longest=2.0).run(CONTEXT)


def test_nothing_outlives_a_holder_that_is_killed_by_the_system() -> None:
    inner = "import os, time, subprocess; print(os.getpid(), subprocess.Popen(['sleep', '600']).pid, flush=True, " \
        "file=open(2, 'w', closefd=False)); time.sleep(600)"  # fmt: skip
    holder = (
        "import subprocess, sys; subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE, "
        "start_new_session=True).wait()"
    )
    command = [sys.executable, "-c", holder, leash.__file__, sys.executable, "-c", inner]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        pids = [int(word) for word in process.stderr.readline().split()]
        os.kill(process.pid, signal.SIGKILL)
        assert are_gone(pids)
    assert len(pids) == 2


def test_a_leash_that_is_not_alone_in_its_group_kills_nobody() -> None:
    answer = subprocess.run([sys.executable, leash.__file__, "true"], capture_output=True, text=True, check=False)
    assert (answer.returncode, "a process group of its own" in answer.stderr) == (1, True)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("progress: 3 of 8 shards, 1,200,000 records", "progress: 3 of 8 shards, 1,200,000 records"),
        ("INFO:include.dataflow:progress: 1 of 2 shards", "progress: 1 of 2 shards"),
        ("INFO:include.dataflow.pipeline:progress: 1 of 2 shards", ""),
        ("landfall: 4 shards", "landfall: 4 shards"),
        ('  File "/x/y.py", line 3, in cast', 'File "/x/y.py", line 3, in cast'),
        ("    value = int(text)", ""),
        ("duckdb.duckdb.ConversionException: Could not convert 'jane'", "duckdb.duckdb.ConversionException"),
        ("RuntimeError", "RuntimeError"),
        ("ValueError: progress: jane", "ValueError"),
        ("WARNING:root:jane", ""),
        ("jane,1,2", ""),
    ],
)
def test_only_what_holds_no_data_is_shown(line: str, seen: str) -> None:
    assert shown(line) == seen


def test_no_thread_is_left_that_could_end_another_process(
    large: Callable[[], LargeBatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "publish")
    ProcessJob(large(), STAND_IN).run(CONTEXT)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]

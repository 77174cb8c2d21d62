"""`make ui` comes up whole, says where it is, refuses a taken port, and stops what it started and no more."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import processes, ui
from local.cloud import Cloud
from local.paths import ROOT


def environment(state: Path, port: int) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "LANDFALL", "PYTHON"))}
    return {**kept, "LANDFALL_STATE": str(state), "PORT": str(port)}


def command(state: Path, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local.ui", *arguments],
        cwd=ROOT,
        env=environment(state, port),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ui state")


@pytest.fixture(scope="module")
def running(state: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A UI that has said it is ready, whose Cloud Storage somebody else had started before."""
    cloud, port = Cloud(state), processes.free_port()
    cloud.up(["storage"])
    process = subprocess.Popen(
        [sys.executable, "-m", "local.ui"],
        cwd=ROOT,
        env=environment(state, port),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Airflow is ready" in line:
            break
    else:
        pytest.fail(said)
    yield process, port
    if process.poll() is None:
        process.terminate()
        process.wait()
    cloud.down()


@pytest.mark.long
def test_it_is_ready_when_every_part_of_airflow_is(running: tuple[subprocess.Popen[str], int]) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{running[1]}/api/v2/monitor/health") as answer:
        health = json.load(answer)
    assert {name: part["status"] for name, part in health.items()} == {
        "metadatabase": "healthy",
        "scheduler": "healthy",
        "dag_processor": "healthy",
        "triggerer": "healthy",
    }


@pytest.mark.long
def test_the_page_answers_and_dags_start_without_being_switched_on(
    running: tuple[subprocess.Popen[str], int],
) -> None:
    with urllib.request.urlopen(f"http://localhost:{running[1]}/") as answer:
        assert b"<html" in answer.read()
    with urllib.request.urlopen(f"http://localhost:{running[1]}/api/v2/dags?paused=true") as answer:
        assert json.load(answer)["total_entries"] == 0


@pytest.mark.long
def test_a_second_one_on_the_same_clone_is_refused(running: tuple[subprocess.Popen[str], int], state: Path) -> None:
    answer = command(state, processes.free_port())
    assert answer.returncode == 1
    assert f"runs already (api-server, scheduler, dag-processor, triggerer; port {running[1]})" in answer.stderr
    assert "make stop" in answer.stderr


@pytest.mark.long
def test_the_way_to_stop_it_from_elsewhere_is_recorded(running: tuple[subprocess.Popen[str], int], state: Path) -> None:
    process, _ = running
    pid, identity = json.loads(ui.record(state / "airflow").read_text())["foreground"]
    assert pid == process.pid
    assert processes.is_ours(pid, identity)


@pytest.mark.long
def test_ctrl_c_stops_all_it_started_and_nothing_else(running: tuple[subprocess.Popen[str], int], state: Path) -> None:
    process, port = running
    _, airflow = ui.recorded(state / "airflow")
    assert set(airflow) == set(ui.COMPONENTS)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0
    assert [name for name, (pid, _) in airflow.items() if processes.identity(pid)] == []
    assert not processes.port_is_taken(port)
    # Storage ran before it came; BigQuery it had started itself.
    status = Cloud(state).status()
    assert (status["storage"], status["bigquery"], status["function"]) == ("healthy", "stopped", "stopped")


def test_a_taken_port_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        answer = command(tmp_path, port)
    assert answer.returncode == 1
    assert f"port {port} is taken" in answer.stderr
    assert "make ui PORT=" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_no_port_is_refused(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "local.ui"],
        cwd=ROOT,
        env={**environment(tmp_path, 1), "PORT": "eighty"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "PORT=eighty" in answer.stderr


def test_stop_asks_the_foreground_to_end_by_itself(tmp_path: Path) -> None:
    home = tmp_path / "airflow"
    home.mkdir()
    code = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
    code += "print('up', flush=True)\ntime.sleep(600)\n"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as foreground:
        assert foreground.stdout is not None
        assert foreground.stdout.readline() == "up\n"
        entry = (foreground.pid, processes.identity(foreground.pid))
        ui.record(home).write_text(json.dumps({"port": 1, "foreground": entry, "processes": {}}))
        assert command(tmp_path, 1, "stop").stdout.strip() == "stopped the UI"
        assert foreground.wait() == 0


def test_what_a_killed_ui_left_behind_is_stopped_and_a_stranger_is_not(
    tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    home = tmp_path / "airflow"
    home.mkdir()
    sleeper = (sys.executable, "-c", "import time; time.sleep(600)")
    pid = processes.spawn(sleeper, os.environ, tmp_path / "log", tmp_path)
    left = {"scheduler": (pid, processes.identity(pid)), "triggerer": (bystander.pid, "an earlier one")}
    ui.record(home).write_text(json.dumps({"port": 1, "processes": left}))
    answer = command(tmp_path, 1, "stop")
    assert answer.stdout.strip() == "stopped airflow scheduler"
    assert processes.identity(pid) is None
    assert bystander.poll() is None


def test_the_ports_of_two_airflows_differ() -> None:
    one, other = ui.settings(8080), ui.settings(8090)
    differing = {name for name in one if one[name] != other[name]}
    assert {name for name in one if "PORT" in name or "URL" in name} <= differing
    assert one["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8080/execution/"

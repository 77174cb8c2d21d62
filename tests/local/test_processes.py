"""Processes are started, recognised and stopped without touching a stranger's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import processes

SLEEPER = (sys.executable, "-c", "import sys, time; print('up', flush=True); time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
)


def started(argv: tuple[str, ...], tmp_path: Path) -> tuple[int, str]:
    log = tmp_path / "log"
    pid = processes.spawn(argv, os.environ, log, tmp_path)
    while "up" not in log.read_text():
        assert processes.identity(pid), "the process ended before it was up"
    return pid, processes.identity(pid) or ""


def test_a_process_keeps_its_identity_and_loses_it_when_it_ends(tmp_path: Path) -> None:
    pid, identity = started(SLEEPER, tmp_path)
    assert processes.is_ours(pid, identity)
    assert processes.stop_group(pid, identity)
    assert processes.identity(pid) is None


def test_a_number_that_now_belongs_to_somebody_else_is_left_alone(
    bystander: subprocess.Popen[bytes],
) -> None:
    recorded_long_ago = "another-boot:12345"
    assert not processes.is_ours(bystander.pid, recorded_long_ago)
    assert not processes.stop_group(bystander.pid, recorded_long_ago)
    assert bystander.poll() is None


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    pid, identity = started(STUBBORN, tmp_path)
    assert processes.stop_group(pid, identity, grace=0.2)
    assert processes.identity(pid) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of threads")
def test_a_process_lives_until_its_last_thread_has_ended(tmp_path: Path) -> None:
    code = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "print('up', flush=True)\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    pid, identity = started((sys.executable, "-c", code), tmp_path)
    stat = Path(f"/proc/{pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert processes.is_ours(pid, identity)
    assert processes.stop_group(pid, identity, grace=0.2)
    assert processes.identity(pid) is None


def test_children_of_a_stopped_process_end_with_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('up', child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    pid, identity = started((sys.executable, "-c", code), tmp_path)
    child = int((tmp_path / "log").read_text().split()[1])
    processes.stop_group(pid, identity, grace=0.2)
    assert processes.identity(child) is None


def test_a_free_port_is_the_preferred_one_unless_it_is_taken() -> None:
    port = processes.free_port()
    assert processes.free_port(preferred=port) == port
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        assert processes.free_port(preferred=port) not in (0, port)


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert processes.tail(log) == "(no log was written)"
    log.write_text("".join(f"line {n}\n" for n in range(100)))
    assert processes.tail(log, lines=2) == "line 98\nline 99"

"""Start, recognise and stop processes, without ever touching one that is not ours."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# Below it are the ports of well-known services.
_FIRST_PORT, _TRIES = 10_000, 100

_spawned: dict[int, subprocess.Popen[bytes]] = {}


def spawn(argv: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path) -> int:
    """Start a process in a session, and so a process group, of its own; its output goes to a file.

    Args:
        argv: the command.
        environment: its whole environment.
        log: file that gets stdout and stderr, appended.
        cwd: its working directory.

    Returns:
        The process id, which is the process group's too.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(argv),
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _spawned[process.pid] = process
    return process.pid


def identity(pid: int) -> str | None:
    """Return what tells this process from a later one with the same number; None if there is none.

    A process number is used again sooner or later. The moment a process started, and the boot it
    started in, do not change while it lives and are not shared with its successor.
    """
    if pid <= 0 or _reaped(pid):
        return None
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        return _identity_from_proc(stat)
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    text = answer.stdout.strip()
    return None if not text or text.startswith("Z") else text.split(maxsplit=1)[1]


def _identity_from_proc(stat: Path) -> str | None:
    try:
        # The second field is the command in parentheses, and may hold spaces and parentheses itself.
        fields = stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if _has_ended(fields):
        return None
    started = fields[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{started}"


def _has_ended(fields: Sequence[str]) -> bool:
    """Say whether a process is no more than its entry; a killed one's other threads hold its port a while longer."""
    state, threads = fields[0], int(fields[17])
    return state in "ZX" and threads <= 1


def _reaped(pid: int) -> bool:
    process = _spawned.get(pid)
    if process is None or process.poll() is None:
        return False
    del _spawned[pid]
    return True


def is_ours(pid: int, recorded: str) -> bool:
    """Say whether the process is still the one whose identity was recorded."""
    return identity(pid) == recorded


def stop_group(pid: int, recorded: str, grace: float = 10.0) -> bool:
    """Stop a process group we started: ask, wait, then insist.

    Args:
        pid: leader of the group.
        recorded: the leader's identity when it was started.
        grace: seconds between asking and insisting.

    Returns:
        False if the leader is gone or the number belongs to somebody else; nothing is touched then.
    """
    if not is_ours(pid, recorded):
        return False
    # The leader alone is asked, and stops its own: a signal to the whole group makes Airflow's
    # triggerer wait 10 s for a child that has gone already.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if not _group_ends(pid, grace):
        _signal_group(pid, signal.SIGKILL)
        _group_ends(pid, grace)
    return True


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _group_ends(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _reaped(pid)
        if not _group_lives(pid):
            return True
        time.sleep(0.02)
    return False


def _group_lives(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS answers so for a group of zombies
        return identity(pid) is not None
    # A zombie whose parent is not us and does not wait still counts as a member; it holds nothing.
    return identity(pid) is not None or _has_living_member(pid)


def _has_living_member(group: int) -> bool:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and not _has_ended(fields):
                return True
    return False


def free_port(preferred: int = 0, host: str = "127.0.0.1") -> int:
    """Return a TCP port nobody listens on: the preferred one if it is free, else a random one.

    The system hands out ephemeral ports to the clients of every program, who hold them for a minute after they are
    closed. A service that gets one of those may not come up again where it was, so ours come from below their range.
    """
    ours = range(_FIRST_PORT, max(_first_ephemeral_port(), _FIRST_PORT + _TRIES))
    for port in (*([preferred] if preferred else ()), *random.SystemRandom().sample(ours, _TRIES), 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError(f"no free TCP port on {host}; is the network stack of this machine up?")


def _first_ephemeral_port() -> int:
    """The first port that the system hands out by itself."""
    said = Path("/proc/sys/net/ipv4/ip_local_port_range")
    return int(said.read_text().split()[0]) if said.exists() else 49_152  # RFC 6335's, macOS's too


def port_is_taken(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether somebody already listens on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log, or a remark that there are none."""
    if not log.exists():
        return "(no log was written)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) or "(the log is empty)"

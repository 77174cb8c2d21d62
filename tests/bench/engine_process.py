"""Runs one program as a process of its own: CPU and wall seconds, and the memory at its peak, its files counted."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Looking five times as often takes 7 % of a core of what is measured, where that is several processes with many files.
_SAMPLE_S = 0.1
_RESIDENT = re.compile(r"Vm(HWM|RSS):\s+([0-9]+) kB")
MB = 1 << 20


@dataclass(frozen=True)
class Cost:
    """What one process took.

    Args:
        cpu_s, wall_s: whole process, start to exit.
        rss_mb: resident memory at its peak, as the kernel counts it; of the largest, where it started others.
        with_files_mb: resident memory and the bytes it holds in files under its output folder, at the peak of their
            sum: in a function these files are memory.
        error: the last line it wrote, where it failed.
    """

    cpu_s: float
    wall_s: float
    rss_mb: float
    with_files_mb: float
    error: str = ""


@dataclass(frozen=True)
class Limit:
    """A hard limit on memory.

    Args:
        megabytes: how much.
        group: a memory cgroup (v1) of our own, in which files of /dev/shm count too; None: there is none to be had,
            RLIMIT_DATA bounds what the process allocates, and its files are only measured.
    """

    megabytes: int
    group: Path | None

    @property
    def name(self) -> str:
        """In words."""
        return f"{'cgroup, files in /dev/shm included' if self.group else 'RLIMIT_DATA'}, {self.megabytes} MB"

    def enter(self) -> None:
        """Put this process, a child about to become another program, under the limit."""
        if self.group:
            (self.group / "cgroup.procs").write_text(str(os.getpid()))
        else:
            resource.setrlimit(resource.RLIMIT_DATA, (self.megabytes * MB, self.megabytes * MB))


@contextlib.contextmanager
def hard_limit(megabytes: int) -> Iterator[Limit]:
    """Make a limit; the cgroup is removed at the end."""
    group = Path(f"/sys/fs/cgroup/memory/landfall-bench-{os.getpid()}")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(megabytes * MB))
    except OSError:
        yield Limit(megabytes, None)
        return
    try:
        yield Limit(megabytes, group)
    finally:
        group.rmdir()


def run(command: Sequence[str], out: Path, environment: Mapping[str, str], limit: Limit | None = None) -> Cost:
    """Run a command with an empty output folder.

    Args:
        command: the program and its arguments.
        out: the folder it may write to; what is in it is deleted first.
        environment: all of its environment.
        limit: a hard limit on memory.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    log = out.with_suffix(".log")
    with log.open("wb") as sink:
        began = time.monotonic()
        enter = limit.enter if limit else None
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=dict(environment), preexec_fn=enter)
        peak = [0.0, 0.0]
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, out, peak, ended))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        ended.set()
        watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    lines = log.read_text(errors="replace").strip().splitlines()
    error = (lines[-1] if lines else f"exit code {process.returncode}") if process.returncode else ""
    return Cost(round(usage.ru_utime + usage.ru_stime, 3), round(wall, 3), round(peak[0], 1), round(peak[1], 1), error)


def _watch(pid: int, out: Path, peak: list[float], ended: threading.Event) -> None:
    # The kernel's ru_maxrss would count our own memory too, which the child had before its exec.
    while not ended.wait(_SAMPLE_S):
        found = [memory for process in _family(pid) if (memory := _memory(process))]
        if found:
            peak[0] = max(peak[0], *(memory["HWM"] for memory in found))
            peak[1] = max(peak[0], peak[1], max(memory["RSS"] for memory in found) + _size(out) / MB)


def _family(pid: int) -> Iterator[int]:
    """Yield a process and those that it started."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in path.read_text().split():
                yield from _family(int(child))


def _memory(pid: int) -> dict[str, float]:
    """Return a process's resident memory, now and at its peak, in MB; nothing of one that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {name: int(size) / 1024 for name, size in _RESIDENT.findall(status)}


def _size(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total

"""Runs a Beam job in a process of the task: what a laptop has in place of Dataflow."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import include
from landfall.errors import TransientFailure
from landfall.gcp import leash
from landfall.gcp.large import LargeBatch

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

PROGRAM = (sys.executable, "-m", "include.dataflow")
_BEAM = ("--runner=DirectRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2")
# Seconds after which a job is ended; the task itself is after 75 minutes.
_LONGEST = 3_600.0
# Lines of a job that are told where it says nothing else, and how much of a line is read.
_LAST, _LINE = 10, 10_000

# What the pipeline itself says holds no data. The message of an exception may quote a record: only its kind is shown.
# What workers say comes by way of Beam, of which older versions (2.71) let it through to standard error as well.
_OWN = re.compile(r"(?:[A-Z]+:(?!include\.dataflow\.pipeline:)[\w.]+:)?((?:progress|landfall): .*)")
_PLACE = re.compile(r'\s+(File "[^"]+", line \d+, in \S+)$')
_KIND = re.compile(r"([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Failure|Warning))(?::.*)?$")


def shown(line: str) -> str:
    """Return what of a line that a job wrote to standard error may be shown; empty: nothing."""
    found = _OWN.match(line) or _PLACE.match(line) or _KIND.match(line)
    return found[1] if found else ""


class ProcessJob:
    """The job of one batch as a process, which ends with the task however that ends.

    Args:
        large: the batch.
        program: what takes `--request` and Beam's options.
        longest: seconds after which the process is ended.
    """

    def __init__(self, large: LargeBatch, program: Sequence[str], longest: float = _LONGEST) -> None:
        self._large, self._program, self._longest = large, tuple(program), longest
        self._process: subprocess.Popen[str] | None = None

    def run(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - a job on Dataflow needs it
        """Return what an earlier try published, or run the job under the next number.

        Raises:
            TerminalFailure, TransientFailure: there is no manifest.
        """
        for number in count(1):
            result = self._large.result(number)
            if result is not None:
                return result
            if not self._large.is_taken(number):  # else its process died with its task
                break
        return self._large.answer(number, self._run(self._large.ask(number)))

    def kill(self) -> None:
        """End the process and all that it started."""
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _run(self, request: str) -> str:
        """Run the job to its end; returns what is known of that."""
        with tempfile.TemporaryDirectory(prefix="landfall-", ignore_cleanup_errors=True) as scratch:
            self._process = process = self._start(request, scratch)
            alarm = threading.Timer(self._longest, self.kill)
            alarm.start()
            try:
                last = self._follow(process)
                code = process.stdout.read().strip() if process.stdout else ""
            finally:
                alarm.cancel()
                self.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout, process.stderr):
                    if pipe is not None:
                        pipe.close()
        killed = f"the process was killed, at the latest after {self._longest:.0f} s"
        ended = f"the process ended with {code}" if code else killed
        return "\n".join((ended, *last))

    def _start(self, request: str, scratch: str) -> subprocess.Popen[str]:
        job = (*self._program, f"--request={request}", *_secrets(self._large), *_BEAM)
        command = (sys.executable, leash.__file__, *job)
        root = Path(include.__file__).resolve().parent.parent
        paths = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH", ""))))
        try:
            return subprocess.Popen(  # noqa: S603 - our own program; no shell
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                errors="replace", start_new_session=True, env={**os.environ, "TMPDIR": scratch, "PYTHONPATH": paths},
            )  # fmt: skip
        except OSError as error:
            raise TransientFailure(f"the process of the job could not be started: {error.strerror}") from error

    def _follow(self, process: subprocess.Popen[str]) -> list[str]:
        """Log what the job says as it comes; returns the last of it."""
        last: deque[str] = deque(maxlen=_LAST)
        assert process.stderr is not None
        while line := process.stderr.readline(_LINE):
            if text := shown(line.rstrip()):
                log.info("%s", text)
                last.append(text)
        return list(last)


def _secrets(large: LargeBatch) -> list[str]:
    settings = large.site.settings
    named = {"mask_key_secret": settings.mask_key_secret, "raw_key_secret": settings.raw_key_secret}
    return [f"--{name}={value}" for name, value in named.items() if value]

"""Runs a command in this process's group, and ends the whole group with it or with whoever holds the leash.

    python leash.py COMMAND…

Whoever starts it in a group of its own holds the other end of its standard input: when that is closed, by whatever end
of its holder, SIGKILL included, nothing of the group lives on. Standard output gets the command's exit code, standard
error what the command says. Imports nothing of ours, so that any Python runs it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import NoReturn


def main(command: list[str]) -> NoReturn:
    """Run the command; returns never, as the group of this process is killed when it has ended."""
    if os.getpgrp() != os.getpid():
        raise SystemExit("start this in a process group of its own: the whole group is killed in the end")
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno())  # noqa: S603 - our caller's
    threading.Thread(target=_until_let_go, daemon=True).start()
    print(child.wait(), flush=True)
    _end()


def _until_let_go() -> None:
    sys.stdin.buffer.read()
    _end()


def _end() -> NoReturn:
    os.killpg(0, signal.SIGKILL)
    raise SystemExit(1)  # not reached: the group is this process's own


if __name__ == "__main__":
    main(sys.argv[1:])

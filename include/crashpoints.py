"""Named places at which a test can kill the process: before and after every write of every step.

They cost one comparison each when no test is under way. A test sets LANDFALL_CRASHPOINTS to a folder; a file in it
that is named after a place is a bomb for the next process that comes there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "LANDFALL_CRASHPOINTS"
_FOLDER = os.environ.get(VARIABLE, "")


@contextmanager
def boundary(name: str) -> Iterator[None]:
    """Mark a write: it stands between the places `<name>.before` and `<name>.after`.

    Args:
        name: step and write, such as ``load.commit``; a test finds every name in the code.
    """
    if _FOLDER:
        _reached(f"{name}.before")
    yield
    if _FOLDER:
        _reached(f"{name}.after")


def _reached(place: str) -> None:
    try:
        # Of several processes that come here at once, one takes the bomb.
        Path(_FOLDER, place).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)

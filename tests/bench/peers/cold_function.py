"""A cold instance: functions-framework starts with our function, which answers its first batch, one small file.

What is left out is the network: objects lie in a folder, though the storage client is imported and made.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tests.bench.engine_orders import wire

if TYPE_CHECKING:
    from include.functions.protocol import PinnedInput, PinnedReference


class Folder:
    """An object store in a folder."""

    def __init__(self, source: Path, out: Path) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        storage.Client(project="bench", credentials=AnonymousCredentials())
        self._source, self._out = source, out

    def check(self, inputs: Sequence[PinnedInput]) -> None:
        """Every input is there."""

    def open(self, pinned: PinnedInput) -> BinaryIO:
        return self._source.open("rb")

    def fetch(self, reference: PinnedReference, target: Path) -> None:
        """No dataset here has one."""

    def read(self, uri: str) -> bytes | None:
        return None

    def write(self, uri: str, source: Path) -> None:
        (self._out / source.name).write_bytes(source.read_bytes())

    def publish(self, uri: str, content: bytes) -> bytes:
        (self._out / "manifest.json").write_bytes(content)
        return content


def main(source: str, out: str) -> None:
    """Write the seconds from the process's start, as the kernel knows it, to the first answer."""
    import functions_framework

    app = functions_framework.create_app("transform", "include/functions/gcp/main.py")
    sys.modules["main"]._objects = lambda: Folder(Path(source), Path(out))  # type: ignore[attr-defined]
    pinned = {
        "file_id": "a",
        "uri": "gs://landfall-landing/a.csv",
        "generation": 1,
        "size": Path(source).stat().st_size,
    }
    output = "gs://landfall-work/orders/cold/attempt-1/"
    body = {"dataset": wire("csv"), "batch_id": "cold", "attempt": 1, "inputs": [pinned], "output": output}
    answer = app.test_client().post("/", json=body)
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / 100
    if answer.status_code != 200:
        raise SystemExit(answer.get_data(as_text=True))
    (Path(out) / "seconds").write_text(f"{seconds:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])

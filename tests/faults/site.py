"""The embedded cloud for one process of the rig, with its bombs, and the clients that look at it from outside."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.crashpoints import VARIABLE


@dataclass(frozen=True)
class Site:
    """Where schedules run.

    Args:
        bombs: folder of armed crash points, which LANDFALL_CRASHPOINTS of all processes names.
        bucket: the landing bucket; `archive` the archive bucket.
        warehouse: asks the warehouse.
        ended: called after each schedule, with its name.
    """

    bombs: Path
    bucket: Any
    archive: Any
    warehouse: Any
    ended: Callable[[str], None]

    def arm(self, place: str) -> None:
        """Have the next process that comes to a crash point killed there."""
        (self.bombs / place).touch()

    def disarm(self) -> list[str]:
        """Take away the bombs that nobody came to; returns their places."""
        left = sorted(bomb.name for bomb in self.bombs.iterdir())
        for place in left:
            (self.bombs / place).unlink(missing_ok=True)
        return left


@contextmanager
def site(ended: Callable[[str], None]) -> Iterator[Site]:
    """Start an embedded cloud whose processes, and this one's children, come to the same bombs.

    Args:
        ended: called after each schedule, with its name.
    """
    with tempfile.TemporaryDirectory(prefix="landfall-bombs-") as bombs:
        os.environ[VARIABLE] = bombs
        from local.cloud import Cloud

        with tempfile.TemporaryDirectory(prefix="landfall-cloud-") as state:
            cloud = Cloud(Path(state))
            cloud.up()
            try:
                environment = cloud.environ().items()
                os.environ.update(
                    {n: v for n, v in environment if not n.startswith("AIRFLOW_") or n.startswith("AIRFLOW_CONN_")}
                )
                yield _clients(Path(bombs), ended)
            finally:
                cloud.down()


def _clients(bombs: Path, ended: Callable[[str], None]) -> Site:
    from google.cloud import storage

    from landfall.gcp.warehouse import Warehouse

    client = storage.Client(project="landfall-local")
    landing, archive = (client.bucket(f"landfall-{name}") for name in ("landing", "archive"))
    return Site(bombs, landing, archive, Warehouse("google_cloud_default", "landfall-local", "US"), ended)

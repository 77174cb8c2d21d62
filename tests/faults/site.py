"""The embedded cloud for one process of the rig, with its bombs, and the clients that look at it from outside."""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.crashpoints import VARIABLE
from tests.environment import leading
from tests.faults.cloud import faulty_cloud

if TYPE_CHECKING:
    from tests.faults.proxy import Proxies


@dataclass(frozen=True)
class Site:
    """Where schedules run.

    Args:
        bombs: folder of armed crash points, which LANDFALL_CRASHPOINTS of all processes names.
        proxies: between the operators, the function and the services.
        bucket: the landing bucket; `archive` the archive bucket.
        warehouse: asks the warehouse.
        ended: called after each schedule, with its name.
    """

    bombs: Path
    proxies: Proxies
    bucket: Any
    archive: Any
    warehouse: Any
    ended: Callable[[str], None]

    def arm(self, place: str) -> None:
        """Have the next process that comes to a crash point killed there."""
        (self.bombs / place).touch()

    def disarm(self) -> list[str]:
        """Take away all faults, and the bombs that nobody came to; returns the places of these."""
        self.proxies.play()
        left = sorted(bomb.name for bomb in self.bombs.iterdir())
        for place in left:
            (self.bombs / place).unlink(missing_ok=True)
        return left

    def clear(self, table: str, ledger: str) -> None:
        """Drop what a schedule has made in the warehouse: the emulator's answers take the longer the more there is."""
        self.warehouse.client.delete_table(table, not_found_ok=True)
        for dataset in (ledger, f"{ledger}_staging"):
            self.warehouse.client.delete_dataset(dataset, delete_contents=True, not_found_ok=True)


@contextmanager
def site(ended: Callable[[str], None]) -> Iterator[Site]:
    """Start an embedded cloud behind proxies, whose processes and this one's children come to the same bombs.

    Only the operators go through the proxies: what looks at the outcome sees it as it is. When this process
    begins, LANDFALL_CRASHPOINTS has to name the folder of bombs: it is read once.

    Args:
        ended: called after each schedule, with its name.
    """
    bombs = Path(os.environ[VARIABLE])
    with tempfile.TemporaryDirectory(prefix="landfall-cloud-") as state, faulty_cloud(Path(state)) as behind:
        _enter(behind.cloud.environ())
        found = clients()
        _enter(behind.environ())
        hurry()
        _import_all()
        yield Site(bombs, behind.proxies, *found, ended)


def hurry(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Make every wait short, here and in the children: a thousand schedules wait very often.

    Args:
        put: sets an attribute; a test gives its monkeypatch's, and puts LANDFALL_LEASE back itself.
    """
    from include import breaker
    from include.backoff import Backoff
    from landfall.gcp import calls, warehouse

    put(calls, "BACKOFF", Backoff(base=0.02, jitter=0.02, cap=0.2))
    put(warehouse, "_RACE_BACKOFF", Backoff(base=0.02, jitter=0.1, cap=0.5))
    put(warehouse, "_POLL_SECONDS", 0.05)
    put(breaker, "Rules", functools.partial(breaker.Rules, cool_down=0.5, lease=5.0))
    os.environ["LANDFALL_LEASE"] = "1s"


def _import_all() -> None:
    """Import what tasks import as they go: each try is a child of this process, and would do it anew."""
    import include.ledger
    import include.spec
    import landfall.gcp
    import landfall.notifiers

    for package in (include.spec, include.ledger, landfall.notifiers, landfall.gcp):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)


def _enter(environment: Mapping[str, str]) -> None:
    os.environ.update(leading(environment))


def clients() -> tuple[Any, Any, Any]:
    """Return landing bucket, archive bucket and warehouse, on the straight way to the services."""
    from google.cloud import storage

    from landfall.gcp.warehouse import Warehouse

    client = storage.Client(project="landfall-local")
    warehouse = Warehouse("google_cloud_default", "landfall-local", "US")
    _ = warehouse.client  # made here: it keeps the address that it is made with
    return client.bucket("landfall-landing"), client.bucket("landfall-archive"), warehouse

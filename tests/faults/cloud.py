"""The embedded cloud behind proxies: every way from a client to a service leads through one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from local.cloud import Cloud
from local.services import Service
from local.settings import endpoints
from tests.faults.proxy import Proxies
from tests.faults.script import Upstream


class _BehindProxies(Cloud):
    """A cloud whose function finds Cloud Storage behind a door of its own."""

    function_storage = ""

    def _service(self, name: str, ports: dict[str, int]) -> Service:
        from local.cloud import describe, services

        storage = self.function_storage or self._url(ports, "storage")
        return describe(name, self.state, services.LOOPBACK, ports[name], ports["grpc"], storage)


class FaultyCloud:
    """An embedded cloud and the doors to it.

    Args:
        cloud: behind the doors; its own addresses go past them.
        proxies: the doors `storage`, `bigquery` and `function`, and `function_storage`, the function's own to storage.
    """

    def __init__(self, cloud: Cloud, proxies: Proxies) -> None:
        self.cloud, self.proxies = cloud, proxies

    def environ(self) -> dict[str, str]:
        """Return the variables that lead Airflow's clients, and a task's, through the doors."""
        return {**self.cloud.environ(), **endpoints(*map(self.proxies.url, ("storage", "bigquery", "function")))}


@contextlib.contextmanager
def faulty_cloud(folder: Path) -> Iterator[FaultyCloud]:
    """Start an embedded cloud behind proxies, and stop it in the end.

    Args:
        folder: of its data; an empty one.
    """
    cloud = _BehindProxies(folder)
    cloud.up(["storage", "bigquery"])
    upstreams = {name: Upstream(name, cloud.url(name)) for name in ("storage", "bigquery", "function")}
    upstreams["function_storage"] = upstreams["storage"]
    try:
        with Proxies(upstreams) as proxies:
            cloud.function_storage = proxies.url("function_storage")
            cloud.up(["function"])
            yield FaultyCloud(cloud, proxies)
    finally:
        cloud.down()

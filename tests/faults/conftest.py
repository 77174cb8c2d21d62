"""Fixtures of the tests under fire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment import leading
from tests.faults.cloud import FaultyCloud, faulty_cloud
from tests.faults.proxy import Proxies
from tests.faults.site import Site, clients


@pytest.fixture(scope="session")
def behind_proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyCloud]:
    """An embedded cloud behind proxies, started once a session."""
    with faulty_cloud(tmp_path_factory.mktemp("faulty")) as running:
        yield running


@pytest.fixture
def proxies(behind_proxies: FaultyCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxies]:
    """The proxies, with no rules yet, and the environment that leads the clients through them."""
    for name, value in leading(behind_proxies.environ()).items():
        monkeypatch.setenv(name, value)
    behind_proxies.proxies.play()
    yield behind_proxies.proxies
    behind_proxies.proxies.play()
    behind_proxies.proxies.settle()


@pytest.fixture
def here(behind_proxies: FaultyCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """The embedded cloud as the rig sees it, with nothing armed."""

    def enter(environment: dict[str, str]) -> None:
        for name, value in leading(environment).items():
            monkeypatch.setenv(name, value)

    for name in ("LANDFALL_DATASETS", "LANDFALL_OPS_DATASET"):
        monkeypatch.setenv(name, "")  # a world sets them; here they are put back
    enter(behind_proxies.cloud.environ())
    found = clients()
    enter(behind_proxies.environ())
    yield Site(tmp_path, behind_proxies.proxies, *found, lambda _: None)
    behind_proxies.proxies.play()
    behind_proxies.proxies.settle()

"""Fixtures of the tests under fire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.environment import leading
from tests.faults.cloud import FaultyCloud, faulty_cloud
from tests.faults.proxy import Proxies


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

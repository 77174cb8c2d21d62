"""Fixtures of the tests of local/: small folders and processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from google.cloud import storage  # noqa: TID253 - what is tested

from local import services
from local.cloud import Cloud

EMULATORS = ("storage", "bigquery")


@pytest.fixture(scope="module")
def own_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of this module's own, its folder with a space in the name, which is stopped at the end."""
    cloud = Cloud(tmp_path_factory.mktemp("own cloud"))
    cloud.up(EMULATORS)
    yield cloud
    cloud.down()


@pytest.fixture(scope="module")
def storage_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of this module's own in which only Cloud Storage runs, which is stopped at the end."""
    cloud = Cloud(tmp_path_factory.mktemp("storage"))
    cloud.up(["storage"])
    yield cloud
    cloud.down()


@pytest.fixture
def bucket(storage_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> storage.Bucket:
    """An empty bucket in it."""
    for name, value in storage_cloud.environ().items():
        monkeypatch.setenv(name, value)
    return storage.Client(project=services.PROJECT).create_bucket(f"test-{uuid4()}")


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours and must survive whatever is stopped."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def empty_state(tmp_path: Path) -> Path:
    return tmp_path / "state"

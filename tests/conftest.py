"""What every test may use: an embedded cloud of its own, started once a session, and left as it was found."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.environment import leading

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("LANDFALL_SHARED") or ROOT.parent / "shared")

# Airflow fixes its home when it is first imported: one a test process, gone with it.
_HOME = tempfile.TemporaryDirectory(prefix="landfall-airflow-")
os.environ.update(
    AIRFLOW_HOME=_HOME.name,
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME.name}/airflow.db",
)

# Hypothesis keeps its examples beside the other things that a build leaves.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / "build" / "hypothesis"))


# What CI says of a commit must not depend on the day: there the examples are the same each time. Everywhere else, and
# in the fuzz tests, they are drawn anew.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _no_parsing_context() -> None:
    """Forget which DAG an earlier test ran: Airflow 3.1's `DAG.test()` leaves it in the environment."""
    os.environ.pop("_AIRFLOW_PARSING_CONTEXT_DAG_ID", None)
    os.environ.pop("_AIRFLOW_PARSING_CONTEXT_TASK_ID", None)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The emulators and the function, with a state folder and ports of their own."""
    from local.cloud import Cloud

    running = Cloud(tmp_path_factory.mktemp("cloud"))
    running.up()
    try:
        yield running
    finally:
        running.down()


@pytest.fixture
def in_cloud(cloud: object, monkeypatch: pytest.MonkeyPatch) -> object:
    """The embedded cloud, with the environment that leads the clients to it."""
    for name, value in leading(cloud.environ()).items():  # type: ignore[attr-defined]
        monkeypatch.setenv(name, value)
    return cloud


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that is not part of the repository."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the shared data are not here")
    return folder


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name cases of bytes by their length: archives hold the time of day, and workers must agree on the names."""
    return f"{argname}:{len(val)}B" if isinstance(val, bytes) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which way the engine's tests went, where they were sent through a large file's job."""
    if os.environ.get("LANDFALL_TEST_THROUGH"):
        from tests.dataflow.through import told

        for what, count in sorted(told.items()):
            terminalreporter.write_line(f"through {os.environ['LANDFALL_TEST_THROUGH']}: {count} {what}")

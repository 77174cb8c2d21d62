"""Environments are made once, made anew when half made or out of date, and say what they lack."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import environments, interpreters, paths
from local.environments import STAMP, Environment, missing
from local.interpreters import SetupError
from local.locks import pins
from local.paths import REQUIREMENTS, ROOT
from local.progress import Progress


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment as it is after it was made, with one lock for it and one for its tools."""
    monkeypatch.setattr(paths, "REQUIREMENTS", tmp_path)
    monkeypatch.setattr(paths, "ENVIRONMENTS", tmp_path / "env")
    environment = Environment("small", ("3.11",), "small.txt", "tools.txt")
    (tmp_path / "small.txt").write_text("one==1\n")
    (tmp_path / "tools.txt").write_text("tool==1\n")
    environment.folder.mkdir(parents=True)
    stamp = {"folder": str(environment.folder), "interpreter": sys.executable}
    stamp["small.txt"] = environments._hash(tmp_path / "small.txt")
    (environment.folder / STAMP).write_text(json.dumps(stamp))
    return environment


def test_an_environment_that_is_as_its_lock_says_needs_nothing(made: Environment) -> None:
    assert missing(made, dev=False) is None


def test_a_comment_in_a_lock_changes_nothing(made: Environment) -> None:
    lock = made.locks(dev=False)[0]
    lock.write_text("# written by somebody else\n" + lock.read_text())
    assert missing(made, dev=False) is None


def test_a_changed_lock_makes_the_environment_anew(made: Environment) -> None:
    made.locks(dev=False)[0].write_text("one==2\n")
    job = missing(made, dev=False)
    assert job is not None
    assert job.anew


def test_tools_are_added_to_what_is_there(made: Environment) -> None:
    job = missing(made, dev=True)
    assert job is not None
    assert (job.anew, [lock.name for lock in job.locks]) == (False, ["tools.txt"])


def test_a_half_made_environment_is_made_anew(made: Environment) -> None:
    (made.folder / STAMP).unlink()
    job = missing(made, dev=False)
    assert job is not None
    assert job.anew


def test_a_stamp_that_was_cut_short_counts_as_half_made(made: Environment) -> None:
    (made.folder / STAMP).write_text('{"folder": ')
    job = missing(made, dev=False)
    assert job is not None
    assert job.anew


def test_a_clone_that_was_moved_gets_new_environments(
    made: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env").rename(tmp_path / "elsewhere")
    monkeypatch.setattr(paths, "ENVIRONMENTS", tmp_path / "elsewhere")
    job = missing(made, dev=False)
    assert job is not None
    assert job.anew


def test_an_environment_whose_python_was_removed_is_made_anew(made: Environment) -> None:
    stamp = json.loads((made.folder / STAMP).read_text())
    (made.folder / STAMP).write_text(json.dumps({**stamp, "interpreter": "/nowhere/python3.11"}))
    job = missing(made, dev=False)
    assert job is not None
    assert job.anew


def test_a_missing_lock_is_named_with_the_command_that_writes_it(made: Environment) -> None:
    made.locks(dev=False)[0].unlink()
    with pytest.raises(SetupError, match=r"small\.txt.*make lock"):
        missing(made, dev=False)


def test_the_environments_these_tests_run_in_need_nothing_more() -> None:
    # Looked at, not ensured: making them anew under a running test would pull them from under it.
    assert [missing(environments.ENVIRONMENTS[name], dev=False) for name in environments.USUAL] == [None] * 3


def test_the_preflight_names_everything_that_is_missing_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "ENVIRONMENTS", tmp_path / "none yet")
    monkeypatch.setattr(interpreters, "BYTES_NEEDED", 10**18)
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SetupError, match=r"(?s)apt-get install python3\.\d+-venv.*GB free"):
        interpreters.preflight()


def test_pyenvs_newest_interpreter_is_found_though_it_is_not_switched_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for patch in (2, 10):
        folder = tmp_path / "versions" / f"{version}.{patch}" / "bin"
        folder.mkdir(parents=True)
        (folder / f"python{version}").symlink_to(sys.executable)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    found = interpreters.of_pyenv(version)
    assert found is not None
    assert f"{version}.10" in found.parts


def test_a_python_that_cannot_be_had_is_a_plain_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'no network' >&2\nexit 1\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(SetupError, match=r"(?s)Python 3\.99 is needed.*no network.*pyenv install 3\.99"):
        interpreters.find(["3.99"], uv)


def test_a_second_choice_that_is_installed_is_better_than_one_to_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\nexit 1\n")
    uv.chmod(0o755)
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert interpreters.find(["3.99", running], uv).name == f"python{running}"


def test_a_python_that_is_too_old_is_a_plain_message(tmp_path: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    answer = subprocess.run(
        ["/bin/sh", str(ROOT / "local" / "find-python")],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHON": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "no Python 3.11 or newer was found" in answer.stderr
    assert "apt-get install" in answer.stderr


def test_the_command_says_which_environments_there_are() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "local.environments", "airflaw"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert answer.returncode == 2
    assert "no such environment: airflaw; there are airflow, function" in answer.stderr


def test_progress_counts_packages_and_is_plain_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("local.progress._PLAIN_SECONDS", 0.0)
    shown = io.StringIO()
    progress = Progress("environment 2 of 3, function", shown)
    for line in (
        "Resolved 57 packages in 299ms\n",
        "DEBUG No cache entry for: scheme:host/ab/numpy-2.4.6-cp311-manylinux.whl.metadata\n",
        "DEBUG Sending fresh GET request for: scheme:host/ab/numpy-2.4.6-cp311-manylinux.whl\n",
        "Downloading pyarrow (47.7MiB)\n",
    ):
        progress.read(line)
    progress.close()
    assert "environment 2 of 3, function: 1 of 57 packages, 0 s, pyarrow (47.7MiB)" in shown.getvalue()
    assert "\r" not in shown.getvalue()


def test_what_uv_complained_about_is_kept_for_the_error() -> None:
    progress = Progress("x", io.StringIO())
    progress.read("DEBUG not interesting\n")
    progress.read("error: Hash mismatch for `numpy==2.4.6`\n")
    assert progress.complaint().strip() == "error: Hash mismatch for `numpy==2.4.6`"


@pytest.mark.parametrize("lock", sorted(REQUIREMENTS.glob("*.txt")), ids=lambda path: path.name)
def test_a_lock_pins_and_hashes_everything_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    pinned = pins(text)
    assert pinned
    assert "://" not in text
    assert "--index-url" not in text
    blocks = [b for b in text.split("\n") if b and not b.startswith((" ", "#"))]
    assert all("==" in block and block.endswith("\\") for block in blocks)


def test_the_engine_has_the_same_versions_on_the_worker_and_on_the_function() -> None:
    worker = pins((REQUIREMENTS / "airflow.txt").read_text())
    function = pins((REQUIREMENTS / "function.txt").read_text())
    engine = {
        line.strip()
        for line in (REQUIREMENTS / "engine.in").read_text().splitlines()
        if line and not line.startswith("#")
    }
    assert {name: worker[name] for name in engine} == {name: function[name] for name in engine}


def test_the_tools_change_nothing_of_what_is_deployed() -> None:
    for base, tools in (("airflow.txt", "dev.txt"), ("airflow-3.1.7.txt", "dev-3.1.7.txt")):
        deployed = pins((REQUIREMENTS / base).read_text())
        extra = pins((REQUIREMENTS / tools).read_text())
        shared = deployed.keys() & extra.keys()
        assert {name: deployed[name] for name in shared} == {name: extra[name] for name in shared}


def test_make_help_explains_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:")).split()[1:]
    answer = subprocess.run(["make", "-s"], capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ)
    explained = {line.split()[1] for line in answer.stdout.splitlines() if line.startswith("  make ")}
    assert explained == set(phony)

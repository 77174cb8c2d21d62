"""`source local/env.sh` makes a shell talk to the embedded cloud of the clone, and the launcher works."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import start
from local.paths import ROOT

SHELLS = [shell for shell in ("bash", "zsh") if shutil.which(shell)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables of a shell in a clone whose cloud is a new one, in a path with a space."""
    state = tmp_path_factory.mktemp("a state")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "LANDFALL", "PYTHON"))}
    environment = {**kept, "LANDFALL_STATE": str(state)}
    yield environment
    subprocess.run(["make", "-s", "stop"], cwd=ROOT, env=environment, check=True, capture_output=True)


def shell(program: str, script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "-c", script], capture_output=True, text=True, check=False, cwd="/", env=environment
    )


@pytest.mark.parametrize("program", SHELLS)
def test_a_sourced_shell_has_the_cloud_and_both_commands(program: str, clone: dict[str, str]) -> None:
    script = (
        f"source '{ROOT}/local/env.sh' && command -v landfall && command -v airflow && "
        'echo "at $BIGQUERY_EMULATOR_HOST" && python -m local.cloud status'
    )
    answer = shell(program, script, clone)
    assert f"{ROOT}/local/bin/landfall" in answer.stdout, answer.stderr
    assert f"{ROOT}/build/env/airflow/bin/airflow" in answer.stdout
    assert "at http://127.0.0.1:" in answer.stdout
    assert "bigquery  healthy" in answer.stdout


def test_a_second_shell_joins_the_first_ones_cloud(clone: dict[str, str]) -> None:
    script = f"source '{ROOT}/local/env.sh' >/dev/null && echo $STORAGE_EMULATOR_HOST"
    assert shell("bash", script, clone).stdout == shell("bash", script, clone).stdout


def test_it_says_in_one_line_what_it_did_and_how_to_stop(clone: dict[str, str]) -> None:
    shell("bash", f"source '{ROOT}/local/env.sh'", clone)
    answer = shell("bash", f"source '{ROOT}/local/env.sh'", clone)
    assert answer.stdout.count("\n") == 1
    assert "embedded cloud is running" in answer.stdout
    assert "make stop" in answer.stdout


def test_sourcing_twice_does_not_lengthen_the_path(clone: dict[str, str]) -> None:
    script = f"source '{ROOT}/local/env.sh'; first=$PATH; source '{ROOT}/local/env.sh'; [ \"$first\" = \"$PATH\" ]"
    assert shell("bash", script, clone).returncode == 0


def test_airflow_finds_its_database_and_the_projects_dags(clone: dict[str, str]) -> None:
    show = "airflow dags list -o plain && airflow config get-value core dags_folder"
    script = f"source '{ROOT}/local/env.sh' >/dev/null && {show}"
    answer = shell("bash", script, clone)
    assert answer.returncode == 0, answer.stderr
    assert str(ROOT / "dags") in answer.stdout


def test_the_dags_are_read_again_only_when_something_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.paths.ROOT", tmp_path)
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(start, "_airflow", lambda _environment, *command: commands.append(command))
    dag = tmp_path / "dags" / "ingest.py"
    dag.parent.mkdir()
    dag.write_text("one = 1\n")
    environment = {"AIRFLOW_HOME": str(tmp_path)}
    assert start.list_dags(environment)
    assert not start.list_dags(environment)
    dag.write_text("one = 1 + 1\n")
    assert start.list_dags(environment)
    assert commands == [("dags", "reserialize")] * 2

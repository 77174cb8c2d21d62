"""docker-compose.yaml says the same as `make ui`; checked without a Docker engine, down to each command."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from local import processes, services, settings, ui
from local.environments import ENVIRONMENTS, USUAL
from local.locks import pins
from local.paths import REQUIREMENTS, ROOT, program_of

HOME = "/opt/landfall"
AIRFLOW = (
    "airflow-init",
    "airflow-apiserver",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
)
SERVICES = ("postgres", "storage", "bigquery", "function", *AIRFLOW)


@cache
def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yaml").read_text()
    # What Compose does with ${NAME:-default} when no variable is set.
    loaded: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return loaded


@cache
def stages() -> dict[str, list[list[str]]]:
    """The instructions of each stage of the Dockerfile, as words."""
    found: dict[str, list[list[str]]] = {}
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    for words in (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")):
        if words[0] == "FROM":
            found[words[3]] = []
        found[list(found)[-1]].append(words)
    return found


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def environment(name: str) -> dict[str, str]:
    given: dict[str, str] = service(name)["environment"]
    return given


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command of every service of ours, those of health checks and inside `bash -c` included."""
    for name in SERVICES[1:]:
        for words in (
            service(name)["command"],
            service(name).get("healthcheck", {}).get("test", ["NONE"])[1:],
        ):
            line = words[2] if words[:2] == ["bash", "-c"] else words[0] if len(words) == 1 else ""
            yield from ((name, part.split()) for part in line.split("&&") if part)
            if not line and words:
                yield name, words


def test_it_is_a_valid_compose_file() -> None:
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validate(compose(), schema)


def test_the_workflow_is_a_valid_github_workflow() -> None:
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/github-workflows.json").read_text())
    # YAML 1.1 reads the key `on` as true.
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text().replace("\non:", '\n"on":'))
    jsonschema.validate(workflow, schema)


@pytest.mark.skipif(
    not shutil.which("docker")
    or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0,
    reason="no Docker Compose here",
)
def test_compose_itself_accepts_it() -> None:
    subprocess.run(["docker", "compose", "config", "-q"], cwd=ROOT, check=True)


def test_it_starts_all_that_the_ui_target_starts() -> None:
    assert set(compose()["services"]) == set(SERVICES)
    started = {service(name)["command"][1] for name in AIRFLOW[1:]}
    assert started == set(ui.COMPONENTS)


def test_every_build_names_a_stage_and_an_existing_context() -> None:
    for name in SERVICES[1:]:
        build = service(name)["build"]
        assert (ROOT / build["context"]).is_dir()
        assert build["target"] in stages()


def test_everything_the_dockerfile_copies_exists_and_is_not_ignored() -> None:
    ignored = {line.strip("/") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    for instructions in stages().values():
        for words in instructions:
            if words[0] != "COPY" or words[1].startswith("--from"):
                continue
            for source in words[1:-1]:
                assert (ROOT / source).exists(), source
                assert Path(source).parts[0] not in ignored


def test_what_stages_take_from_each_other_was_made_there() -> None:
    for instructions in stages().values():
        for words in (w for w in instructions if w[:1] == ["COPY"] and w[1].startswith("--from=")):
            source, path = words[1].removeprefix("--from="), words[2]
            made = [w[-1] for w in stages()[source] if w[0] == "RUN" and "local.environments" in w]
            assert path == f"{HOME}/build/env/{made[0]}"
            # At the same place, for a virtual environment holds its own path.
            assert words[3] == f"build/env/{made[0]}"


def test_every_environment_is_built_from_its_lock_on_its_python() -> None:
    bases = {name: words[0][1] for name, words in stages().items()}
    for name in USUAL:
        base = bases[bases[f"{name}-environment"]]
        assert base == bases[name]
        assert base.startswith(f"python:{ENVIRONMENTS[name].pythons[0]}-")


def test_nothing_runs_as_root() -> None:
    for name in {service(n)["build"]["target"] for n in SERVICES[1:]}:
        assert stages()[name][-1] == ["USER", "landfall"]


def test_every_mount_of_the_working_tree_exists_and_is_read_only() -> None:
    for name in SERVICES:
        for volume in service(name).get("volumes", []):
            source, target, *mode = volume.split(":")
            if source.startswith("."):
                assert (ROOT / source).is_dir(), source
                assert target == f"{HOME}/{Path(source).name}"
                assert mode == ["ro"]
            else:
                assert source in compose()["volumes"]


def test_the_copied_code_is_what_the_service_imports() -> None:
    copied = {
        target: {w[1].strip("/") for w in words if w[0] == "COPY" and not w[1].startswith("--")}
        for target, words in stages().items()
    }
    assert copied["airflow"] >= {"dags", "plugins", "include", "cli", "local"}
    assert copied["function"] >= {"include", "local"}


@pytest.mark.parametrize(
    ("name", "words"), list(commands()), ids=lambda v: v if isinstance(v, str) else " ".join(v)[:40]
)
def test_every_command_exists(name: str, words: list[str]) -> None:
    if words[0] == "airflow":
        assert "apache-airflow" in pins((REQUIREMENTS / "airflow.txt").read_text())
        assert program_of("airflow", "airflow").exists()
        from airflow.cli import cli_parser

        cli_parser.get_parser().parse_args(words[1:])
    elif words[1] == "-m":
        assert find_spec(words[2]), words
        assert name.startswith("airflow") or words[4] == name
    else:
        compile(words[2], f"{name} health check", "exec")


@pytest.mark.parametrize("name", services.SERVICES)
def test_the_address_given_to_airflow_is_where_the_service_listens(name: str) -> None:
    variable = {
        "storage": "STORAGE_EMULATOR_HOST",
        "bigquery": "BIGQUERY_EMULATOR_HOST",
        "function": "LANDFALL_FUNCTION_URL",
    }[name]
    command = service(name)["command"]
    port = command[command.index("--port") + 1]
    assert environment("airflow-scheduler")[variable] == f"http://{name}:{port}"
    assert command[command.index("--host") + 1] == "0.0.0.0"
    assert service(name)["healthcheck"]["test"][-1] == port


def test_storage_and_bigquery_share_the_folder_that_gs_uris_are_read_from() -> None:
    for name in ("storage", "bigquery"):
        assert f"cloud:{HOME}/build/cloud" in service(name)["volumes"]


def test_airflow_gets_the_settings_it_has_without_docker() -> None:
    there = environment("airflow-scheduler")
    here = {
        **services.NOBODY,
        **services.landfall_settings(),
        **settings.endpoints("http://storage:9023", "http://bigquery:9050", "http://function:9025"),
        **settings.airflow_settings(Path(HOME, "build", "airflow")),
        "CLOUDSDK_CONFIG": f"{HOME}/build/gcloud",
        **services.key_places(Path(HOME, "build", "cloud")),
    }
    here = {name: value.replace(str(ROOT), HOME) for name, value in here.items()}
    del here["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert {name: there.get(name) for name in here} == here


def test_all_of_airflow_shares_one_configuration() -> None:
    assert all(environment(name) == environment("airflow-init") for name in AIRFLOW)


def test_tasks_find_the_api_server_and_are_let_in() -> None:
    given = environment("airflow-scheduler")
    # Known to break it: tasks look on their own container, or are answered 403.
    assert given["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://airflow-apiserver:8080/execution/"
    assert len(given["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64
    assert len(base64.urlsafe_b64decode(given["AIRFLOW__CORE__FERNET_KEY"])) == 32
    assert given["PYTHONPATH"] == f"{HOME}:{HOME}/plugins"
    assert given["AIRFLOW__API__PORT"] == "8080"


def test_default_secrets_say_that_they_are_local_only() -> None:
    text = (ROOT / "docker-compose.yaml").read_text()
    defaults = dict(re.findall(r"\$\{(LANDFALL_LOCAL_\w+):-([^}]*)\}", text))
    fernet = base64.urlsafe_b64decode(defaults.pop("LANDFALL_LOCAL_FERNET_KEY")).decode()
    assert "local-only" in fernet
    assert all("local-only" in value for value in defaults.values())


def test_only_this_machine_can_reach_an_airflow_where_everyone_is_administrator() -> None:
    published = [port for name in SERVICES for port in service(name).get("ports", [])]
    assert published == ["127.0.0.1:8080:8080"]


def test_everything_waits_for_what_it_needs() -> None:
    for name in AIRFLOW[1:]:
        needs = {other: how["condition"] for other, how in service(name)["depends_on"].items()}
        assert needs["airflow-init"] == "service_completed_successfully"
        assert all(needs[other] == "service_healthy" for other in services.SERVICES)
    for name, found in compose()["services"].items():
        for other, how in found.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in service(other), f"{name} waits for {other}"


def test_logs_are_shared_since_the_ui_shows_what_the_scheduler_writes() -> None:
    for name in ("airflow-scheduler", "airflow-apiserver", "airflow-triggerer"):
        assert f"airflow-logs:{HOME}/build/airflow/logs" in service(name)["volumes"]


def test_the_serve_and_probe_commands_work_as_compose_runs_them(tmp_path: Path) -> None:
    port = str(processes.free_port())
    command = [word if word != "9023" else port for word in service("storage")["command"]]
    probe = [word if word != "9023" else port for word in service("storage")["healthcheck"]["test"][1:]]
    argv = [sys.executable, *command[1:], "--state", str(tmp_path)]
    argv[argv.index("--host") + 1] = "127.0.0.1"
    with subprocess.Popen(argv, cwd=ROOT) as process:
        try:
            while process.poll() is None:
                answer = subprocess.run([sys.executable, *probe[1:]], cwd=ROOT, check=False)
                if answer.returncode == 0:
                    break
            assert process.poll() is None, "the service ended"
        finally:
            process.terminate()

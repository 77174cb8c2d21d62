"""The Flex Template for large files: what its image holds, and what it is told."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.spec.settings import Settings
from local.locks import LOCKS, pins
from local.paths import REQUIREMENTS, ROOT

FOLDER = ROOT / "infra" / "gcp" / "dataflow"
METADATA = json.loads((FOLDER / "metadata.json").read_text())
PARAMETERS = {parameter["name"]: parameter for parameter in METADATA["parameters"]}
LOCK = (REQUIREMENTS / "dataflow.txt").read_text()

with_pipeline = pytest.mark.skipif(find_spec("include.dataflow") is None, reason="there is no pipeline yet")


def steps() -> list[list[str]]:
    """Return the words of each instruction of the Dockerfile."""
    text = (FOLDER / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [shlex.split(line, posix=not line.startswith("ENTRYPOINT")) for line in lines]


def copied() -> set[str]:
    """Return what of the working tree the image holds."""
    return {words[1] for words in steps() if words[0] == "COPY" and not words[1].startswith("--")}


def environment() -> dict[str, str]:
    """Return what the image sets."""
    return dict(word.split("=", 1) for words in steps() if words[0] == "ENV" for word in words[1:])


def third_party() -> set[str]:
    """Return the packages that modules of include/ import, at whatever place, but for other clouds' frameworks."""
    found = set()
    for path in (ROOT / "include").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    roots = {name.split(".")[0] for name in found}
    return roots - {"include", "__future__", "google"} - set(sys.stdlib_module_names)


def test_what_is_copied_is_there() -> None:
    assert copied() == {"requirements/dataflow.txt", "include/"}
    assert all((ROOT / path).exists() for path in copied())
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not {"include", "requirements"} & set(ignored)


def test_the_lock_has_every_package_that_include_imports() -> None:
    known = packages_distributions()
    locked = set(pins(LOCK))
    for module in sorted(third_party()):
        names = {re.sub(r"[-_.]+", "-", name).lower() for name in known[module]}
        assert names & locked, f"{module} is imported, and requirements/dataflow.txt has none of {sorted(names)}"


def test_everything_is_installed_by_its_hash_and_in_the_workers_versions() -> None:
    [install] = [words for words in steps() if words[:3] == ["RUN", "pip", "install"]]
    assert "--require-hashes" in install
    worker, image = pins((REQUIREMENTS / "airflow.txt").read_text()), pins(LOCK)
    assert {name: version for name, version in image.items() if worker.get(name, version) != version} == {}


def test_the_base_image_is_of_the_lock_and_its_python() -> None:
    bases = [words[1] for words in steps() if words[0] == "FROM"]
    python = next(lock.python for lock in LOCKS if lock.output == "dataflow.txt")
    assert bases == [
        f"gcr.io/dataflow-templates-base/python{python.replace('.', '')}-template-launcher-base:latest",
        f"apache/beam_python{python}_sdk:{pins(LOCK)['apache-beam']}",
    ]


def test_a_worker_finds_our_code_and_no_module_of_ours_hides_another() -> None:
    [folder] = [words[1] for words in steps() if words[0] == "WORKDIR"]
    given = environment()
    assert given["PYTHONPATH"] == folder
    assert given["PYTHONSAFEPATH"] == "1"
    assert given["FLEX_TEMPLATE_PYTHON_PY_FILE"] == f"{folder}/include/dataflow/__main__.py"


@with_pipeline
def test_the_file_that_the_launcher_runs_takes_the_templates_parameters(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "include", tmp_path / "include", ignore=shutil.ignore_patterns("__pycache__", "datasets"))
    own = {name: value.replace("/opt/landfall", str(tmp_path)) for name, value in environment().items()}
    command = [sys.executable, own["FLEX_TEMPLATE_PYTHON_PY_FILE"], "--help"]
    answer = subprocess.run(
        command, env={**os.environ, **own}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert set(PARAMETERS) <= set(re.findall(r"--([a-z_]+)", answer.stdout))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the parameters that Airflow sends where every setting is set."""
    from landfall.gcp.dataflow import DataflowJob

    secret = "projects/p/secrets/{}/versions/3"
    settings = Settings(mask_key_secret=secret.format("mask"), raw_key_secret=secret.format("raw"), dataflow="gs://w/t")
    large: Any = SimpleNamespace(
        site=SimpleNamespace(settings=settings, dataset=SimpleNamespace(name="orders")),
        batch=SimpleNamespace(batch_id="b"),
        plan=SimpleNamespace(run_id="r"),
    )
    job = DataflowJob(large)
    monkeypatch.setattr(job, "_image", lambda: "image")
    given: dict[str, str] = job._parameters(1, "gs://landfall-work/orders/dataflow/b/attempt-1/request.json")[
        "parameters"
    ]
    return given


def test_airflow_sends_what_the_template_takes(sent: dict[str, str]) -> None:
    assert set(sent) == set(PARAMETERS)
    for name, value in sent.items():
        assert all(re.search(pattern, value) for pattern in PARAMETERS[name]["regexes"]), name
    assert {name for name, one in PARAMETERS.items() if one.get("isOptional")} == {"mask_key_secret", "raw_key_secret"}


def test_a_key_itself_is_no_parameter() -> None:
    pattern = PARAMETERS["mask_key_secret"]["regexes"][0]
    assert not re.search(pattern, "bGFuZGZhbGwtbG9jYWwtb25seS1ub3QtYS1zZWNyZXQ=")


def test_the_build_names_the_image_by_its_digest(tmp_path: Path) -> None:
    said = tmp_path / "said"
    (tmp_path / "gcloud").write_text(
        f'#!/bin/bash\necho "$*" >> {said}\ncase "$*" in *describe*) echo sha256:abc;; esac\n'
    )
    (tmp_path / "git").write_text('#!/bin/bash\n[ "$1" = rev-parse ] && echo 0123456789ab || true\n')
    for name in ("gcloud", "git"):
        (tmp_path / name).chmod(0o755)
    given = {"PROJECT": "p", "REGION": "europe-west1", "REPOSITORY": "landfall", "TEMPLATE": "gs://b/landfall.json"}
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    subprocess.run([FOLDER / "build.sh"], env={**os.environ, **given, "PATH": path}, check=True, capture_output=True)
    build, describe, template = said.read_text().splitlines()
    image = "europe-west1-docker.pkg.dev/p/landfall/dataflow"
    assert f"_IMAGE={image}:0123456789ab" in build
    assert f"{image}:0123456789ab" in describe
    assert template.startswith("dataflow flex-template build gs://b/landfall.json --project p")
    assert f"--image {image}@sha256:abc" in template
    for option in ("--config", "--metadata-file"):
        [named] = re.findall(rf"{option} (\S+)", build + " " + template)
        assert (ROOT / named).is_file()


def test_what_is_not_committed_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "git").write_text("#!/bin/bash\necho ' M include/engine/run.py'\n")
    (tmp_path / "git").chmod(0o755)
    given = {"PROJECT": "p", "REGION": "r", "REPOSITORY": "l", "TEMPLATE": "gs://b/t"}
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    answer = subprocess.run(
        [FOLDER / "build.sh"], env={**os.environ, **given, "PATH": path}, check=False, capture_output=True, text=True
    )
    assert answer.returncode == 1
    assert "not committed" in answer.stderr

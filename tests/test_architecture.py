"""Arrows point one way; the contracts stand in pyproject.toml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_import_points_the_way_it_should() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nothing_in_the_plugins_folder_is_run_as_a_plugin_but_plugins() -> None:
    """Airflow runs every .py below plugins/ and stores it under its bare name: a yaml.py would replace PyYAML."""
    ignored = (ROOT / "plugins" / ".airflowignore").read_text().split("\n")
    assert "landfall" in ignored
    assert [path.name for path in (ROOT / "plugins").glob("*.py")] == []

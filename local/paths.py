"""Where things are in the repository, for everything under local/."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
ENVIRONMENTS = BUILD / "env"
REQUIREMENTS = ROOT / "requirements"
# Another folder gives another cloud beside the usual one, with an Airflow home of its own.
DEFAULT_STATE = Path(os.environ.get("LANDFALL_STATE") or BUILD / "cloud")
FUNCTION_SOURCE = ROOT / "include" / "functions" / "gcp" / "main.py"


def airflow_home(state: Path) -> Path:
    """Return the AIRFLOW_HOME that goes with an embedded cloud.

    Args:
        state: the cloud's folder.
    """
    return BUILD / "airflow" if state == BUILD / "cloud" else state / "airflow"


def python_of(environment: str) -> Path:
    """Return the interpreter of one of our environments, whether it exists yet or not.

    Args:
        environment: its name under build/env, such as ``airflow``.
    """
    return ENVIRONMENTS / environment / "bin" / "python"


def program_of(environment: str, program: str) -> Path:
    """Return a console script of one of our environments.

    Args:
        environment: its name under build/env.
        program: the script's name.
    """
    return ENVIRONMENTS / environment / "bin" / program

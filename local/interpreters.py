"""Find the Python interpreters the environments need, and say plainly what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from local.paths import BUILD, ENVIRONMENTS

BYTES_NEEDED = 5_000_000_000


class SetupError(Exception):
    """Set-up cannot go on; the message says what is missing and how to get it."""


def preflight() -> None:
    """Check what set-up needs of this machine before anything is downloaded.

    Raises:
        SetupError: something is missing; names all of it at once, with the way to get it.
    """
    problems = [p for p in (_platform(), _venv_module(), _disk_space()) if p]
    if problems:
        raise SetupError("this machine is not ready:\n" + "\n".join(f"  - {p}" for p in problems))


def _platform() -> str | None:
    if os.name == "posix":
        return None
    return "Windows is not supported by Airflow itself; use WSL 2 (`wsl --install`) and run this in there"


def _venv_module() -> str | None:
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        name = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        return f"{sys.executable} has no venv or pip; on Debian and Ubuntu: sudo apt-get install {name}"
    return None


def _disk_space() -> str | None:
    if ENVIRONMENTS.exists():
        return None
    existing = next(p for p in (BUILD, *BUILD.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free >= BYTES_NEEDED:
        return None
    return f"{existing} has {free / 1e9:.1f} GB free; the environments and their cache need 5 GB: make room"


def find(versions: Sequence[str], uv: Path) -> Path:
    """Return an interpreter: installed, of pyenv, or fetched by uv.

    Args:
        versions: which will do, such as ``3.13``; the first is the one to fetch if there is none.
        uv: the uv program.

    Raises:
        SetupError: there is none and uv cannot fetch it.
    """
    for version in versions:
        if found := _running(version) or _found_by_uv(version, uv) or of_pyenv(version):
            return found
    return _fetched(versions[0], uv)


def _running(version: str) -> Path | None:
    if sysconfig.get_python_version() != version:
        return None
    # Not sys.executable: in a virtual environment that would chain one environment to another.
    return Path(sys.base_prefix, "bin", f"python{version}").resolve() if _base_exists(version) else None


def _base_exists(version: str) -> bool:
    return Path(sys.base_prefix, "bin", f"python{version}").exists()


def _found_by_uv(version: str, uv: Path) -> Path | None:
    command = [str(uv), "python", "find", "--system", "--no-project", version]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        return None
    path = Path(answer.stdout.strip())
    return path if _works(path, version) else None


def of_pyenv(version: str) -> Path | None:
    """Return pyenv's newest interpreter of a version; uv sees only the one pyenv has switched to.

    Args:
        version: such as ``3.13``.
    """
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = sorted(
        (root / "versions").glob(f"{version}.*/bin/python{version}"),
        key=lambda p: [int(part) if part.isdigit() else -1 for part in p.parts[-3].split(".")],
        reverse=True,
    )
    return next((p for p in candidates if _works(p, version)), None)


def _works(python: Path, version: str) -> bool:
    """A pyenv shim exists for versions that are not switched on, and fails when it is run."""
    code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.stdout.strip() == version


def _fetched(version: str, uv: Path) -> Path:
    print(f"landfall: Python {version} is not installed; fetching it with uv", file=sys.stderr, flush=True)
    answer = subprocess.run([str(uv), "python", "install", version], capture_output=True, text=True, check=False)
    path = None if answer.returncode else _found_by_uv(version, uv)
    if path is None:
        raise SetupError(
            f"Python {version} is needed, is not on this machine, and uv could not fetch it:\n"
            f"    {answer.stderr.strip() or 'no reason given'}\n"
            f"  Install it by one of these, then run the same command again:\n"
            f"    Debian, Ubuntu:  sudo apt-get install python{version} python{version}-venv\n"
            f"    Fedora:          sudo dnf install python{version}\n"
            f"    macOS:           brew install python@{version}\n"
            f"    anywhere:        pyenv install {version}"
        )
    return path

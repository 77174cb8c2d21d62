"""Resolve all locks anew, with hashes: `make lock`.

    python3 -m local.locks [--keep]

Each thing that is deployed has a lock of its own. All are resolved in a scratch folder and replace the old
ones only once all of them resolved, so that they never disagree.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.environments import bootstrap_uv
from local.interpreters import SetupError
from local.paths import REQUIREMENTS

OLDER_AIRFLOW = "3.1.7"
# The day the older managed image was built: with it, uv resolves what the image could have had.
OLDER_IMAGE_DATE = "2026-03-15"


@dataclass(frozen=True)
class Lock:
    """A lock to resolve: its input, its output, the Python it is for, and more options for uv."""

    source: str
    output: str
    python: str = "3.11"
    options: tuple[str, ...] = ()


LOCKS = (
    Lock("uv.in", "uv.txt"),
    Lock("airflow.in", "airflow.txt"),
    Lock("dev.in", "dev.txt", options=("-c", "airflow.txt")),
    # The same engine on the function as on the worker, or the two could give different answers.
    Lock("function.in", "function.txt", options=("-c", "engine.pins")),
    # All of it in the worker's versions: what the local runner shows is what Dataflow runs.
    Lock("dataflow.in", "dataflow.txt", options=("-c", "airflow.txt")),
    # The engine's own libraries, in its own versions, beside its peers: what differs is not DuckDB or Arrow.
    Lock("bench.in", "bench.txt", options=("-c", "engine.pins")),
    Lock("fuzz.in", "fuzz.txt", options=("-c", "engine.pins")),
    Lock("emulators.in", "emulators.txt", "3.13", ("--override", "emulators.override")),
    Lock(
        f"airflow-{OLDER_AIRFLOW}.in",
        f"airflow-{OLDER_AIRFLOW}.txt",
        options=("--exclude-newer", OLDER_IMAGE_DATE),
    ),
    Lock("dev.in", f"dev-{OLDER_AIRFLOW}.txt", options=("-c", f"airflow-{OLDER_AIRFLOW}.txt")),
)


def refresh(keep: bool = False) -> list[str]:
    """Resolve every lock and replace the old ones.

    Args:
        keep: stay with the versions of the old locks where the inputs allow it.

    Returns:
        Per changed lock, one line saying how many pins changed.

    Raises:
        SetupError: a lock does not resolve, or names a host; nothing is replaced then.
    """
    uv = bootstrap_uv()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _prepare(folder, keep)
        for lock in LOCKS:
            print(f"landfall: resolving {lock.output}", file=sys.stderr, flush=True)
            _resolve(uv, lock, folder)
            if lock.output == "airflow.txt":
                _write_engine_pins(folder)
        changed = [line for lock in LOCKS if (line := _difference(lock, folder))]
        for lock in LOCKS:
            shutil.copyfile(folder / lock.output, REQUIREMENTS / lock.output)
    return changed


def _prepare(folder: Path, keep: bool) -> None:
    for path in REQUIREMENTS.iterdir():
        if path.suffix in (".in", ".override") or (keep and path.suffix == ".txt"):
            shutil.copyfile(path, folder / path.name)
    newer = (folder / "airflow.in").read_text()
    older = re.sub(r"^apache-airflow==.*$", f"apache-airflow=={OLDER_AIRFLOW}", newer, flags=re.MULTILINE)
    (folder / f"airflow-{OLDER_AIRFLOW}.in").write_text(older)


def _resolve(uv: Path, lock: Lock, folder: Path) -> None:
    command = [str(uv), "pip", "compile", "-q", lock.source, "-o", lock.output, *lock.options]
    command += ["--universal", "--python-version", lock.python, "--generate-hashes"]
    command += ["--custom-compile-command", "make lock"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SetupError(f"{lock.output} does not resolve, so no lock was changed:\n{answer.stderr.strip()}")
    if named := re.search(r"https?://\S+", (folder / lock.output).read_text()):
        raise SetupError(f"{lock.output} would name a host ({named[0]}); locks must work with any index")


def pins(lock: str) -> dict[str, str]:
    """Return the pinned version of each package of a lock.

    Args:
        lock: the text of a lock file.
    """
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", lock, flags=re.MULTILINE))


def _write_engine_pins(folder: Path) -> None:
    versions = pins((folder / "airflow.txt").read_text())
    wanted = re.findall(r"^([a-z0-9-]+)", (folder / "engine.in").read_text(), flags=re.MULTILINE)
    (folder / "engine.pins").write_text("".join(f"{name}=={versions[name]}\n" for name in wanted))


def _difference(lock: Lock, folder: Path) -> str:
    old = REQUIREMENTS / lock.output
    before = pins(old.read_text()) if old.exists() else {}
    after = pins((folder / lock.output).read_text())
    count = sum(before.get(name) != after.get(name) for name in before.keys() | after.keys())
    return f"{lock.output}: {count} of {len(after)} pins changed" if count else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m local.locks", description="Resolve the locks anew.")
    parser.add_argument("--keep", action="store_true", help="keep present versions where the inputs allow it")
    options = parser.parse_args(arguments)
    try:
        changed = refresh(options.keep)
    except SetupError as error:
        print(f"landfall: {error}", file=sys.stderr)
        return 1
    print("\n".join(changed) or "landfall: nothing changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())

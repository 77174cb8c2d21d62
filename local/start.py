"""Have environments, embedded cloud and Airflow's database ready; says what it did in one line."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from local import environments, paths
from local.cloud import Cloud, CloudError
from local.interpreters import SetupError


def migrate(environment: dict[str, str]) -> bool:
    """Create or migrate Airflow's database if this Airflow has not done so yet.

    Args:
        environment: what ``Cloud.environ`` returns.

    Returns:
        Whether anything had to be done.

    Raises:
        SetupError: Airflow could not migrate its database.
    """
    home = Path(environment["AIRFLOW_HOME"])
    stamp = home / "migrated"
    lock = (paths.REQUIREMENTS / "airflow.txt").read_text()
    version = next(line.split()[0] for line in lock.splitlines() if line.startswith("apache-airflow=="))
    if stamp.exists() and stamp.read_text() == version and (home / "airflow.db").exists():
        return False
    home.mkdir(parents=True, exist_ok=True)
    _airflow(environment, "db", "migrate")
    stamp.write_text(version)
    return True


def list_dags(environment: dict[str, str]) -> bool:
    """Write the DAGs into Airflow's database where they changed: `airflow dags list` reads them there.

    Under a running Airflow its DAG processor does this; in a shell nobody does.

    Args:
        environment: what ``Cloud.environ`` returns.

    Returns:
        Whether anything had to be done.

    Raises:
        SetupError: Airflow could not do it.
    """
    stamp = Path(environment["AIRFLOW_HOME"]) / "listed"
    seen = _fingerprint_of_dags()
    if stamp.exists() and stamp.read_text() == seen:
        return False
    _airflow(environment, "dags", "reserialize")
    stamp.write_text(seen)
    return True


def _fingerprint_of_dags() -> str:
    digest = hashlib.sha256()
    for folder in ("dags", "plugins", "include"):
        for path in sorted((paths.ROOT / folder).rglob("*.*")):
            if path.suffix in (".py", ".yaml", ".yml") and path.is_file():
                status = path.stat()
                digest.update(f"{path}:{status.st_mtime_ns}:{status.st_size}\n".encode())
    return digest.hexdigest()


def _airflow(environment: dict[str, str], *command: str) -> None:
    answer = subprocess.run(
        [str(paths.python_of("airflow")), "-m", "airflow", *command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        text = (answer.stderr or answer.stdout).strip()
        raise SetupError(f"`airflow {' '.join(command)}` failed; `make clean` starts afresh. It said:\n{text[-3000:]}")


def main() -> int:
    """Make everything ready; returns the exit code."""
    try:
        made = environments.ensure()
        cloud = Cloud()
        started = cloud.up()
        migrated = migrate(cloud.environ())
        listed = list_dags(cloud.environ())
    except (SetupError, CloudError) as error:
        print(f"landfall: {error}", file=sys.stderr)
        return 1
    done = [f"made {', '.join(made)}"] if made else []
    done += [f"started {', '.join(started)}"] if started else ["embedded cloud is running"]
    done += ["migrated Airflow's database"] if migrated else []
    done += ["read the DAGs"] if listed else []
    print(f"landfall: {'; '.join(done)}; `airflow` and `landfall` are ready (stop: make stop)")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Create the project's virtual environments from hashed locks; run by any Python 3.11, needs nothing else.

python3 -m local.environments [airflow function emulators bench fuzz airflow-3.1.7] [--dev]
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from local import paths
from local.interpreters import SetupError, find, preflight
from local.progress import Progress

STAMP = ".landfall.json"
DUCKDB_EXTENSIONS = ("icu", "ducklake", "sqlite_scanner", "httpfs", "spatial")


@dataclass(frozen=True)
class Environment:
    """A virtual environment: the Pythons that will do, best first; its lock; that of its development tools."""

    name: str
    pythons: tuple[str, ...]
    lock: str
    dev_lock: str | None = None
    options: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Return where it lives, symbolic links followed: clones may share their environments by one."""
        return (paths.ENVIRONMENTS / self.name).resolve()

    def locks(self, dev: bool) -> list[Path]:
        """Return the lock files to install, in order."""
        names = [self.lock, self.dev_lock] if dev and self.dev_lock else [self.lock]
        return [paths.REQUIREMENTS / name for name in names if name]


# What Composer runs; a newer one that is installed is better than one that would have to be fetched.
COMPOSERS = ("3.11", "3.12", "3.13")

ENVIRONMENTS = {
    e.name: e
    for e in (
        Environment("airflow", COMPOSERS, "airflow.txt", "dev.txt"),
        Environment("function", COMPOSERS, "function.txt"),
        # local-bigquery's metadata asks for a DuckDB whose extensions are not packaged; the lock is
        # whole, resolved with an override, so nothing is lost by not resolving again.
        Environment("emulators", ("3.13",), "emulators.txt", options=("--no-deps",)),
        Environment("fuzz", COMPOSERS, "fuzz.txt"),
        Environment("bench", COMPOSERS, "bench.txt"),
        Environment("airflow-3.1.7", COMPOSERS, "airflow-3.1.7.txt", "dev-3.1.7.txt"),
    )
}
USUAL = ("airflow", "function", "emulators")


def ensure(names: Sequence[str] = USUAL, dev: bool = False) -> list[str]:
    """Create what is missing, out of date or half made; takes milliseconds when all is there.

    Args:
        names: environments to have.
        dev: with the development tools, where the environment has such a lock.

    Returns:
        The environments that had to be made or added to.

    Raises:
        SetupError: something is missing on this machine, or an installation failed.
    """
    if not _work(names, dev):
        return []
    preflight()
    with _one_at_a_time():
        # Looked at again: whoever held the lock may have done it.
        work = _work(names, dev)
        for number, job in enumerate(work, start=1):
            _make(job, f"environment {number} of {len(work)}, {job.environment.name}")
    return [job.environment.name for job in work]


@dataclass(frozen=True)
class Job:
    """What an environment lacks: locks to install, into what is there or into a new one."""

    environment: Environment
    anew: bool
    locks: tuple[Path, ...]


def _work(names: Sequence[str], dev: bool) -> list[Job]:
    return [job for name in names if (job := missing(ENVIRONMENTS[name], dev))]


def missing(environment: Environment, dev: bool) -> Job | None:
    """Return what has to be done to an environment; None if it is as its locks say.

    Args:
        environment: which one.
        dev: with its development tools.

    Raises:
        SetupError: a lock file is missing.
    """
    locks = environment.locks(dev)
    absent = [str(lock) for lock in locks if not lock.exists()]
    if absent:
        raise SetupError(f"missing lock: {', '.join(absent)}; `make lock` writes it")
    stamp = _read_stamp(environment)
    as_made = (
        # A virtual environment holds its own path, so a clone that was moved needs a new one.
        stamp.get("folder") == str(environment.folder)
        and stamp.get(environment.lock) == _hash(locks[0])
        and Path(stamp.get("interpreter", "")).is_file()
    )
    if not as_made:
        return Job(environment, anew=True, locks=tuple(locks))
    changed = tuple(lock for lock in locks if stamp.get(lock.name) != _hash(lock))
    return Job(environment, anew=False, locks=changed) if changed else None


def _hash(path: Path) -> str:
    """Return a hash of what a lock installs; who wrote it and why, its comments say, is all the same."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _read_stamp(environment: Environment) -> dict[str, str]:
    try:
        content = json.loads((environment.folder / STAMP).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_stamp(environment: Environment, stamp: dict[str, str]) -> None:
    path = environment.folder / STAMP
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(stamp, indent=2) + "\n")
    partial.rename(path)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Keep two terminals from building the same environment at once."""
    paths.ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (paths.ENVIRONMENTS / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("landfall: waiting for another set-up of this clone to end", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(job: Job, title: str) -> None:
    """Install the locks; the stamp is taken away first and written last, so half made is seen as such."""
    started = time.monotonic()
    uv = bootstrap_uv()
    environment, stamp = job.environment, _read_stamp(job.environment)
    (environment.folder / STAMP).unlink(missing_ok=True)
    if job.anew:
        python = find(environment.pythons, uv)
        shutil.rmtree(environment.folder, ignore_errors=True)
        _run([str(uv), "venv", "-q", "--no-project", "--python", str(python), str(environment.folder)], title)
        stamp = {"folder": str(environment.folder), "interpreter": str(python)}
    for lock in job.locks:
        install(uv, environment, lock, title)
        stamp[lock.name] = _hash(lock)
    if environment.name == "emulators":
        unpack_extensions()
    _write_stamp(environment, stamp)
    print(f"landfall: {title}: ready after {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def bootstrap_uv() -> Path:
    """Return the uv program, installed by pip from its hashed lock into an environment of its own.

    Raises:
        SetupError: pip could not install it.
    """
    folder = paths.ENVIRONMENTS / "uv"
    lock = paths.REQUIREMENTS / "uv.txt"
    uv, stamp = folder / "bin" / "uv", folder / STAMP
    wanted = json.dumps({"folder": str(folder), lock.name: _hash(lock)})
    if uv.exists() and stamp.exists() and stamp.read_text() == wanted:
        return uv
    shutil.rmtree(folder, ignore_errors=True)
    print("landfall: fetching uv, which makes the environments", file=sys.stderr, flush=True)
    _run([sys.executable, "-m", "venv", str(folder)], "uv")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _run([*pip, "--require-hashes", "-r", str(lock)], "uv")
    stamp.write_text(wanted)
    return uv


def install(uv: Path, environment: Environment, lock: Path, title: str) -> None:
    """Install a lock into an environment, showing how far it is.

    Args:
        uv: the uv program.
        environment: which one.
        lock: requirements with hashes.
        title: what the progress line begins with.
    """
    command = [str(uv), "pip", "install", "-v", "--require-hashes", *environment.options]
    command += ["--python", str(environment.folder / "bin" / "python"), "-r", str(lock)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        if process.stderr is None:
            raise SetupError("uv was started without a pipe for its messages")
        progress = Progress(f"{title} ({lock.name})")
        for line in process.stderr:
            progress.read(line)
    progress.close()
    if process.returncode:
        raise SetupError(
            f"{title}: uv could not install {lock}:\n{progress.complaint()}\n"
            "  Is the package index reachable? A proxy or a mirror is named to uv by the environment "
            "(HTTPS_PROXY, UV_DEFAULT_INDEX). Then run the same command again."
        )


def unpack_extensions() -> None:
    """Put DuckDB's extensions, which come as packages, where the BigQuery emulator looks for them."""
    home = paths.ENVIRONMENTS / "emulators" / "home"
    home.mkdir(exist_ok=True)
    code = "import sys, duckdb_extensions as d; [d.import_extension(name) for name in sys.argv[1:]]"
    command = [str(paths.python_of("emulators")), "-c", code, *DUCKDB_EXTENSIONS]
    _run(command, "DuckDB extensions", {"HOME": str(home)})


def _run(command: list[str], title: str, environment: dict[str, str] | None = None) -> None:
    answer = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if answer.returncode:
        raise SetupError(f"{title}: `{' '.join(command)}` failed:\n{(answer.stderr or answer.stdout).strip()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m local.environments", description="Make environments.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(ENVIRONMENTS)}")
    parser.add_argument("--dev", action="store_true", help="with test and check tools")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(ENVIRONMENTS))
    if unknown:
        parser.error(f"no such environment: {', '.join(unknown)}; there are {', '.join(ENVIRONMENTS)}")
    try:
        ensure(options.names or USUAL, options.dev)
    except SetupError as error:
        print(f"landfall: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlandfall: stopped; the same command goes on where this one ended", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

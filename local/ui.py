"""`make ui`: the embedded cloud and a full local Airflow, in the foreground, until Ctrl-C.

python -m local.ui [stop]
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from local import paths, processes
from local.cloud import Cloud, CloudError
from local.interpreters import SetupError
from local.start import migrate

# Four processes rather than `airflow standalone`, which is these four behind a fifth that mixes their
# output, migrates the database at every start and ignores SIGINT when it is in the background.
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
READY_SECONDS = 240.0
STOP_SECONDS = 40.0
# The triggerer may wait 10 s for triggers that any later triggerer takes up again anyway.
GRACE = {"triggerer": 4.0}


class UiError(Exception):
    """The local Airflow cannot start or has ended; the message says why and what to do."""


def settings(port: int) -> dict[str, str]:
    """Return the settings of an Airflow with its API on a port; all its other ports are free ones.

    Args:
        port: of the API server and the UI.
    """
    url = f"http://localhost:{port}"
    return {
        # Everyone is an administrator here, so only this machine may connect.
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        # Port and this address belong together: tasks of a second Airflow would talk to the first.
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": str(max(4, 2 * (os.cpu_count() or 1))),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(processes.free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(processes.free_port()),
        # A new dataset folder shows up within seconds, not minutes.
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    }


class Airflow:
    """The four processes of a local Airflow, recorded in its home so that they can be found again."""

    def __init__(self, environment: dict[str, str], port: int) -> None:
        self.environment = {**os.environ, **environment, **settings(port)}
        self.home = Path(environment["AIRFLOW_HOME"])
        self.port = port
        self.started: dict[str, tuple[int, str]] = {}

    def start(self) -> None:
        """Start the four processes, each in a process group and with a log of its own."""
        for name in COMPONENTS:
            argv = [str(paths.python_of("airflow")), "-m", "airflow", name]
            self.log(name).unlink(missing_ok=True)
            pid = processes.spawn(argv, self.environment, self.log(name), self.home)
            self.started[name] = (pid, processes.identity(pid) or "")
            content = {"port": self.port, "foreground": _this_process(), "processes": self.started}
            record(self.home).write_text(json.dumps(content))

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.home / "logs" / f"{name}.log"

    def stop(self) -> None:
        """Stop the four processes and what they started."""
        _stop(self.home, self.started)

    def check(self) -> None:
        """Raise if one of the processes has ended.

        Raises:
            UiError: names the process and shows the end of its log.
        """
        for name, (pid, identity) in self.started.items():
            if not processes.is_ours(pid, identity):
                log = self.log(name)
                raise UiError(f"airflow {name} has ended. The end of {log}:\n{processes.tail(log)}")

    def healthy(self) -> list[str]:
        """Return the parts of Airflow that report to be healthy."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        address = f"http://127.0.0.1:{self.port}/api/v2/monitor/health"
        try:
            with opener.open(address, timeout=5) as answer:
                health = json.load(answer)
        except (OSError, ValueError):
            return []
        return sorted(name for name, part in health.items() if (part or {}).get("status") == "healthy")


def _this_process() -> tuple[int, str]:
    return os.getpid(), processes.identity(os.getpid()) or ""


def record(home: Path) -> Path:
    """Return the file that says which processes a local Airflow consists of."""
    return home / "ui.json"


def recorded(home: Path) -> tuple[int, dict[str, tuple[int, str]]]:
    """Return the port and those recorded processes of a local Airflow that still run.

    Args:
        home: its AIRFLOW_HOME.
    """
    try:
        content = json.loads(record(home).read_text())
    except (FileNotFoundError, ValueError):
        return 0, {}
    alive = {n: (p, i) for n, (p, i) in content["processes"].items() if processes.is_ours(p, i)}
    return content["port"], alive


def _stop(home: Path, started: dict[str, tuple[int, str]]) -> None:
    # The API server last: tasks that are ending report to it; without it they would retry, fail and alert.
    others = {name: entry for name, entry in started.items() if name != "api-server"}
    threads = [
        threading.Thread(target=processes.stop_group, args=(*entry, GRACE.get(name, 10.0)))
        for name, entry in others.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if "api-server" in started:
        processes.stop_group(*started["api-server"])
    record(home).unlink(missing_ok=True)


def refuse_if_taken(port: int) -> None:
    """Raise if somebody listens on the port: a second Airflow on it would talk to the first.

    Args:
        port: of the UI.

    Raises:
        UiError: says how to take another port.
    """
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((host, port)) == 0:
                raise UiError(
                    f"port {port} is taken by another program; "
                    f"stop it, or take another port: make ui PORT={processes.free_port(port + 1)}"
                )


class Foreground:
    """Runs until somebody asks it to stop: Ctrl-C, SIGTERM, a closed terminal."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked.set()

    def run(self, airflow: Airflow) -> None:
        """Wait until Airflow is ready, say so, then watch it until asked to stop.

        Args:
            airflow: a local Airflow that was started.

        Raises:
            UiError: it does not get ready, or one of its processes ended.
        """
        started = time.monotonic()
        while not self.asked.wait(0.5):
            airflow.check()
            seconds = time.monotonic() - started
            if len(airflow.healthy()) == len(COMPONENTS):
                say(welcome(airflow.port, seconds))
                break
            if seconds > READY_SECONDS:
                raise UiError(
                    f"Airflow was not ready after {seconds:.0f} s (healthy: "
                    f"{', '.join(airflow.healthy()) or 'nothing'}); its logs are in {airflow.home / 'logs'}"
                )
        while not self.asked.wait(1.0):
            airflow.check()


def welcome(port: int, seconds: float) -> str:
    """Return what a person can do now.

    Args:
        port: of the UI.
        seconds: how long the start took.
    """
    return (
        f"\n  Airflow is ready after {seconds:.0f} s:  http://localhost:{port}\n\n"
        "  In another terminal, in this folder:\n"
        "    local/bin/landfall drop orders FILE   land a file; it is loaded without further help\n"
        "    local/bin/landfall status             what became of it\n"
        "    source local/env.sh                   `airflow` and `landfall` for that terminal\n\n"
        "  Ctrl-C stops what this started.\n"
    )


def say(text: str) -> None:
    """Tell the person at the terminal."""
    # The terminal may be gone, which is no reason to leave processes behind.
    with contextlib.suppress(OSError):
        print(text, flush=True)


def serve(port: int) -> None:
    """Start cloud and Airflow, stay until asked to stop, stop what was started.

    Args:
        port: of the UI.

    Raises:
        UiError: the port is taken, an Airflow of this clone runs already, or it does not start.
        CloudError: the embedded cloud does not start.
        SetupError: Airflow's database cannot be made.
    """
    cloud = Cloud()
    running_port, leftovers = recorded(paths.airflow_home(paths.DEFAULT_STATE))
    if leftovers:
        raise UiError(
            f"an Airflow of this clone runs already ({', '.join(leftovers)}; port {running_port}); `make stop` stops it"
        )
    refuse_if_taken(port)
    foreground = Foreground()
    say("landfall: starting the embedded cloud")
    ours = cloud.up()
    airflow = Airflow(cloud.environ(), port)
    try:
        if migrate(cloud.environ()):
            say("landfall: made Airflow's database")
        if not foreground.asked.is_set():
            say("landfall: starting Airflow (api-server, scheduler, dag-processor, triggerer)")
            airflow.start()
            foreground.run(airflow)
    finally:
        say("landfall: stopping")
        airflow.stop()
        cloud.down(ours)
        say("landfall: stopped")


def stop() -> None:
    """Stop a `make ui` of this clone, or what one that was killed has left running."""
    home = paths.airflow_home(paths.DEFAULT_STATE)
    _ask_foreground(home)
    _, alive = recorded(home)
    if alive:
        _stop(home, alive)
        say(f"stopped airflow {', '.join(alive)}")


def _ask_foreground(home: Path) -> None:
    """Have a `make ui` in another terminal stop what it started, and wait until it has."""
    try:
        pid, identity = json.loads(record(home).read_text())["foreground"]
    except (FileNotFoundError, ValueError, KeyError):
        return
    if not processes.is_ours(pid, identity):
        return
    # Not its group: that is the one of the `make` and the shell it was started from.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while processes.is_ours(pid, identity) and time.monotonic() < deadline:
        time.sleep(0.1)
    say("stopped the UI")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    port = os.environ.get("PORT") or "8080"
    try:
        if given == ["stop"]:
            stop()
        elif given or not port.isdigit() or not 0 < int(port) < 65536:
            raise UiError(f"usage: PORT=8080 python -m local.ui [stop]; got PORT={port} {' '.join(given)}")
        else:
            serve(int(port))
    except (UiError, CloudError, SetupError) as error:
        print(f"landfall: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

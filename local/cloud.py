"""The embedded cloud: Cloud Storage, BigQuery and our Cloud Function on this machine.

python -m local.cloud up|down|status|env [--state DIR]
python -m local.cloud serve|probe storage|bigquery|function --port N [--host H] [--state DIR]
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from local import processes, services
from local.paths import DEFAULT_STATE, FUNCTION_SOURCE, airflow_home
from local.services import SERVICES, CloudError, Service
from local.settings import airflow_settings, endpoints

HEALTH_SECONDS = 60.0
COMPLAINTS = 20

__all__ = ["Cloud", "CloudError", "Running", "describe", "main", "serve"]


@dataclass(frozen=True)
class Running:
    """A service as recorded in cloud.json: enough to find it again and to know it is ours."""

    pid: int
    identity: str
    port: int
    fingerprint: str


class Cloud:
    """The embedded cloud whose data, logs, keys and ports live in one folder."""

    def __init__(self, state: Path = DEFAULT_STATE) -> None:
        self.state = state.absolute()
        self.record = self.state / "cloud.json"

    def up(self, wanted: Sequence[str] | None = None) -> list[str]:
        """Start what is not running or not healthy; do nothing where all is well.

        Args:
            wanted: services to start; by default all, the function only once its source file exists.

        Returns:
            The services that had to be started.

        Raises:
            CloudError: a service does not get healthy, or its environment is missing.
        """
        names = _checked(wanted)
        with self._locked():
            running, ports = self._read()
            ports = self._with_ports(running, ports)
            missing = [n for n in names if not self._well(n, running, ports)]
            started: dict[str, Running] = {}
            for name in missing:
                self._stop_one(running.pop(name, None))
                started[name] = self._start(self._service(name, ports))
                # Written at once: a start that is interrupted leaves nothing `down` does not know.
                self._write({**running, **started}, ports)
            for name, process in started.items():
                self._wait_until_healthy(self._service(name, ports), process)
            if "storage" in started:
                services.create_buckets(self._url(ports, "storage"))
        return missing

    def down(self, wanted: Sequence[str] = SERVICES) -> list[str]:
        """Stop what `up` started, and nothing else; data, keys and logs stay.

        Args:
            wanted: services to stop; by default all.

        Returns:
            The services that were running and are stopped.
        """
        with self._locked():
            running, ports = self._read()
            # The function is a client of the other two: clients go first.
            stopped = [n for n in reversed(SERVICES) if n in wanted and self._stop_one(running.get(n))]
            if running:
                self._write({n: r for n, r in running.items() if n not in wanted}, ports)
        return stopped

    def status(self) -> dict[str, str]:
        """Return, per service, `healthy`, `not answering`, `out of date` or `stopped`."""
        running, ports = self._read()
        return {name: self._state_of(name, running, ports) for name in SERVICES}

    def environ(self) -> dict[str, str]:
        """Return what a client, Airflow or the function needs to talk to this cloud.

        Raises:
            CloudError: the cloud has never been started, so its ports are not known.
        """
        _, ports = self._read()
        if not ports:
            raise CloudError(f"{self.state}: this cloud was never started; run `python -m local.cloud up`")
        return {
            **services.NOBODY,
            **services.landfall_settings(),
            **endpoints(*(self._url(ports, name) for name in SERVICES)),
            **services.key_places(self.state),
            "CLOUDSDK_CONFIG": str(self.state / "gcloud"),
            **airflow_settings(airflow_home(self.state)),
        }

    def log(self, name: str) -> Path:
        """Return the log file of a service."""
        return self.state / "logs" / f"{name}.log"

    def url(self, name: str) -> str:
        """Return the address of a service."""
        return self._url(self._read()[1], name)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _read(self) -> tuple[dict[str, Running], dict[str, int]]:
        try:
            content = json.loads(self.record.read_text())
            running = {name: Running(**entry) for name, entry in content["services"].items()}
            return running, dict(content["ports"])
        except FileNotFoundError:
            return {}, {}
        except (ValueError, KeyError, TypeError) as error:
            raise CloudError(
                f"{self.record}: not a record of the embedded cloud ({error}); "
                "stop its processes by hand if any run, and delete the file"
            ) from error

    def _write(self, running: dict[str, Running], ports: dict[str, int]) -> None:
        content = {"services": {n: asdict(r) for n, r in running.items()}, "ports": ports}
        partial = self.record.with_name("cloud.json.partial")
        partial.write_text(json.dumps(content, indent=2) + "\n")
        partial.rename(self.record)

    def _with_ports(self, running: dict[str, Running], ports: dict[str, int]) -> dict[str, int]:
        """Keep last time's ports where they are free, so that a shell's variables stay right."""
        chosen: dict[str, int] = {}
        for name in (*SERVICES, "grpc"):
            owner = running.get("bigquery" if name == "grpc" else name)
            if name in ports and owner and processes.is_ours(owner.pid, owner.identity):
                chosen[name] = ports[name]
            else:
                port = processes.free_port(ports.get(name, 0))
                while port in chosen.values():
                    port = processes.free_port()
                chosen[name] = port
        return chosen

    @staticmethod
    def _url(ports: dict[str, int], name: str) -> str:
        return f"http://{services.LOOPBACK}:{ports[name]}"

    def _service(self, name: str, ports: dict[str, int]) -> Service:
        return describe(name, self.state, services.LOOPBACK, ports[name], ports["grpc"], self._url(ports, "storage"))

    def _state_of(self, name: str, running: dict[str, Running], ports: dict[str, int]) -> str:
        process = running.get(name)
        if process is None or not processes.is_ours(process.pid, process.identity):
            return "stopped"
        service = self._service(name, ports)
        if process.fingerprint != service.fingerprint():
            return "out of date"
        return "healthy" if services.answers(service) else "not answering"

    def _well(self, name: str, running: dict[str, Running], ports: dict[str, int]) -> bool:
        state = self._state_of(name, running, ports)
        if state == "not answering":
            # It may be at work on something large: the emulators take one request after the other.
            return self._gets_healthy(self._service(name, ports), running[name])
        return state == "healthy"

    def _start(self, service: Service) -> Running:
        python = Path(service.argv[0])
        if not python.exists():
            raise CloudError(f"the {service.name} service needs {python}, which is missing; run `make setup`")
        log = self.log(service.name)
        log.unlink(missing_ok=True)
        pid = processes.spawn(service.argv, _inherited() | service.environment, log, self.state)
        port = int(service.argv[service.argv.index("--port") + 1])
        return Running(pid, processes.identity(pid) or "", port, service.fingerprint())

    @staticmethod
    def _stop_one(process: Running | None) -> bool:
        return process is not None and processes.stop_group(process.pid, process.identity)

    @staticmethod
    def _gets_healthy(service: Service, process: Running) -> bool:
        deadline = time.monotonic() + HEALTH_SECONDS
        complaints = 0
        while time.monotonic() < deadline and processes.is_ours(process.pid, process.identity):
            status = services.probe(service)
            if 0 < status <= service.worst_answer:
                return True
            # One that is up and keeps complaining will not get better by waiting.
            complaints += status > 0
            if complaints > COMPLAINTS:
                return False
            time.sleep(0.05)
        return False

    def _wait_until_healthy(self, service: Service, process: Running) -> None:
        if self._gets_healthy(service, process):
            return
        # If it has ended, there is nothing to stop.
        stopped = self._stop_one(process)
        what = f"gave no good answer within {HEALTH_SECONDS:.0f} s" if stopped else "ended while it was starting"
        log = self.log(service.name)
        raise CloudError(
            f"the {service.name} service {what} ({service.health}). The end of {log}:\n"
            f"{processes.tail(log)}\n"
            "If that names a missing module, run `make clean setup`; if a port, try again."
        )


def _checked(wanted: Sequence[str] | None) -> list[str]:
    if wanted is None:
        return [n for n in SERVICES if n != "function" or FUNCTION_SOURCE.exists()]
    unknown = sorted(set(wanted) - set(SERVICES))
    if unknown:
        raise CloudError(f"no such service: {', '.join(unknown)}; there are {', '.join(SERVICES)}")
    return [n for n in SERVICES if n in wanted]


def describe(name: str, state: Path, host: str, port: int, grpc_port: int, storage_url: str) -> Service:
    """Describe one service: the same command for `up`, for `serve` and so for Compose.

    Args:
        name: storage, bigquery or function.
        state: folder of data and keys.
        host: address to listen on.
        port: port to listen on.
        grpc_port: second port of the BigQuery emulator, for its Storage API.
        storage_url: where the function finds Cloud Storage.
    """
    if name == "storage":
        return services.storage(state, host, port)
    if name == "bigquery":
        return services.bigquery(state, host, port, grpc_port)
    return services.function(state, host, port, storage_url)


def _inherited() -> dict[str, str]:
    """Return our environment without what would turn a service into something else."""
    unwanted = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "AIRFLOW", "GOOGLE_", "STORAGE_", "BIGQUERY_")
    return {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}


def serve(name: str, state: Path, host: str, port: int) -> None:
    """Become one service in the foreground: what Compose starts. Does not return.

    Args:
        name: storage, bigquery or function.
        state: folder of data and keys.
        host: address to listen on.
        port: port to listen on.
    """
    state.mkdir(parents=True, exist_ok=True)
    storage_url = os.environ.get("STORAGE_EMULATOR_HOST", f"http://{services.LOOPBACK}:9023")
    service = describe(name, state.absolute(), host, port, port + 1, storage_url)
    os.execve(service.argv[0], service.argv, _inherited() | service.environment)  # noqa: S606 - no shell is meant


def probe(name: str, port: int) -> bool:
    """Say whether a service on this machine is well: what Compose asks.

    Args:
        name: storage, bigquery or function.
        port: it listens on.
    """
    return services.answers(describe(name, DEFAULT_STATE, services.LOOPBACK, port, port + 1, ""))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.cloud", description="The embedded cloud.")
    parser.add_argument("command", choices=["up", "down", "status", "env", "serve", "probe", "buckets"])
    parser.add_argument("service", nargs="?", choices=SERVICES, help="serve, probe: which one")
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="folder of data, logs and ports")
    parser.add_argument("--host", default=services.LOOPBACK, help="serve: address to listen on")
    parser.add_argument("--port", type=int, default=0, help="serve, probe: its port")
    options = parser.parse_args(arguments)
    if options.command in ("serve", "probe") and not (options.service and options.port):
        parser.error(f"{options.command} needs a service and --port")
    try:
        return _run(options)
    except CloudError as error:
        print(f"landfall: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    cloud = Cloud(options.state)
    if options.command == "up":
        print(_sentence("started", cloud.up()) or "the embedded cloud is running already")
    elif options.command == "down":
        print(_sentence("stopped", cloud.down()) or "the embedded cloud was not running")
    elif options.command == "status":
        state = cloud.status()
        print("\n".join(f"{name:9} {what}" for name, what in state.items()))
        return 0 if set(state.values()) == {"healthy"} else 3
    elif options.command == "env":
        print("\n".join(f"export {k}={shlex.quote(v)}" for k, v in sorted(cloud.environ().items())))
    elif options.command == "probe":
        return 0 if probe(options.service, options.port) else 1
    elif options.command == "buckets":
        services.create_buckets(os.environ["STORAGE_EMULATOR_HOST"])
    else:
        serve(options.service, options.state, options.host, options.port)
    return 0


def _sentence(verb: str, names: list[str]) -> str:
    return f"{verb} {', '.join(names)}" if names else ""


if __name__ == "__main__":
    sys.exit(main())

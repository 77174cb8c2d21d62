"""What each service of the embedded cloud is: its command, its environment, how to see that it is well."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from local.paths import ENVIRONMENTS, FUNCTION_SOURCE, ROOT, program_of, python_of

LOOPBACK = "127.0.0.1"
PROJECT = "landfall-local"
LOCATION = "US"
BUCKETS = {
    "LANDFALL_LANDING": "landfall-landing",
    "LANDFALL_WORK": "landfall-work",
    "LANDFALL_ARCHIVE": "landfall-archive",
}
SERVICES = ("storage", "bigquery", "function")
EXTENSIONS_HOME = ENVIRONMENTS / "emulators" / "home"

# Nothing may ask Google's metadata server who it is, nor pick up the developer's own credentials:
# the address refuses at once, and gcloud's folder is an empty one.
NOBODY = {
    "NO_GCE_CHECK": "true",
    "GCE_METADATA_HOST": "127.0.0.1:9",
    "GCE_METADATA_IP": "127.0.0.1:9",
    "GCE_METADATA_TIMEOUT": "1",
    "GCE_METADATA_DETECT_RETRIES": "1",
    "GOOGLE_APPLICATION_CREDENTIALS": "",
}


class CloudError(Exception):
    """A service of the embedded cloud does not work; the message says which, why and what to do."""


@dataclass(frozen=True)
class Service:
    """A service that can be started: command, environment on top of the caller's, health address."""

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    health: str
    worst_answer: int = 200
    """Highest HTTP status to a GET of the health address that still means that it works."""
    sources: tuple[Path, ...] = field(default=())

    def fingerprint(self) -> str:
        """Return a hash of all that decides how the service behaves, its own source files included."""
        digest = hashlib.sha256(json.dumps([self.argv, self.environment], sort_keys=True).encode())
        for source in self.sources:
            status = source.stat()
            digest.update(f"{source}:{status.st_mtime_ns}:{status.st_size}".encode())
        return digest.hexdigest()


def storage(state: Path, host: str, port: int) -> Service:
    """Describe the Cloud Storage emulator; objects are plain files under <state>/storage/buckets."""
    return Service(
        name="storage",
        argv=(
            *(str(python_of("emulators")), "-m", "local.storage_emulator"),
            *("--folder", str(state / "storage"), "--host", host, "--port", str(port)),
        ),
        environment={"PYTHONPATH": str(ROOT), "STORAGE_DIR": "buckets"},
        health=f"http://127.0.0.1:{port}/storage/v1/b?project={PROJECT}",
        sources=tuple(sorted((ROOT / "local" / "storage_emulator").glob("*.py"))),
    )


def bigquery(state: Path, host: str, port: int, grpc_port: int) -> Service:
    """Describe the BigQuery emulator; it reads gs:// from the storage emulator's folder."""
    return Service(
        name="bigquery",
        argv=(
            str(python_of("emulators")),
            str(ROOT / "local" / "bigquery_emulator.py"),
            *("--host", host, "--port", str(port), "--grpc-port", str(grpc_port)),
            *("--project", PROJECT, "--data-dir", str(state / "bigquery")),
        ),
        environment={
            # DuckDB looks for its extensions in $HOME/.duckdb, where local.environments put them.
            "HOME": str(EXTENSIONS_HOME),
            "GCS_LOCAL_ROOT": str(state / "storage" / "buckets"),
        },
        health=f"http://127.0.0.1:{port}/bigquery/v2/projects/{PROJECT}/datasets",
        sources=(ROOT / "local" / "bigquery_emulator.py",),
    )


def function(state: Path, host: str, port: int, storage_host: str) -> Service:
    """Describe our Cloud Function under functions-framework, with the keys of this state folder."""
    keys = function_keys(state)
    return Service(
        name="function",
        argv=(
            str(python_of("function")),
            str(program_of("function", "functions-framework")),
            *("--source", str(FUNCTION_SOURCE), "--target", "transform"),
            *("--host", host, "--port", str(port)),
        ),
        environment={
            "PYTHONPATH": str(ROOT),
            "STORAGE_EMULATOR_HOST": storage_host,
            **NOBODY,
            **landfall_settings(),
            **keys,
            # As on gen 2 by default: an instance takes one request at a time, and there are several.
            "WORKERS": str(max(2, min(4, os.cpu_count() or 1))),
            "THREADS": "1",
        },
        health=f"http://127.0.0.1:{port}/",
        # A GET without a body is a bad request to our function, and shows that it is up.
        worst_answer=499,
        sources=tuple(sorted((ROOT / "include").rglob("*.py"))),
    )


def landfall_settings() -> dict[str, str]:
    """Return the LANDFALL_* settings that are the same wherever the embedded cloud runs."""
    return {
        "LANDFALL_PROJECT": PROJECT,
        "LANDFALL_LOCATION": LOCATION,
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        # A run that somebody interrupted is for ever `running` to `airflow dags test`: let its files go soon.
        "LANDFALL_LEASE": "2m",
        **BUCKETS,
    }


def function_keys(state: Path) -> dict[str, str]:
    """Return the function's two keys, drawn once per state folder and readable by its owner alone.

    Masked values must stay the same from run to run, and quarantined bytes readable, so the keys live
    as long as the data do. LANDFALL_MASK_KEY and LANDFALL_RAW_KEY in the environment go first.
    """
    given = {name: os.environ.get(name, "") for name in ("LANDFALL_MASK_KEY", "LANDFALL_RAW_KEY")}
    if all(given.values()):
        return given
    path = state / "keys.json"
    if not path.exists():
        state.mkdir(parents=True, exist_ok=True)
        keys = {
            "LANDFALL_MASK_KEY": secrets.token_urlsafe(32),
            "LANDFALL_RAW_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        partial = path.with_name(f"keys.{os.getpid()}")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as stream:
            json.dump(keys, stream)
        partial.rename(path)
    stored: dict[str, str] = json.loads(path.read_text())
    return stored


def key_places(state: Path) -> dict[str, str]:
    """Return where the stand-in for Dataflow reads the function's keys; nothing where it inherits them."""
    names = ("LANDFALL_MASK_KEY", "LANDFALL_RAW_KEY")
    if all(os.environ.get(name) for name in names):
        return {}
    return {f"{name}_SECRET": f"file:{state / 'keys.json'}#{name}" for name in names}


def answers(service: Service) -> bool:
    """Say whether the service does its work: a GET of its health address gets a good answer."""
    return 0 < probe(service) <= service.worst_answer


def probe(service: Service) -> int:
    """Return the HTTP status of a GET of the service's health address; 0 if nothing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(service.health, timeout=5):
            return 200
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:  # refused, or no answer in time
        return 0


def create_buckets(storage_url: str) -> None:
    """Create the buckets of the project where they do not exist.

    Args:
        storage_url: address of the storage emulator.

    Raises:
        CloudError: the emulator refuses.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for bucket in BUCKETS.values():
        request = urllib.request.Request(  # noqa: S310 - the address is our own emulator's
            f"{storage_url}/storage/v1/b?project={PROJECT}",
            data=json.dumps({"name": bucket}).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            opener.open(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            if error.code != 409:  # 409: it is there already
                raise CloudError(f"{storage_url}: bucket {bucket} was refused: {error}") from error

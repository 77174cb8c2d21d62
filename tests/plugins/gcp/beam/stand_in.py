"""Stands in for `python -m include.dataflow` by the same command line: one batch by the function's own code, or an end.

What it does stands in STAND_IN: a word, and a path for some.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    """Do what STAND_IN says; returns the exit code."""
    parser = argparse.ArgumentParser()
    for name in ("request", "mask_key_secret", "raw_key_secret"):
        parser.add_argument(f"--{name}", default="")
    given, beam = parser.parse_known_args()
    what, _, path = os.environ["STAND_IN"].partition(":")
    assert "--runner=DirectRunner" in beam
    if what in ("terminal", "transient"):
        return _fail(given.request, what)
    if what == "break":
        print("progress: 1 of 2 shards", file=sys.stderr, flush=True)
        print("WARNING:apache_beam:the record of jane@example.org", file=sys.stderr)
        raise ValueError("cannot cast 'jane@example.org'")
    if what == "hang":
        child = subprocess.Popen(["sleep", "600"])
        print(f"progress: {os.getpid()} {child.pid}", file=sys.stderr, flush=True)
        time.sleep(600)
    if what == "wait":
        print("progress: 1 of 2 shards", file=sys.stderr, flush=True)
        while not Path(path).exists():
            time.sleep(0.02)
    _publish(given)
    print("progress: 2 of 2 shards", file=sys.stderr)
    return 0


def _fail(request: str, what: str) -> int:
    from include.functions.failures import Unavailable, Unworkable

    kinds = {"terminal": Unworkable("bad_rule", "derive.discount cannot run"), "transient": Unavailable("busy", "wait")}
    _blob(request.replace("request.json", "failure.json")).upload_from_string(kinds[what].body.model_dump_json())
    return 1


def _publish(given: argparse.Namespace) -> None:
    from google.cloud import storage

    from include.functions.gcp.objects import Objects
    from include.functions.gcp.secrets import read_keys
    from include.functions.job import run_job
    from include.functions.protocol import TransformRequest
    from include.spec.settings import Settings

    request = TransformRequest.model_validate_json(_blob(given.request).download_as_bytes())
    keys = read_keys(given.mask_key_secret, given.raw_key_secret)
    run_job(request, Objects(storage.Client(project="landfall-local")), Settings.from_environment(), keys)


def _blob(uri: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    from google.cloud import storage

    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return storage.Client(project="landfall-local").bucket(bucket).blob(name)


if __name__ == "__main__":
    sys.exit(main())

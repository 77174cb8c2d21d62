"""The command that starts a large file's job: `python -m include.dataflow --request URI [options] [Beam's options]`."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from include.spec.settings import Settings

# The direct runner logs an entry of a worker's log as protobuf shows it.
_OURS = re.compile(r'message: "((?:progress|landfall): (?:[^"\\]|\\.)*)"')
_LOST = "the job broke off, and no step of it said why; so ends a worker that is killed, as one that runs out of memory"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a job; ends with 0 once it is done, or on Dataflow made, and with 1 where it failed."""
    parser = argparse.ArgumentParser(prog="python -m include.dataflow", description=__doc__, allow_abbrev=False)
    parser.add_argument("--request", required=True, help="address of the request, a TransformRequest as JSON")
    for name in ("landing", "work", "archive"):
        parser.add_argument(f"--{name}", default="", help=f"the {name} bucket; by default as the environment says")
    for name in ("mask", "raw"):
        what = f"name of the secret's version that holds LANDFALL_{name.upper()}_KEY; by default the environment's"
        parser.add_argument(f"--{name}_key_secret", default="", help=what)
    options, beam = parser.parse_known_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s:%(name)s:%(message)s")
    logging.getLogger("apache_beam").setLevel(logging.WARNING)
    workers = logging.getLogger("apache_beam.runners.portability.local_job_service")
    workers.setLevel(logging.INFO)
    workers.addFilter(_of_worker)
    sys.exit(_run(options, beam))


def _of_worker(record: logging.LogRecord) -> bool:
    """Pass on what our own code said in a local worker, as it said it; what Beam says from INFO down is not for us."""
    found = _OURS.search(record.getMessage())
    if found:
        from google.protobuf.text_encoding import CUnescape

        record.msg, record.args = CUnescape(found[1]).decode(errors="replace"), ()
    return bool(found) or record.levelno >= logging.WARNING


def _run(options: argparse.Namespace, beam: Sequence[str]) -> int:
    from include.dataflow.pipeline import run_pipeline
    from include.dataflow.work import FAILURE, Job, worker
    from include.functions.failures import BadRequest, InputMissing, Unavailable, explain
    from include.functions.gcp.main import objects
    from include.functions.gcp.secrets import read_keys
    from include.functions.job import check_places
    from include.functions.protocol import ErrorResponse, TransformRequest
    from include.spec.dataset import Dataset

    log = logging.getLogger("landfall")
    output = options.request.rpartition("/")[0] + "/"
    try:
        named = {f"LANDFALL_{name.upper()}": getattr(options, name) for name in ("landing", "work", "archive")}
        settings = Settings.from_environment(os.environ | {name: bucket for name, bucket in named.items() if bucket})
        content = objects().read(options.request)
        if content is None:
            raise InputMissing("input_missing", "there is no such request", options.request)
        request = TransformRequest.model_validate_json(content)
        if request.output != output or len(request.inputs) != 1 or request.chosen:
            raise BadRequest("bad_request", "a job has one file, all of it, and writes beside its request", "request")
        dataset = Dataset.from_wire(request.dataset)
        check_places(request, dataset, settings)
        shard = dataset.pipeline.transform.shard_bytes
        job = Job(content.decode(), objects, read_keys, options.mask_key_secret, options.raw_key_secret, shard)
        doing = worker(job)
        if doing.begin():
            log.info("landfall: done already")
        else:
            why = doing.why_whole()
            try:
                run_pipeline(job, why, beam)
            except RuntimeError as error:  # as Beam says that a pipeline failed, whatever failed in it
                raise Unavailable("worker_lost", _LOST) from error
    except Exception as error:  # noqa: BLE001 - whoever waits is told what is meant for people, and no traceback
        # Where a worker failed, it has said so already, and better.
        published = objects().publish(output + FAILURE, explain(error).body.model_dump_json().encode())
        log.error("landfall: the job failed: %s", ErrorResponse.model_validate_json(published).error.code)
        return 1
    return 0

"""What the Flex Template's launcher makes of a request: a job graph, which everybody may read who may see the job.

The pipeline, Beam's Dataflow runner and the bucket are the real ones; with `--template_location`, which the launcher
gives, the runner writes the graph and asks Dataflow for nothing.
"""

from __future__ import annotations

import base64
import bz2
import os
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from landfall.gcp.beam_process import PROGRAM
from landfall.gcp.large import LargeBatch

PLACE = "_landfall/dataflow"


def launch(large: LargeBatch, graph: Path) -> None:
    """Make the graph of a batch's first job, with the options that the launcher adds."""
    named = [f"--{name}={os.environ[f'LANDFALL_{name.upper()}']}" for name in ("mask_key_secret", "raw_key_secret")]
    command = [
        *PROGRAM, f"--request={large.ask(1)}", *named,
        "--runner=DataflowRunner", "--project=landfall-local", "--region=europe-west1", "--no_auth",
        f"--temp_location=gs://landfall-work/{PLACE}/temp", f"--staging_location=gs://landfall-work/{PLACE}/staging",
        f"--template_location={graph}", "--sdk_container_image=registry/dataflow@sha256:abc",
    ]  # fmt: skip
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def staged() -> list[bytes]:
    """Return everything that the launcher left for workers."""
    from google.cloud import storage

    client = storage.Client(project="landfall-local")
    return [blob.download_as_bytes() for blob in client.list_blobs("landfall-work", prefix=f"{PLACE}/staging/")]


def functions(content: bytes) -> Iterator[bytes]:
    """Yield the pickled functions of a staged pipeline, unpacked."""
    from apache_beam.portability.api import beam_runner_api_pb2 as api
    from google.protobuf.message import DecodeError

    with suppress(DecodeError):
        for transform in api.Pipeline.FromString(content).components.transforms.values():
            if transform.spec.urn == "beam:transform:pardo:v1":
                packed = base64.b64decode(api.ParDoPayload.FromString(transform.spec.payload).do_fn.payload)
                yield zlib.decompress(packed) if packed[:1] == b"x" else bz2.decompress(packed)


@pytest.mark.long
def test_the_graph_names_our_image_and_the_secrets_and_holds_no_key(
    large: Callable[[], LargeBatch], in_cloud: Any, tmp_path: Path
) -> None:
    from local.services import function_keys

    graph = tmp_path / "graph.json"
    launch(large(), graph)
    contents = [graph.read_bytes(), *staged()]
    unpacked = [one for content in contents for one in functions(content)]
    assert unpacked
    everything = b"\0".join(contents + unpacked)
    for name, key in function_keys(in_cloud.state).items():
        assert os.environ[f"{name}_SECRET"].encode() in everything, "the workers are told where the key lies"
        assert key.encode() not in everything
    assert b"registry/dataflow@sha256:abc" in everything

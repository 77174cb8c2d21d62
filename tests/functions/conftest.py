"""A batch of the sample dataset `inventory` in the embedded cloud, and what it takes to send it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from include.spec.dataset import Dataset, load_dataset

DATASETS = Path(__file__).resolve().parents[2] / "include" / "datasets"
GOOD = "01.02.2024;DE01;ABC-1;5;10:00:00;1.5000"
HEADER = "Day;Warehouse;SKU;On hand;Counted at;Unit cost"
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Bench:
    """The embedded cloud's storage, and batches in it."""

    client: Any
    url: str

    def put(self, bucket: str, name: str, content: bytes, **properties: Any) -> Any:
        """Write an object; returns the blob, its metadata loaded."""
        blob = self.client.bucket(bucket).blob(name)
        for key, value in properties.items():
            setattr(blob, key, value)
        blob.upload_from_string(content)
        blob.reload()
        return blob

    def batch(self, *contents: bytes, dataset: str = "inventory", attempt: int = 1) -> dict[str, Any]:
        """Land files of a dataset; returns the request that transforms them."""
        batch_id = f"batch{next(_NUMBERS)}"
        inputs = []
        for number, content in enumerate(contents):
            blob = self.put("landfall-landing", f"{dataset}/{batch_id}/{number}.csv", content)
            inputs.append(pinned(blob, f"file{number}"))
        return {
            "dataset": sample(dataset).to_wire(),
            "batch_id": batch_id,
            "attempt": attempt,
            "inputs": inputs,
            "references": {},
            "output": f"gs://landfall-work/{dataset}/{batch_id}/attempt-{attempt}/",
        }

    def names(self, uri: str) -> list[str]:
        """Return the names of the objects below a prefix."""
        bucket, _, prefix = uri.removeprefix("gs://").partition("/")
        return sorted(blob.name.removeprefix(prefix) for blob in self.client.list_blobs(bucket, prefix=prefix))

    def content(self, uri: str) -> bytes:
        """Return what an object holds."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        return bytes(self.client.bucket(bucket).blob(name).download_as_bytes())


def pinned(blob: Any, file_id: str) -> dict[str, Any]:
    """Return a blob as a request names it."""
    return {
        "file_id": file_id,
        "uri": f"gs://{blob.bucket.name}/{blob.name}",
        "generation": blob.generation,
        "size": blob.size,
        "crc32c": blob.crc32c,
    }


def sample(name: str) -> Dataset:
    """Return a sample dataset."""
    return load_dataset(DATASETS / name)


def lines(*records: str) -> bytes:
    """Return an inventory file of these records."""
    return "\n".join((HEADER, *records, "")).encode()


@pytest.fixture
def bench(in_cloud: Any) -> Bench:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    client = storage.Client(project="landfall-local", credentials=AnonymousCredentials())
    return Bench(client, in_cloud.url("function"))


@pytest.fixture
def post(bench: Bench) -> Callable[..., Any]:
    import requests

    def send(body: Any, **options: Any) -> Any:
        return requests.post(bench.url, json=body, timeout=60, **options)

    return send

"""Names that follow from what they name: the same input gives the same file, batch and commit everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

_DIGITS = 32


def file_id(bucket: str, name: str, generation: int, checksum: str) -> str:
    """Name one version of one object: 32 hexadecimal digits."""
    return _digest("file", bucket, name, str(generation), checksum)


def batch_id(
    file_ids: Iterable[str],
    *,
    fingerprint: str,
    references: Iterable[str],
    engine: str,
    epoch: str,
    keys: Mapping[str, str] | None = None,
    vouchers: Iterable[str] = (),
    released: Iterable[str] = (),
) -> str:
    """Name a batch by everything that can change its answer: 32 hexadecimal digits.

    Args:
        file_ids: the files in it; their order does not count.
        fingerprint: of contract and pipeline.
        references: content hashes of the reference files and of the tables' snapshots.
        engine: the engine's version.
        epoch: empty, or the run that was told to load the files once more.
        keys: `mask` and `raw` to the names of the keys that go into masked values and raw bytes.
        vouchers: the markers or manifests, in their generations, on which the files count.
        released: the files among them that no tolerance holds.
    """
    named = [f"voucher:{name}" for name in sorted(filter(None, vouchers))]
    free = [f"released:{name}" for name in sorted(released)]
    under = [f"{kind}:{name}" for kind, name in sorted((keys or {}).items())]
    return _digest("batch", *sorted(file_ids), fingerprint, *sorted(references), engine, epoch, *under, *named, *free)


def commit_id(batch_ids: Iterable[str], run_id: str) -> str:
    """Name the transaction by which a run commits these batches: 32 hexadecimal digits.

    The run is part of it: of two that bring the same batches, one must not take the other's success for its own.
    """
    return _digest("commit", run_id, *sorted(batch_ids))


def content_hash(content: bytes) -> str:
    """Name a content: 32 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _digest(*parts: str) -> str:
    # Lengths first, so that no two lists of parts read the same once joined.
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:_DIGITS]

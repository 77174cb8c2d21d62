"""Names that follow from what they name: the same input gives the same file, batch and commit everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

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
    keys: Iterable[str] = (),
    vouchers: Iterable[str] = (),
) -> str:
    """Name a batch by everything that can change its answer: 32 hexadecimal digits.

    Args:
        file_ids: the files in it; their order does not count.
        fingerprint: of contract and pipeline.
        references: content hashes of the reference files.
        engine: the engine's version.
        epoch: empty, or the run that was told to load the files once more.
        keys: names of the keys that go into masked values and raw bytes.
        vouchers: the markers or manifests, in their generations, on which the files count.
    """
    named = [f"voucher:{name}" for name in sorted(filter(None, vouchers))]
    return _digest("batch", *sorted(file_ids), fingerprint, *sorted(references), engine, epoch, *keys, *named)


def commit_id(batch_ids: Iterable[str]) -> str:
    """Name the transaction that commits these batches: 32 hexadecimal digits."""
    return _digest("commit", *sorted(batch_ids))


def content_hash(content: bytes) -> str:
    """Name a content: 32 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _digest(*parts: str) -> str:
    # Lengths first, so that no two lists of parts read the same once joined.
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:_DIGITS]

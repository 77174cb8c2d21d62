"""TEMPORARY: stands in for the founder's module, with the same signatures, until it is merged."""

from __future__ import annotations

from include.spec.dataset import Dataset
from include.spec.pipeline import Format

RANGE = 64 << 20
_ENDINGS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".zip": "zip"}


def compression_of(form: Format, name: str) -> str:
    """Return a file's compression as the format says or, where that is `auto`, as the ending of its name says."""
    if form.compression != "auto":
        return form.compression
    return next((kind for ending, kind in _ENDINGS.items() if name.lower().endswith(ending)), "none")


def why_whole(dataset: Dataset, name: str) -> str:
    """Return why a file cannot be split, as far as that can be told unseen; empty: it can."""
    compression = compression_of(dataset.pipeline.format, name)
    return f"a {compression} file can only be read from its beginning" if compression != "none" else ""

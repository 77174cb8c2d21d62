"""Hides what the pipeline says must not be seen: a keyed hash, a word, or the first characters only."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from include.engine.errors import TerminalSecretError
from include.engine.raw_keys import key_id, raw_cipher, split_keys
from include.spec.dataset import Dataset
from include.spec.pipeline import Truncate

REDACTED = "[redacted]"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The keys a deployment holds.

    Args:
        mask_key: key of the HMAC-SHA256 that `mask: sha256` writes; any bytes.
        raw_key: a Fernet key, under which the raw bytes of quarantined records of masked datasets are kept; after a
            comma, older ones.
    """

    mask_key: bytes | None = field(default=None, repr=False)
    raw_key: bytes | None = field(default=None, repr=False)

    @property
    def mask_key_id(self) -> str | None:
        """Names the masking key without telling it."""
        return key_id(self.mask_key)

    @property
    def raw_key_id(self) -> str | None:
        """Names the raw key that encrypts without telling it."""
        return key_id(next(iter(split_keys(self.raw_key)), None))


def check_secrets(dataset: Dataset, secrets: Secrets) -> None:
    """Check that the keys are there that a dataset's masks need.

    Raises:
        TerminalSecretError: one is missing, or is no Fernet key.
    """
    hashed = [name for name, how in dataset.pipeline.mask.items() if how == "sha256"]
    if hashed and not secrets.mask_key:
        raise TerminalSecretError(
            f"{dataset.name}: the mask of {', '.join(hashed)} needs LANDFALL_MASK_KEY, which is not set"
        )
    if dataset.pipeline.mask and secrets.raw_key:
        try:
            raw_cipher(secrets.raw_key)
        except ValueError:
            # Without the cause: it may hold what it was given.
            what = "LANDFALL_RAW_KEY is no Fernet key (32 bytes in URL-safe base64), nor a list of them"
            raise TerminalSecretError(what) from None


def apply_masks(table: pa.Table, dataset: Dataset, secrets: Secrets) -> pa.Table:
    """Return a table whose masked columns are masked; nulls stay null."""
    for name, how in dataset.pipeline.mask.items():
        column = table.column(name)
        if isinstance(how, Truncate):
            masked = pc.utf8_slice_codeunits(column, 0, how.truncate)
        elif how == "redact":
            masked = pc.if_else(pc.is_null(column), pa.scalar(None, pa.string()), pa.scalar(REDACTED))
        else:
            masked = _hashed(column, secrets.mask_key or b"")
        table = table.set_column(table.column_names.index(name), name, masked)
    return table


def hide(table: pa.Table, dataset: Dataset, secrets: Secrets) -> pa.Table:
    """Return a table whose masked columns are hashed, however they are to be masked: what was the same still is."""
    for name in set(dataset.pipeline.mask).intersection(table.column_names):
        hashed = _hashed(table.column(name), secrets.mask_key or secrets.raw_key or dataset.fingerprint.encode())
        table = table.set_column(table.column_names.index(name), name, hashed)
    return table


def _hashed(column: pa.ChunkedArray, key: bytes) -> pa.Array:
    digest = hmac.digest
    values = [None if text is None else digest(key, text.encode(), "sha256").hex() for text in column.to_pylist()]
    return pa.array(values, pa.string())

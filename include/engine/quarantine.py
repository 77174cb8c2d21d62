"""Writes quarantined records: where they stood, every reason, the exact bytes, and a text that people may read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.engine.account import Reason
from include.engine.kept import RAW_LIMIT
from include.engine.mask import Secrets
from include.engine.raw_keys import raw_cipher
from include.engine.records import Failure

SCHEMA = pa.schema(
    [
        pa.field("file_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("record", pa.int64(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("byte_offset", pa.int64(), nullable=False),
        pa.field("byte_length", pa.int64(), nullable=False),
        pa.field("reasons", pa.string(), nullable=False),
        pa.field("raw", pa.binary()),
        pa.field("key_id", pa.string()),
        pa.field("text", pa.string()),
    ]
)
WHOLE_FILE = -1
_FLUSH_BYTES = 4 << 20
_FLUSH_ROWS = 5_000


class Quarantine:
    """The quarantine part of a batch; it holds a few thousand records at a time.

    Args:
        path: the Parquet file, made when the first record comes.
        secrets: holds the key for raw bytes.
        secret: the dataset masks columns, so raw bytes are encrypted, or left out where there is no key.
    """

    def __init__(self, path: Path, secrets: Secrets, *, secret: bool) -> None:
        self._path = path
        self._secret = secret
        self._key_id = secrets.raw_key_id if secret else None
        self._encrypt = _encryptor(secrets) if secret else None
        self._rows: list[tuple[object, ...]] = []
        self._bytes = 0
        self._writer: pq.ParquetWriter | None = None
        self.rules: dict[str, int] = {}

    def add(
        self,
        file: tuple[str, str],
        place: tuple[int, int, int, int],
        failures: list[Failure],
        raw: bytes | None,
        text: str | None,
    ) -> None:
        """Add a record.

        Args:
            file: its file's id and URI.
            place: ordinal, line, byte offset, byte length; the ordinal is `WHOLE_FILE` for a held file.
            failures: every reason.
            raw: its bytes; None where they were not read.
            text: what a person may read.
        """
        reasons = [{"rule": f.rule, "column": f.column or None, "message": f.message} for f in failures]
        for failure in failures if place[0] != WHOLE_FILE else ():
            self.rules[failure.name] = self.rules.get(failure.name, 0) + 1
        kept = None if raw is None or len(raw) > RAW_LIMIT else raw
        if kept is not None and self._secret:
            kept = self._encrypt(kept) if self._encrypt else None
        key = self._key_id if kept is not None else None
        self._rows.append((*file, *place, json.dumps(reasons, ensure_ascii=False), kept, key, text))
        self._bytes += len(kept or b"") + len(text or "")
        if self._bytes > _FLUSH_BYTES or len(self._rows) >= _FLUSH_ROWS:
            self._flush()

    def add_file(self, file: tuple[str, str], size: int, reason: Reason) -> None:
        """Add a file that is held.

        Args:
            file: its id and URI.
            size: its bytes, as far as it was read.
            reason: why it is held.
        """
        self.add(file, (WHOLE_FILE, 0, 0, size), [Failure(reason.code, "", reason.message)], None, None)

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, SCHEMA)
        columns = [
            pa.array(values, field.type) for values, field in zip(zip(*self._rows, strict=True), SCHEMA, strict=True)
        ]
        self._writer.write_table(pa.table(columns, schema=SCHEMA))
        self._rows, self._bytes = [], 0

    def close(self) -> list[str]:
        """Write what is left; return the parts' names."""
        self._flush()
        if self._writer is None:
            return []
        self._writer.close()
        return [self._path.name]


def _encryptor(secrets: Secrets) -> Callable[[bytes], bytes] | None:
    if not secrets.raw_key:
        return None
    return raw_cipher(secrets.raw_key).encrypt

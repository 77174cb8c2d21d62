"""What a set's manifest promises of a file, checked where the file's bytes and records are read."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from include.engine.account import Reason

if TYPE_CHECKING:
    from hashlib import _Hash

MISMATCH = "manifest_mismatch"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Promised:
    """What is promised of one file; empty or None where nothing is.

    Args:
        by: name of the manifest that promises it.
        sha256: of the stored bytes, hexadecimal.
        md5: of the stored bytes, base64.
        records: physical records; a header and blank lines are none.
    """

    by: str
    sha256: str = ""
    md5: str = ""
    records: int | None = None


class Witness:
    """Hashes a file's bytes while they are read, and tells whether the file is what was promised.

    Args:
        raw: the file, opened for reading from its start to its end.
        promised: what it must be; None: anything.
    """

    def __init__(self, raw: BinaryIO, promised: Promised | None) -> None:
        self._raw, self._promised = raw, promised
        wanted = {"sha256": promised.sha256, "md5": promised.md5} if promised else {}
        self._sums: dict[str, _Hash] = {
            name: hashlib.new(name, usedforsecurity=False) for name, given in wanted.items() if given
        }

    def read(self, size: int = -1) -> bytes:
        """Read on; at most that many bytes."""
        data = self._raw.read(size)
        for digest in self._sums.values():
            digest.update(data)
        return data

    def verdict(self, records: int) -> Reason | None:
        """Return what is not as promised; reads what is left of the file where its bytes count.

        Args:
            records: physical records found in the whole file.
        """
        promised = self._promised
        if promised is None:
            return None
        while self._sums and self.read(_BLOCK):
            pass
        found = {name: _shown(name, digest) for name, digest in self._sums.items()}
        for name, value in found.items():
            expected = getattr(promised, name)
            if value != expected:
                return mismatch(promised.by, name, expected, value)
        if promised.records is not None and promised.records != records:
            return mismatch(promised.by, "records", promised.records, records)
        return None


def mismatch(by: str, what: str, expected: object, found: object) -> Reason:
    """Return the reason for which a file is held that is not what its manifest says.

    Args:
        by: the manifest's name.
        what: size, records, or the name of a checksum.
    """
    message = f"{by} says {what} {expected}, found {found}. Send the file again, or a manifest that describes it."
    return Reason(MISMATCH, message)


def _shown(name: str, digest: _Hash) -> str:
    return digest.hexdigest() if name == "sha256" else base64.b64encode(digest.digest()).decode()

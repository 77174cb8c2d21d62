"""What landed: objects in their versions, without temporary names and incomplete sets, packed into batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from include.ledger.identity import file_id

_TEMPORARY_ENDINGS = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", "._copying_", ".swp")
_HIDDEN = (".", "_", "~")


@dataclass(frozen=True, slots=True)
class Landed:
    """One version of one landed object.

    Args:
        size: in bytes.
        checksum: what the store says of the content (CRC32C of Cloud Storage, base64).
        md5: likewise, base64; empty where the store has none.
        created: when this version landed, by the store's clock; None where that is not known.
    """

    bucket: str
    name: str
    generation: int
    size: int
    checksum: str
    md5: str = ""
    created: datetime | None = None

    @property
    def file_id(self) -> str:
        """The identity of this version."""
        return file_id(self.bucket, self.name, self.generation, self.checksum)

    @property
    def folder(self) -> str:
        """The object's name up to its last slash: the set to which a completeness marker belongs."""
        return self.name.rpartition("/")[0]


def is_temporary(name: str) -> bool:
    """Whether an object's name says that it is not meant to be read: hidden, a marker, or half-written."""
    base = name.rpartition("/")[2]
    return not base or base.startswith(_HIDDEN) or base.lower().endswith(_TEMPORARY_ENDINGS)


def pack(
    objects: Iterable[Landed], *, max_bytes: int, max_files: int, by_folder: bool, alone: Collection[str] = ()
) -> list[list[Landed]]:
    """Pack files into batches, in the order given.

    Args:
        max_bytes: size of a batch, unless a single file is larger.
        max_files: files in a batch.
        by_folder: a folder is one set that is loaded as a whole or not at all: one batch each, whatever its size.
        alone: ids of files that get a batch of their own, so that none can take its neighbours with it; not by folder.
    """
    if by_folder:
        folders: dict[str, list[Landed]] = defaultdict(list)
        for landed in objects:
            folders[landed.folder].append(landed)
        return [folders[folder] for folder in sorted(folders)]
    batches: list[list[Landed]] = []
    filled, closed = 0, True
    for landed in objects:
        single = landed.file_id in alone
        if closed or single or filled + landed.size > max_bytes or len(batches[-1]) >= max_files:
            batches.append([])
            filled = 0
        closed = single
        batches[-1].append(landed)
        filled += landed.size
    return batches

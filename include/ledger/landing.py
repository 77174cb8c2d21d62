"""Which landed objects are files to load: no temporary names, no incomplete sets, nothing done before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from include.ledger.identity import file_id
from include.ledger.states import is_final

MARKER = "_SUCCESS"
_TEMPORARY_ENDINGS = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", "._copying_", ".swp")
_HIDDEN = (".", "_", "~")


@dataclass(frozen=True, slots=True)
class Landed:
    """One version of one landed object.

    Args:
        size: in bytes.
        checksum: what the store says of the content (CRC32C of Cloud Storage, base64).
    """

    bucket: str
    name: str
    generation: int
    size: int
    checksum: str

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


def in_complete_folders(objects: Iterable[Landed], markers: Iterable[str]) -> list[Landed]:
    """Keep the objects whose folder holds a marker.

    Args:
        objects: the landed objects.
        markers: full names of the marker objects found.
    """
    complete = {name.rpartition("/")[0] for name in markers}
    return [landed for landed in objects if landed.folder in complete]


def still_open(objects: Iterable[Landed], states: Mapping[str, str]) -> list[Landed]:
    """Keep the objects that the ledger does not show in a final state, sorted by name.

    Args:
        objects: the landed objects.
        states: file id to its current state; files the ledger never saw are missing.
    """
    found = [landed for landed in objects if not is_final(states.get(landed.file_id))]
    return sorted(found, key=lambda landed: (landed.name, landed.generation))


def pack(objects: Iterable[Landed], *, max_bytes: int, max_files: int, by_folder: bool) -> list[list[Landed]]:
    """Pack files into batches, in the order given.

    Args:
        max_bytes: size of a batch, unless a single file is larger.
        max_files: files in a batch.
        by_folder: a folder is one set that is loaded as a whole or not at all: one batch each, whatever its size.
    """
    if by_folder:
        folders: dict[str, list[Landed]] = defaultdict(list)
        for landed in objects:
            folders[landed.folder].append(landed)
        return [folders[folder] for folder in sorted(folders)]
    batches: list[list[Landed]] = []
    filled = 0
    for landed in objects:
        if not batches or filled + landed.size > max_bytes or len(batches[-1]) >= max_files:
            batches.append([])
            filled = 0
        batches[-1].append(landed)
        filled += landed.size
    return batches

"""Reads the one file in a zip archive. What is in an archive is never written anywhere under its own name."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import IO, BinaryIO, Final

from include.engine.account import Reason

ZIP_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
_END, _END_BYTES, _LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
_MOST_MEMBERS = 1000  # of which a directory is read at all, to say what is in it
_LONGEST_LISTING = 1 << 20
_ENCRYPTED = 0x1
_EXCEL = "[Content_Types].xml"


class _Refused(Exception):
    """Why an archive is not opened."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code, message)


class ZipReader:
    """Inflates the one member of an archive. Damage ends it and is told in `damage`; it is never raised.

    Args:
        file: the archive, complete and seekable, in a place of our own: an error in it is the archive's.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.damage: Reason | None = None
        self._member: IO[bytes] | None = None
        try:
            self._member = _open(file)
        except _Refused as refused:
            self.damage = refused.reason
        except (zipfile.BadZipFile, ValueError, struct.error, OverflowError, OSError) as error:
            self._damage("corrupt_zip", f"the zip archive is corrupt ({error}). Send it again.")
        except NotImplementedError as error:
            self._damage("unsupported_zip", f"the zip archive cannot be read: {error}. Use deflate.")

    def _damage(self, code: str, message: str) -> None:
        self.damage = Reason(code, message)

    def read(self, size: int) -> bytes:
        """Return at most that many bytes; none at the end or at damage."""
        if self._member is None or self.damage is not None:
            return b""
        try:
            return self._member.read(size)
        except EOFError:
            self._damage("truncated_zip", "the file in the zip archive ends in the middle. Send it again.")
        except (zipfile.BadZipFile, zlib.error, OSError, ValueError) as error:
            self._damage("corrupt_zip", f"the zip archive is corrupt ({error}). Send it again.")
        return b""


def _open(file: BinaryIO) -> IO[bytes]:
    count = _count(file)
    if count is None:
        message = "the zip archive has no end: the upload was cut off. Send it again."
        raise _Refused("truncated_zip", message)
    if count > _MOST_MEMBERS:
        raise _Refused("zip_members", f"the zip archive holds more than {_MOST_MEMBERS:,} files; send one in each")
    archive = zipfile.ZipFile(file)
    members = [member for member in archive.infolist() if not member.is_dir()]
    if any(member.filename == _EXCEL for member in members):
        raise _Refused("wrong_format", "the file is an Excel workbook (xlsx). Export the sheet as CSV.")
    if len(members) != 1:
        raise _Refused("zip_members", f"the zip archive holds {len(members)} files; send one in each")
    member = members[0]
    if _climbs(member.filename):
        message = "the name of the file in the zip archive leads out of its folder (.. or a root). Pack it again."
        raise _Refused("unsafe_zip", message)
    if member.flag_bits & _ENCRYPTED:
        raise _Refused("encrypted_zip", "the file in the zip archive is encrypted. Send it without a password")
    return archive.open(member)


def _count(file: BinaryIO) -> int | None:
    """How many members an archive's end says it has; None where it has no end. A reader would list them all first."""
    size = file.seek(0, 2)
    file.seek(max(size - _END_BYTES - _LONGEST_COMMENT, 0))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(_END)
    if not 0 <= at <= len(tail) - _END_BYTES:
        return None
    members, listing = struct.unpack_from("<HL", tail, at + 10)
    return _MOST_MEMBERS + 1 if listing > _LONGEST_LISTING else int(members)


def _climbs(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or parts[0] == "" or parts[0].endswith(":")

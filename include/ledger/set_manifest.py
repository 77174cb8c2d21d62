"""The manifest of a set: which files belong to it, and what they must be. Its sender is not trusted."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from include.ledger.landing import Landed
from include.spec.model import Model

MAX_BYTES = 8_000_000
_SHOWN = 80


class BrokenManifest(Exception):
    """A manifest that cannot be used; says what is wrong with it."""


def _binary(text: str, size: int) -> str:
    """Return base64 of a checksum that is given in base64 or hexadecimal digits."""
    if re.fullmatch(rf"[0-9A-Fa-f]{{{2 * size}}}", text):
        return base64.b64encode(bytes.fromhex(text)).decode()
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) != size:
        raise ValueError(f"must be {size} bytes, in base64 or hexadecimal digits")
    return text


def _crc32c(text: str) -> str:
    return _binary(text, 4)


def _md5(text: str) -> str:
    return _binary(text, 16)


def _name(text: str) -> str:
    if "/" in text or text in (".", ".."):
        raise ValueError("must be the name of a file in the manifest's own folder, without a path")
    if not text.isprintable():
        raise ValueError("must be printable")
    return text


class ListedFile(Model):
    """One file of a set; what is not given is not verified.

    Args:
        name: of the object, below the manifest's folder.
        size: in bytes, as stored.
        crc32c: base64 or hexadecimal.
        md5: base64 or hexadecimal.
        sha256: hexadecimal.
        records: rows, without a header.
    """

    name: Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_name)]
    size: int | None = Field(None, ge=0)
    crc32c: Annotated[str, AfterValidator(_crc32c)] | None = None
    md5: Annotated[str, AfterValidator(_md5)] | None = None
    sha256: str | None = Field(None, pattern=r"^[0-9A-Fa-f]{64}$")
    records: int | None = Field(None, ge=0)


class _Listing(Model):
    files: tuple[ListedFile, ...] = Field(min_length=1, strict=False)


class _Meta(Model):
    content_length: int | None = Field(None, ge=0)
    record_count: int | None = Field(None, ge=0)


class _Entry(Model):
    url: str = Field(min_length=1, max_length=2048)
    mandatory: bool = True
    meta: _Meta = Field(_Meta())


class _Entries(Model):
    """What Amazon Redshift's UNLOAD writes, and its COPY reads."""

    model_config = ConfigDict(extra="ignore")

    entries: tuple[_Entry, ...] = Field(min_length=1, strict=False)


class _Either(Model):
    model_config = ConfigDict(extra="ignore")

    files: Any = None
    entries: Any = None

    @model_validator(mode="after")
    def _one(self) -> _Either:
        if (self.files is None) == (self.entries is None):
            raise ValueError("must be an object with the key `files` (or, as of Redshift, `entries`)")
        return self


def read_manifest(content: bytes, place: Landed) -> dict[str, ListedFile]:
    """Return the files that a manifest lists, by the names of their objects in the bucket.

    Args:
        content: its bytes.
        place: the manifest's own object, in whose folder the files are.

    Raises:
        BrokenManifest: it is too large, no JSON, not of the form, leads out of its folder or lists a file twice.
    """
    if len(content) > MAX_BYTES:
        raise BrokenManifest(f"it holds {len(content):,} bytes, more than the {MAX_BYTES:,} that are read")
    try:
        listed = list(_listed(content, place))
    except ValidationError as error:
        raise BrokenManifest(_explained(error)) from error
    twice = [name for name, count in Counter(file.name for file in listed).items() if count > 1]
    if twice:
        raise BrokenManifest(f"it lists {twice[0][:_SHOWN]!r} twice")
    own = place.name.rpartition("/")[2]
    if any(file.name == own for file in listed):
        raise BrokenManifest("it lists itself")
    return {_joined(place.folder, file.name): file for file in listed}


def _listed(content: bytes, place: Landed) -> Iterator[ListedFile]:
    if _Either.model_validate_json(content).files is not None:
        yield from _Listing.model_validate_json(content).files
        return
    folder = _joined(f"gs://{place.bucket}/{place.folder}".rstrip("/"), "")
    for number, entry in enumerate(_Entries.model_validate_json(content).entries):
        if not entry.url.startswith(folder):
            raise BrokenManifest(f"entries.{number}.url: must begin with {folder}")
        name = entry.url.removeprefix(folder)
        try:
            yield ListedFile(name=name, size=entry.meta.content_length, records=entry.meta.record_count)
        except ValidationError as error:
            raise BrokenManifest(f"entries.{number}.url: {_explained(error).partition(': ')[2]}") from error


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    message = str(first.get("ctx", {}).get("error") or first["msg"])
    if first["type"] == "extra_forbidden":
        message = f"is not a known key; known are {', '.join(ListedFile.model_fields)}"
    where = ".".join(str(part)[:_SHOWN] for part in first["loc"])
    return f"{where}: {message}" if where else message

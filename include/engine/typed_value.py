"""Values of typed files as JSON holds them, nothing lost: numbers by their digits, moments in ISO 8601, bytes.

Bytes that are UTF-8 are their text, others `{"base64": "…"}`: readable in a record's rendering, refused by a text
column. A column of the contract's string format `byte` holds base64 of them all.
"""

from __future__ import annotations

import base64
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from include.engine.json_text import Number


class Octets(str):
    """The text of bytes that are UTF-8."""

    __slots__ = ()


class NotText(dict[str, str]):
    """Bytes that are not UTF-8, where there should be text."""


class Binary(NotText):
    """Bytes that are not UTF-8, and need not be."""


def plain(value: Any) -> Any:  # noqa: ANN401 - a file's types are its own
    """Return a value as texts, `Number`, booleans, None, lists and dictionaries."""
    if value is None or isinstance(value, bool | Number):
        return value
    if isinstance(value, str):
        return value if value.isascii() else _text(value)
    if isinstance(value, dict):
        return {str(plain(key)): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return _bytes(bytes(value)) if isinstance(value, bytes | bytearray | memoryview) else _scalar(value)


def _scalar(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, int):
        return Number(value)
    if isinstance(value, float):
        return Number(repr(value)) if math.isfinite(value) else repr(value)
    if isinstance(value, Decimal):
        return Number(f"{value:f}")
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return moment.isoformat() + ("Z" if value.tzinfo else "")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _text(value: str) -> str | NotText:
    # A reader keeps what is not UTF-8 as lone surrogates.
    try:
        value.encode()
    except UnicodeEncodeError:
        return NotText(base64=_base64(value.encode(errors="surrogateescape")))
    return value


def _bytes(value: bytes) -> Octets | Binary:
    try:
        return Octets(value.decode())
    except UnicodeDecodeError:
        return Binary(base64=_base64(value))


def text_of(value: bytes) -> str | NotText:
    """Return the bytes of a text that may not be UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return NotText(base64=_base64(value))


def as_base64(value: object) -> str | None:
    """Return what stands in a column of the format `byte`, if the value is bytes."""
    if isinstance(value, Octets):
        return _base64(value.encode())
    return value["base64"] if isinstance(value, Binary) else None


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()

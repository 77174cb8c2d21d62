"""Tells by a file's first bytes, whatever its name, that it is not of the format its dataset expects."""

from __future__ import annotations

import re
from typing import Literal

from include.engine.account import Reason

HEAD = 4096
_MAGIC = (
    (b"PAR1", "Parquet"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook (xlsx)"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (xls)"),
    (b"%PDF-", "PDF"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
    (b"\xfd7zXZ\0", "xz-compressed"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"BZh", "bzip2-compressed"),
    (b"\x1f\x8b", "gzip-compressed once more than expected"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
)
_WIDE = ((b"\xff\xfe\0\0", "UTF-32"), (b"\0\0\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_MARKUP = re.compile(rb"\s*<(?:!doctype|html|\?xml|!--|head|body)\b", re.IGNORECASE)
# Needs more than a magic of letters: a CSV may well begin with "ORC" or "BZh".
_TEXTUAL = (b"PAR1", b"ORC", b"BZh", b"Obj\x01")
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r\f\x1b")

# Of fewer bytes, a few control characters are a bad record rather than a binary file.
_TELLING = 64


def foreign_format(head: bytes, expected: Literal["csv", "ndjson", "json"]) -> Reason | None:
    """Return why a file is held unread, or None where it may be what it should be.

    Args:
        head: the first `HEAD` decompressed bytes, fewer if the file is shorter.
    """
    for mark, name in _WIDE:
        if head.startswith(mark):
            return _wrong_encoding(f"the file is {name}, not UTF-8")
    for magic, name in _MAGIC:
        if head.startswith(magic) and (magic not in _TEXTUAL or _is_binary(head)):
            return _wrong_format(f"the file is {name}", expected)
    if head[1::2].count(0) > len(head) // 4 or head[0::2].count(0) > len(head) // 4:
        return _wrong_encoding("the file looks like UTF-16 without a byte order mark, not UTF-8")
    if len(head) >= _TELLING and _is_binary(head):
        return _wrong_format("the file is binary", expected)
    if _MARKUP.match(head):
        return _wrong_format("the file is HTML or XML", expected)
    if expected == "csv":
        return None
    return _no_json(head, expected)


def looks_like_json(head: bytes) -> bool:
    """Whether the first bytes begin a JSON object, or an array of objects."""
    return bool(re.match(rb'(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{\s*(?:"(?:[^"\\\n]|\\.)*"\s*:|\})', head))


def _no_json(head: bytes, expected: Literal["ndjson", "json"]) -> Reason | None:
    body = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not body:
        return None
    if expected == "json":
        if body.startswith(b"["):
            return None
        hint = " It looks like NDJSON: set `format.type: ndjson`." if looks_like_json(head) else ""
        return _wrong_format("the file does not begin with a JSON array", expected, hint)
    if re.match(rb"\[\s*[\r\n]", body) or (looks_like_json(body) and body.startswith(b"[")):
        return _wrong_format("the file is a JSON array", expected, " Set `format.type: json`.")
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    if len(lines) > 1 and not any(line[:1] in b'{["' for line in lines):
        return _wrong_format("no line of the file's beginning is JSON", expected)
    return None


def _is_binary(head: bytes) -> bool:
    return len(head) - len(head.translate(None, _CONTROL)) > max(len(head) // 10, 1)


def _wrong_format(what: str, expected: str, hint: str = "") -> Reason:
    return Reason("wrong_format", f"{what}; the dataset expects {expected}.{hint}")


def _wrong_encoding(what: str) -> Reason:
    return Reason("wrong_encoding", f"{what}. Send the file as UTF-8.")

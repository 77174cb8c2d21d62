"""Tells by a file's first bytes, whatever its name, that it is not of the format its dataset expects."""

from __future__ import annotations

import re
from typing import Literal

from include.engine.account import Reason

HEAD = 4096
Expected = Literal["csv", "ndjson", "json", "fixed", "xml", "parquet", "avro"]
_BINARY: dict[str, bytes] = {"parquet": b"PAR1", "avro": b"Obj\x01"}
_MAGIC = (
    (b"PAR1", "Parquet"),
    (b"PK\x03\x04", "a zip archive inside another, or one that `format.compression` does not expect"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (xls)"),
    (b"%PDF-", "PDF"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed once more than expected"),
    (b"\xfd7zXZ\0", "xz-compressed"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"BZh", "bzip2-compressed once more than expected"),
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


def foreign_format(head: bytes, expected: Expected, is_object: bool = False) -> Reason | None:
    """Return why a file is held unread, or None where it may be what it should be.

    Args:
        head: the first `HEAD` decompressed bytes, fewer if the file is shorter.
        is_object: JSON is expected as one object, not as an array.
    """
    if expected in _BINARY and head.startswith(_BINARY[expected]):
        return None
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
    if expected in _BINARY:
        return _wrong_format("the file does not begin as that format does", expected)
    if expected == "xml":
        return _no_xml(head)
    if _MARKUP.match(head):
        return _wrong_format("the file is HTML or XML", expected)
    if expected in ("csv", "fixed"):
        return None
    return _no_json(head, expected, is_object)


def _no_xml(head: bytes) -> Reason | None:
    body = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb"<(?:!doctype\s+html|html)\b", body, re.IGNORECASE):
        return _wrong_format("the file is HTML", "xml", " An error page may have been saved in its place.")
    return None if body.startswith(b"<") or not body else _wrong_format("the file does not begin with a tag", "xml")


def looks_like_json(head: bytes) -> bool:
    """Whether the first bytes begin a JSON object, or an array of objects."""
    return bool(re.match(rb'(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{\s*(?:"(?:[^"\\\n]|\\.)*"\s*:|\})', head))


def _no_json(head: bytes, expected: str, is_object: bool) -> Reason | None:
    body = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not body:
        return None
    if is_object:
        hint = " `format.records` says that the array of records stands in it."
        return None if body.startswith(b"{") else _wrong_format("the file is no JSON object", expected, hint)
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

"""The quick way to read nested JSON values: one that the standard library writes back as it stands is what it seems.

Then it is JSON; no key stands twice in it, or one would be lost; every number is written as Python writes it, so none
loses a digit; and its strings have one way to be written. What is not so is read by `json_text.Reader`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from include.engine.json_text import MAX_DEPTH, Defect, Reader, to_json


def _refuse(name: str) -> Any:  # noqa: ANN401
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)
_OURS: Final = json.JSONEncoder(ensure_ascii=False)
_COMPACT: Final = (",", ":")
# With characters as they are, and with escapes for all that are not ASCII.
_PLAIN: Final = (_OURS, json.JSONEncoder(ensure_ascii=False, separators=_COMPACT))
_ESCAPED: Final = (json.JSONEncoder(), json.JSONEncoder(separators=_COMPACT))


def canonical(texts: Sequence[str]) -> list[str | None]:
    """Return the values inside records as `json_text.to_json` writes them; None for one that is defective or deep."""
    reader, plain, escaped = Reader(), list(_PLAIN), list(_ESCAPED)
    written: list[str | None] = []
    for text, value in zip(texts, _decoded(texts), strict=True):
        found = None if value is None else _proven(text, value, escaped if "\\u" in text else plain)
        if found is None and text.count("{") + text.count("[") < MAX_DEPTH:  # the record is one level more
            read = reader.read(text)
            found = None if isinstance(read, Defect) else to_json(read)
        written.append(found)
    return written


def _decoded(texts: Sequence[str]) -> Sequence[Any]:
    """Read the values, None where there is none, or all are moved: `_proven` compares each with its text."""
    try:
        values = _DECODER.decode(f"[{','.join(texts)}]")
    except (ValueError, RecursionError):
        return [_value(text) for text in texts]
    return values if len(values) == len(texts) else [_value(text) for text in texts]


def _value(text: str) -> Any:  # noqa: ANN401
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def _proven(text: str, value: Any, encoders: list[json.JSONEncoder]) -> str | None:  # noqa: ANN401
    """Return the value as it is to be written, if one of the encoders writes the very text."""
    if text.count("{") + text.count("[") >= MAX_DEPTH or "\\u0000" in text or "\\ud" in text:
        return None
    for number, encoder in enumerate(encoders):
        if encoder.encode(value) == text:
            if number:  # the next one is likely to be written like it
                encoders.insert(0, encoders.pop(number))
            return text if encoder is _OURS else _OURS.encode(value)
    return None

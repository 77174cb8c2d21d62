"""JSON read strictly and without loss: numbers keep their text, repeated keys are noticed, depth is bounded."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, Final

import numpy as np

MAX_DEPTH: Final = 100
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BLANKS = " \t\r\n"


class Number(str):
    """A JSON number, as it was written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Defect:
    """Why a text is not taken: a rule's name and a sentence."""

    rule: str
    message: str


class Reader:
    """Reads one JSON text after another."""

    def __init__(self) -> None:
        self._repeated: str | None = None
        decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_float=Number, parse_int=Number, parse_constant=_refuse_constant
        )
        self._scan = decoder.scan_once  # type: ignore[attr-defined]

    def read(self, text: str) -> Any:  # noqa: ANN401 - JSON holds anything
        """Return the value, its numbers as `Number`; or the defect."""
        text = text.strip(_BLANKS)
        if text.count("{") + text.count("[") > MAX_DEPTH and (deep := _depth_defect(text)):
            return deep
        self._repeated = None
        try:
            value, end = self._scan(text, 0)
        except StopIteration as stop:
            return Defect("malformed", f"it is no JSON: a value is missing at character {stop.value}")
        except ValueError as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            at = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
            return Defect("malformed", f"it is no JSON: {what}{at}")
        if end != len(text):
            return Defect("malformed", f"it is no JSON: text follows the value at character {end}")
        if self._repeated is not None:
            return Defect("duplicate_key", f"a key stands twice in one object: {self._repeated[:80]!r}")
        return value if "\\u" not in text else _check_characters(value)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs) and self._repeated is None:
            seen: set[str] = set()
            self._repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return found


def _refuse_constant(name: str) -> Any:  # noqa: ANN401
    raise ValueError(f"{name} is no JSON number")


def _depth_defect(text: str) -> Defect | None:
    marks = np.frombuffer(_STRINGS.sub("", text).encode(errors="replace"), np.uint8)
    opens, closes = (marks == 123) | (marks == 91), (marks == 125) | (marks == 93)
    depth = np.cumsum(opens.astype(np.int32) - closes)
    if int(depth.max(initial=0)) <= MAX_DEPTH:
        return None
    if int(depth[-1]) != 0:
        return Defect("malformed", "it is no JSON: not everything that is opened is closed")
    return Defect("too_deep", f"the JSON is nested {int(depth.max()):,} levels deep; {MAX_DEPTH} are read")


def _check_characters(value: Any) -> Any:  # noqa: ANN401
    """Refuse what an escape can make and a text column cannot hold."""
    text = to_json(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return Defect("encoding", "an escape makes half of a surrogate pair, which is no character")
    return Defect("nul_byte", "an escape makes a NUL character") if _holds_nul(value) else value


def _holds_nul(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))


def to_json(value: Any) -> str:  # noqa: ANN401
    """Write a value that `Reader.read` returned; its numbers as they were."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{encode_basestring(key)}: {to_json(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_json, value)) + "]"
    return "null" if value is None else "true" if value else "false"


def to_text(value: Any) -> str | None:  # noqa: ANN401
    """Return a value as the text of a cell: a string's characters, a number as written, the JSON of anything else."""
    return value if value is None or isinstance(value, str) else to_json(value)

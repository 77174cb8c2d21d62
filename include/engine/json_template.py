"""How the fields of a JSON object are written: their names in order, and the bytes around them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

_OPENING = re.compile(r"\{[ \t]*")
_KEY = re.compile(r'"([^"\\\x00-\x1f]+)"[ \t]*:[ \t]*')
_SEPARATOR = re.compile(r",[ \t]*")
_CLOSING = re.compile(r"[ \t]*\}\Z")
_SCAN = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
MOST_KEYS = 500


@dataclass(frozen=True, slots=True)
class Template:
    """How a record is written; another one may lack some of its fields.

    Args:
        opening, separator, closing: what stands before the first key, between a value and the next key, and after the
            last value.
        names: the fields.
        keys: what stands before each value, from the key's first quote on.
        nested: whether a value may be an object or an array.
    """

    opening: bytes
    separator: bytes
    closing: bytes
    names: tuple[str, ...]
    keys: tuple[bytes, ...]
    nested: bool

    def merged(self, other: Template) -> Template | None:
        """Return a template of which both are parts; None where they are written in two ways or orders."""
        mine = (self.opening, self.separator, self.closing)
        if mine != (other.opening, other.separator, other.closing):
            return None
        fields = list(zip(self.names, self.keys, strict=True))
        at = 0
        for field in zip(other.names, other.keys, strict=True):
            if field in fields:
                place = fields.index(field)
                if place < at:
                    return None
                at = place + 1
            else:
                fields.insert(at, field)
                at += 1
        names, keys = zip(*fields, strict=True)
        if len(set(names)) < len(names) or len(names) > MOST_KEYS:
            return None
        return replace(self, names=names, keys=keys, nested=self.nested or other.nested)


def read_template(raw: bytes) -> Template | None:
    """Return how a record is written; None if it is not JSON, or has no field, one twice, or blanks that vary."""
    text = raw.decode()
    opening = _OPENING.match(text)
    position = opening.end() if opening else 0
    names, keys, separators, nested = [], [], set(), False
    while key := _KEY.match(text, position):
        names.append(key[1])
        keys.append(key[0].encode())
        nested |= text[key.end() : key.end() + 1] in ("{", "[")
        try:
            _, position = _SCAN(text, key.end())
        except (StopIteration, ValueError, RecursionError):
            return None
        if separator := _SEPARATOR.match(text, position):
            separators.add(separator[0].encode())
            position = separator.end()
        else:
            break
    closing = _CLOSING.match(text, position)
    if not opening or not closing or len(separators) > 1 or len(set(names)) < len(names) or not names:
        return None
    between = separators.pop() if separators else b", "
    return Template(opening[0].encode(), between, closing[0].encode(), tuple(names), tuple(keys), nested)

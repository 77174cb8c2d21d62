"""Refuses Avro schemas whose records could take more memory or time than their bytes: those that refer to themselves,
arrays of nothing, and records of millions of parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

_MOST_PARTS: Final = 100_000
_DEEPEST: Final = 50
_EMPTY: Final = "null"


class _Refusal(Exception):
    """What is wrong with a schema."""


@dataclass(slots=True)
class _Walk:
    """What is known of named types: parts, and the fewest bytes they take; None while one is being looked at."""

    known: dict[str, tuple[int, int] | None] = field(default_factory=dict)

    def look(self, schema: Any, depth: int = 0) -> tuple[int, int]:  # noqa: ANN401 - JSON
        """Return how many parts a schema has, and the fewest bytes that a value of it takes."""
        if depth > _DEEPEST:
            raise _Refusal(f"is nested more than {_DEEPEST} levels deep")
        if isinstance(schema, list):
            found = [self.look(option, depth + 1) for option in schema]
            return 1 + sum(parts for parts, _ in found), 1
        if isinstance(schema, str):
            return self._named(schema)
        kind = schema["type"]
        if isinstance(kind, dict | list):
            return self.look(kind, depth + 1)
        if kind in ("array", "map"):
            return self._repeated(schema.get("items", schema.get("values")), kind, depth)
        if kind not in ("record", "error"):
            if "name" in schema:
                self.known[schema["name"]] = (1, int(schema.get("size", 1)))
            return self._named(kind) if kind != "fixed" else (1, int(schema["size"]))
        return self._record(schema, depth)

    def _named(self, name: str) -> tuple[int, int]:
        if name not in self.known:
            return 1, 0 if name == _EMPTY else 1
        found = self.known[name]
        if found is None:
            raise _Refusal(f"refers to itself, in {name[:80]}; such records are not read")
        return found

    def _repeated(self, items: Any, kind: str, depth: int) -> tuple[int, int]:  # noqa: ANN401
        parts, least = self.look(items, depth + 1)
        if kind == "array" and not least:
            raise _Refusal("has an array whose items take no bytes; it could have any number of them")
        return parts + 1, 1

    def _record(self, schema: dict[str, Any], depth: int) -> tuple[int, int]:
        name = schema["name"]
        self.known[name] = None
        parts = least = 0
        for item in schema["fields"]:
            more, bytes_ = self.look(item["type"], depth + 1)
            parts, least = parts + more, least + bytes_
            if parts > _MOST_PARTS:
                raise _Refusal(f"has more than {_MOST_PARTS:,} parts")
        self.known[name] = (parts, least)
        return parts, least


def refuse_schema(schema: Any) -> str:  # noqa: ANN401 - fastavro's parsed schema
    """Return why a file's schema is not read, to follow "the schema"; empty where it is.

    Args:
        schema: as fastavro parses it, names written out.
    """
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return "is no record with fields"
    try:
        _Walk().look(schema)
    except _Refusal as refusal:
        return str(refusal)
    return ""


def nested_fields(schema: Any) -> frozenset[str]:  # noqa: ANN401 - fastavro's parsed schema
    """Name the fields of a record, as `refuse_schema` has taken it, whose values may be records, arrays or maps."""
    records: set[str] = set()

    def look(kind: Any) -> bool:  # noqa: ANN401 - JSON
        if isinstance(kind, str):
            return kind in records
        if isinstance(kind, list):
            found = [look(option) for option in kind]  # each of them: it may name a record
            return any(found)
        if isinstance(kind["type"], dict | list):
            return look(kind["type"])
        for part in (*(item["type"] for item in kind.get("fields", ())), kind.get("items"), kind.get("values")):
            if part is not None:
                look(part)  # it may name a record that a later field has
        if kind["type"] in ("record", "error"):
            records.add(kind["name"])
        return kind["type"] in ("record", "error", "array", "map")

    return frozenset([item["name"] for item in schema["fields"] if look(item["type"])])

"""What reading one part of a file gave; plain data that travels between workers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from include.engine.account import Opening


@dataclass(frozen=True, slots=True)
class ShardPart:
    """Good rows of a shard.

    Args:
        name: of the Parquet file.
        rows: how many it has.
        keys: name of the Arrow file that has their keys as they came; empty: the dataset has none.
    """

    name: str
    rows: int
    keys: str


@dataclass(frozen=True, slots=True)
class ShardResult:
    """The records of a shard; nothing is decided on their file, and duplicates of other shards' are among the rows.

    Args:
        records: physical records; a header and blank lines are none.
        failed, unreadable, filtered, wide: see `include.engine.files.FileState`.
        duplicates: good rows that others of the shard have in their place.
        size: bytes of the file.
        parts: the good rows.
        quarantine: names of the Parquet files of quarantined records.
        rules: failures per rule.
        notes: what a person should know of the file.
        unexpected: fields that the contract does not know.
        opening: what quarantined records need to be read without their file.
    """

    records: int
    failed: int
    unreadable: int
    filtered: int
    duplicates: int
    wide: int
    size: int
    parts: tuple[ShardPart, ...]
    quarantine: tuple[str, ...]
    rules: dict[str, int]
    notes: tuple[str, ...]
    unexpected: tuple[str, ...]
    opening: Opening | None

    @property
    def good(self) -> int:
        """Good rows, duplicates among them."""
        return self.duplicates + sum(part.rows for part in self.parts)

    def to_json(self) -> bytes:
        """Return the result as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> ShardResult:
        """Read what `to_json` wrote."""
        data: dict[str, Any] = json.loads(content)
        listed = {item.name: tuple(data[item.name]) for item in fields(cls) if isinstance(data[item.name], list)}
        parts = tuple(ShardPart(**part) for part in data["parts"])
        opening = Opening(**data["opening"]) if data["opening"] else None
        return cls(**{**data, **listed, "parts": parts, "opening": opening})

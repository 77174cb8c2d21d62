"""What travels through the engine: pieces of files as text columns, and what failed about a record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from include.engine.frame import (
    DANGLING_ESCAPE,
    NOT_UTF8,
    NUL,
    OUTSIDE,
    TEXT_AFTER_QUOTE,
    TOO_LONG,
    UNCLOSED_QUOTE,
    UNFINISHED,
    Frame,
    Ints,
)

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Failure:
    """One reason for which a record is quarantined.

    Args:
        rule: what it broke: `malformed`, `type`, `required`, `clean.<column>`, `filter`…
        column: the column it is about; empty: the whole record.
        message: a sentence that a person can act on.
    """

    rule: str
    column: str
    message: str

    @property
    def name(self) -> str:
        """The rule with its column, as manifests count it."""
        if not self.column or self.rule.endswith(f".{self.column}"):
            return self.rule
        return f"{self.rule}.{self.column}"


Failures = dict[int, list[Failure]]


@dataclass(slots=True)
class Piece:
    """The records of one frame of one file, split into text columns.

    Args:
        file: position of the file among the batch's inputs.
        first: ordinal in the file of the frame's first record.
        frame: where the records are.
        rows: for each row of the table, which record of the frame it is.
        table: one text column per source column.
        failures: what is wrong with records already, by record of the frame.
        numbers: ordinals of the frame's records where only some are wanted, -1 of the others.
    """

    file: int
    first: int
    frame: Frame
    rows: Ints
    table: pa.Table
    failures: Failures = field(default_factory=dict)
    numbers: Ints | None = None

    @property
    def ordinals(self) -> Ints:
        """Ordinal in the file of each row."""
        found: Ints = self.first + self.rows if self.numbers is None else self.numbers[self.rows]
        return found

    def ordinal(self, record: int) -> int:
        """Return the ordinal in the file of a record of the frame."""
        return self.first + record if self.numbers is None else int(self.numbers[record])


_DEFECTS: Final = (
    (
        TOO_LONG,
        "record_too_long",
        "the record has {length:,} bytes, more than `format.max_record` allows; it was not read",
    ),
    (TEXT_AFTER_QUOTE, "malformed", "text follows a closing quote; double the quotes inside a quoted cell"),
    (UNCLOSED_QUOTE, "malformed", "a quoted cell is not closed where it could be"),
    (OUTSIDE, "malformed", "it stands outside of the file's JSON array"),
    (UNFINISHED, "malformed", "the file ends in the middle of it"),
    (DANGLING_ESCAPE, "malformed", "it ends in an escape; double an escape that is meant, and quote line breaks"),
    (NUL, "nul_byte", "the record holds a NUL byte"),
    (NOT_UTF8, "encoding", "the record is not {encoding}"),
)


def framing_failures(frame: Frame) -> Failures:
    """Return what the framer found wrong, as reasons."""
    return {
        record: [
            Failure(rule, "", message.format(length=int(frame.lengths[record]), encoding=frame.encoding.upper()))
            for bit, rule, message in _DEFECTS
            if frame.defects[record] & bit
        ]
        for record in frame.defects.nonzero()[0].tolist()
    }


def shown(value: object) -> str:
    """Quote a value in a message, cut at 80 characters."""
    if value is None:
        return "null"
    text = str(value)
    return f'"{text}"' if len(text) <= _SHOWN else f'"{text[: _SHOWN - 1]}…"'

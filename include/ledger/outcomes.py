"""What becomes of a replayed record."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """What became of a replayed record."""

    LOADED = "loaded"
    QUARANTINED = "quarantined"
    """It fails again; the quarantine has its new reasons. It stays open."""
    FILTERED = "filtered"
    DUPLICATE = "duplicate"
    """A row of its own batch, or of this replay, has its key, or it is in the table already."""
    SUPERSEDED = "superseded"
    """Its file was loaded again or in a newer version, or a newer row has its key, or a newer set its partition."""
    NOT_FOUND = "not_found"
    """Today's format finds no record where it stood. It stays open."""


# After these a record is not replayed again.
SETTLED: Final = (Outcome.LOADED, Outcome.FILTERED, Outcome.DUPLICATE, Outcome.SUPERSEDED)

SAID: Final = {
    Outcome.FILTERED: "the filter leaves it out",
    Outcome.DUPLICATE: "a row with its key, or the record itself, is there already",
    Outcome.SUPERSEDED: "newer data are loaded in its place",
    Outcome.NOT_FOUND: "today's format finds no record where it stood; look at what was changed in `format`",
}

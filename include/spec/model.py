"""The base of every model in this package: frozen, and nothing unknown let in."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen model that refuses keys it does not know."""

    # Deferred: of thirty models a process validates with two, and every task's process imports them all.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True, defer_build=True)

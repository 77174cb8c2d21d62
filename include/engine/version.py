"""The engine's version: part of every batch id, so that a new answer gets a new name."""

from __future__ import annotations

ENGINE_VERSION = "3"

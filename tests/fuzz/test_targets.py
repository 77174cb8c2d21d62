"""The short form of `make fuzz`: what was found before, and some hundred inputs more."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.run import FINDS, NAMES
from tests.fuzz.targets import TARGETS

FOUND = sorted(path for path in FINDS.glob("*/*") if path.is_file())
PIECES = [b'"', b",", b"\n", b"\r", b"\\", b"#", b"|", b"\0", b"\xff", b"a", b"{", b"}", b"[", b"]", b":", b"1", b" "]


def test_every_target_is_run() -> None:
    assert tuple(TARGETS) == NAMES


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_before_stays_mended(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_pass(name: str) -> None:
    pieces = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)

    @settings(max_examples=300, deadline=None)
    @given(data=st.binary(max_size=100) | st.tuples(st.binary(min_size=4, max_size=4), pieces).map(b"".join))
    def holds(data: bytes) -> None:
        TARGETS[name](data)

    holds()

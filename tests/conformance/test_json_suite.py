"""JSONTestSuite: what is well-formed is never called malformed, what is not always is; no crash, no hang."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.engine.frame_json import ArrayFramer
from include.engine.json_text import Defect, Reader

SUITE = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "JSONTestSuite"
FILES = sorted(SUITE.rglob("*.json"))
pytestmark = pytest.mark.skipif(not FILES, reason="JSONTestSuite is not here")


def defect(path: Path) -> Defect | None:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return Defect("encoding", "not UTF-8")
    value = Reader().read(text)
    return value if isinstance(value, Defect) else None


@pytest.mark.parametrize("path", [p for p in FILES if p.name.startswith("y_")], ids=lambda p: p.stem)
def test_well_formed_json_is_never_malformed(path: Path) -> None:
    found = defect(path)
    assert found is None or found.rule not in ("malformed", "encoding")


@pytest.mark.parametrize("path", [p for p in FILES if p.name.startswith("n_")], ids=lambda p: p.stem)
def test_malformed_json_is_refused(path: Path) -> None:
    found = defect(path)
    assert found is not None
    assert found.rule in ("malformed", "encoding")


def places(path: Path, block: int) -> list[tuple[int, int]]:
    with path.open("rb") as file:
        frames = list(ArrayFramer(file.read, block=block, limit=1000).frames())
    return [(int(frame.offsets[n]), int(frame.lengths[n])) for frame in frames for n in range(len(frame))]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_any_file_framed_as_an_array_gives_one_answer_whatever_the_block(path: Path) -> None:
    assert places(path, 7) == places(path, 1_000_000)

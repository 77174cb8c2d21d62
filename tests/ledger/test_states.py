"""The table of legal moves: what it allows, and that the page for operators shows the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.ledger.states import LASTING, MOVES, OPEN, SUPERSEDABLE, FileState, is_final, may_move

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def picture() -> list[str]:
    """The moves as mermaid writes them, those between the same two states in one line."""
    found: dict[tuple[str, str], list[str]] = {}
    for move in MOVES:
        found.setdefault((move.start.value, move.end.value), []).append(move.who)
    return [f"    {start} --> {end}: {', '.join(who)}" for (start, end), who in found.items()]


def test_the_page_for_operators_draws_the_moves() -> None:
    drawn = PAGE.read_text().partition("stateDiagram-v2\n")[2].partition("\n```")[0].split("\n")
    assert [line for line in drawn if "[*]" not in line] == picture()


def test_the_page_for_operators_lists_the_moves() -> None:
    page = PAGE.read_text().split("\n")
    missing = [line for m in MOVES if (line := f"| `{m.start}` | `{m.end}` | {m.who} | {m.when} |") not in page]
    assert missing == []


@pytest.mark.parametrize("state", list(FileState))
def test_the_page_for_operators_says_what_a_state_means(state: FileState) -> None:
    assert any(line.startswith(f"| `{state}` | ") and line.count("|") == 4 for line in PAGE.read_text().split("\n"))


@pytest.mark.parametrize(
    ("state", "final"),
    [(None, False), ("seen", False), ("planned", False), ("transformed", False), ("released", False),
     ("loaded", True), ("held", True), ("rejected", True), ("dead_lettered", True), ("superseded", True)],
)  # fmt: skip
def test_a_run_takes_by_itself_what_is_not_final(state: str | None, final: bool) -> None:
    assert is_final(state) is final
    assert may_move(state, "planned") is (not final or state in ("held", "rejected", "dead_lettered"))


def test_no_two_moves_are_the_same() -> None:
    assert len({(move.start, move.end, move.who) for move in MOVES}) == len(MOVES)


def test_every_state_is_reached_and_only_the_last_ones_are_never_left() -> None:
    assert {move.end for move in MOVES} == set(FileState)
    assert set(FileState) - {move.start for move in MOVES} == {FileState.SUPERSEDED}


def test_what_is_loaded_stays_so_or_makes_way_for_a_newer_version() -> None:
    assert {move.end for move in MOVES if move.start in LASTING} == set(LASTING)
    assert may_move("loaded", "superseded")
    assert not may_move("superseded", "loaded")


def test_a_newer_version_ends_every_older_one_that_could_still_be_loaded() -> None:
    assert OPEN - {FileState.TRANSFORMED} <= SUPERSEDABLE


def test_a_state_that_nobody_knows_is_no_state() -> None:
    with pytest.raises(ValueError, match="'gone' is not a valid FileState"):
        is_final("gone")

"""How things are rendered."""

from __future__ import annotations

import pytest

from cli.show import console, plain, rows, shared_folder


def test_text_from_data_is_never_markup() -> None:
    assert plain("[red]x[/]") == r"\[red]x\[/]"


def test_text_from_data_cannot_move_the_cursor() -> None:
    assert plain("a\x1b[2Jb\nc\x07") == "a·[2Jb␤c·"


def test_a_table_in_a_pipe_is_wide_and_colourless(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(rows("t", ["long", "null"], [["x" * 150, None]]))

    shown = capsys.readouterr().out
    assert "x" * 150 in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("names", "shared"),
    [
        (["a/b/c.csv", "a/b/d.csv"], "a/b/"),
        (["a/bc/x", "a/bd/x"], "a/"),
        (["x", "y"], ""),
        (["/a/x", "/a/y"], "/a/"),
        (["/a/x", "/b/y"], "/"),
        (["a/x", "y"], ""),
    ],
)
def test_the_folder_that_names_share_ends_in_a_slash(names: list[str], shared: str) -> None:
    assert shared_folder(names) == shared

"""How a command ends when it cannot do its work: one sentence for a person, one code for a script."""

from __future__ import annotations

import functools
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, TypeVar

import typer

from cli import exit_codes

P = ParamSpec("P")
R = TypeVar("R")


class CliError(Exception):
    """A command cannot go on.

    Args:
        message: what happened, where, and what to do about it.
        code: one of `cli.exit_codes`.
    """

    def __init__(self, message: str, code: int) -> None:
        self.code = code
        super().__init__(message)


def reported(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command print a `CliError` as one message and end with its code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except CliError as error:
            typer.echo(f"landfall: {error}", err=True)
            raise typer.Exit(error.code) from error

    return run


def show_no_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write what nobody foresaw to a file, tell the user in one line, and end: a `sys.excepthook`."""
    if issubclass(kind, KeyboardInterrupt):
        sys.exit(130)
    handle, name = tempfile.mkstemp(prefix="landfall-bug-", suffix=".txt")
    with open(handle, "w", encoding="utf-8") as report:
        report.writelines(traceback.format_exception(kind, error, trace))
    what = str(error).partition("\n")[0] or kind.__name__
    typer.echo(f"landfall: failed unexpectedly: {what}. Please report it with {Path(name)}", err=True)
    sys.exit(exit_codes.BUG)

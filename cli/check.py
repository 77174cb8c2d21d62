"""`landfall check`: are the dataset folders right?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import exit_codes
from cli.errors import CliError, reported

if TYPE_CHECKING:
    from include.spec.errors import Problem


@reported
def check(
    datasets: Annotated[
        list[str] | None, typer.Argument(help="Names or folders of datasets; without any, all of them.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check contracts, pipelines, rules and reference files; list every problem with file and line.

    Ends with 1 when anything is wrong.
    """
    from cli.folders import chosen_folders
    from cli.show import print_json

    folders = chosen_folders(datasets or [])
    found = {folder: problems_of(folder) for folder in folders}
    if json:
        print_json({"datasets": [_as_json(folder, problems) for folder, problems in found.items()]})
    else:
        _print(found)
    if any(found.values()):
        raise typer.Exit(exit_codes.PROBLEMS)


def problems_of(folder: Path) -> tuple[Problem, ...]:
    """Return everything that is wrong with a dataset folder."""
    from include.spec.dataset import load_dataset
    from include.spec.errors import SpecError

    try:
        load_dataset(folder)
    except SpecError as error:
        return error.problems
    except OSError as error:
        message = f"{folder}: cannot be read ({error.strerror}); mend its permissions"
        raise CliError(message, exit_codes.PROBLEMS) from error
    return ()


def _as_json(folder: Path, problems: tuple[Problem, ...]) -> dict[str, Any]:
    from cli.folders import shown

    listed = [dataclasses.asdict(problem) | {"file": f"{shown(folder.parent)}/{problem.file}"} for problem in problems]
    return {"name": folder.name, "ok": not problems, "problems": listed}


def _print(found: dict[Path, tuple[Problem, ...]]) -> None:
    from cli.folders import located
    from cli.show import console, plain

    out = console()
    for folder, problems in found.items():
        mark = f"[red]{len(problems)} problem{'s' * (len(problems) > 1)}[/]" if problems else "[green]ok[/]"
        out.print(f"{plain(folder.name)}: {mark}", soft_wrap=True)
        for problem in problems:
            out.print(f"  {plain(located(problem, folder))}", soft_wrap=True)
    broken = sum(bool(problems) for problems in found.values())
    if broken and len(found) > 1:
        out.print(f"{broken} of {len(found)} datasets cannot be used")

"""Finds the dataset folders that a command is about."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli import exit_codes
from cli.errors import CliError

if TYPE_CHECKING:
    from include.spec.dataset import Dataset
    from include.spec.errors import Problem
    from include.spec.settings import Settings


def settings() -> Settings:
    """Read the LANDFALL_* variables.

    Raises:
        CliError: one of them holds what it may not.
    """
    from pydantic import ValidationError

    from include.spec.settings import Settings

    try:
        return Settings.from_environment()
    except ValidationError as error:
        found = "; ".join(f"LANDFALL_{str(d['loc'][0]).upper()}: {d['msg']}" for d in error.errors())
        raise CliError(f"the environment is not usable: {found}", exit_codes.USAGE) from error


def chosen_folders(names: Sequence[str]) -> list[Path]:
    """Return the folders of these datasets, or of all.

    Args:
        names: names of datasets, or paths of dataset folders; empty: every folder there is.

    Raises:
        CliError: there is no such folder, or none at all.
    """
    from include.spec.dataset import list_folders
    from include.spec.settings import datasets_folder

    root = datasets_folder()
    known = {folder.name: folder for folder in list_folders(root)}
    if not names:
        if not known:
            message = f"{shown(root)}: holds no dataset folder; LANDFALL_DATASETS names another place"
            raise CliError(message, exit_codes.NOTHING)
        return list(known.values())
    return [_folder(name, known, root) for name in names]


def _folder(name: str, known: dict[str, Path], root: Path) -> Path:
    if name in known:
        return known[name]
    path = Path(name)
    if ("/" in name or name in (".", "..")) and path.is_dir():
        return path.resolve()
    there = ", ".join(known) or "none"
    raise CliError(f"no dataset {name!r} in {shown(root)}; there are: {there}", exit_codes.USAGE)


def read_dataset(name: str) -> Dataset:
    """Read one dataset folder.

    Raises:
        CliError: there is no such folder, or it has problems; all of them are in the message.
    """
    from include.spec.dataset import load_dataset
    from include.spec.errors import SpecError

    folder = chosen_folders([name])[0]
    try:
        return load_dataset(folder)
    except SpecError as error:
        listed = "\n".join(f"  {located(problem, folder)}" for problem in error.problems)
        raise CliError(f"the dataset {name!r} cannot be used:\n{listed}", exit_codes.PROBLEMS) from error


def located(problem: Problem, folder: Path) -> str:
    """Return a problem as text that begins with a path which can be opened from here."""
    return f"{shown(folder.parent)}/{problem}" if folder.parent != Path() else str(problem)


def shown(path: Path) -> str:
    """Return a path as one would type it here: relative where that is shorter."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative

"""What is wrong with a dataset folder, said so that a person can mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it stands, what it is, and how to mend it.

    Args:
        file: path of the YAML file, relative to the datasets folder.
        line: 1-based line in that file; 0 where no line can be named (a missing file).
        key: dotted path of the key, for example ``schema.0.properties.2.logicalType``.
        value: what stands there, as text.
        message: what is wrong.
        fix: what to do about it.
    """

    file: str
    line: int
    key: str
    value: str
    message: str
    fix: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        shown = self.value if len(self.value) <= _SHOWN else self.value[: _SHOWN - 1] + "…"
        got = f" (got {shown})" if shown else ""
        return f"{where}:{key} {self.message}{got}. {self.fix}"


class SpecError(Exception):
    """A dataset folder that cannot be used; carries every problem found in it, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

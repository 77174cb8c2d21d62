"""Which file versions a person means who names files, and whether what is wanted of them is a legal move."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from include.ledger.states import REJECT, RELEASE, RETRY, FileState, starts_of

_NEAR = 3
_LISTED = 5


class Wish(Enum):
    """What a person wants of files: the verb's participle, the state they go to, and the states they may be in."""

    RELEASE = ("released", FileState.RELEASED, starts_of(FileState.RELEASED, RELEASE))
    REJECT = ("rejected", FileState.REJECTED, starts_of(FileState.REJECTED, REJECT))
    RETRY = ("retried", FileState.PLANNED, starts_of(FileState.PLANNED, RETRY))

    @property
    def done(self) -> str:
        """The participle: files are released, rejected, retried."""
        return self.value[0]

    @property
    def starts(self) -> frozenset[FileState]:
        """States in which files may be."""
        return self.value[2]

    @property
    def state(self) -> str:
        """These states, for a person."""
        return " or ".join(sorted(self.starts))


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an object and its state, as the ledger has it."""

    dataset: str
    file_id: str
    bucket: str
    name: str
    generation: int
    checksum: str
    size: int
    state: str
    reason: str | None
    run_id: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Version:
        """Read a row of `versions_sql`."""
        return cls(**{field.name: row[field.name] for field in dataclasses.fields(cls)})

    @property
    def uri(self) -> str:
        """The object's address, without its generation."""
        return f"gs://{self.bucket}/{self.name}"


class ChoiceError(ValueError):
    """Nothing can be done with what a person named; nothing was changed.

    Args:
        problems: one sentence for each file.
        unknown: all of them are files that the ledger does not know.
    """

    def __init__(self, problems: Sequence[str], *, unknown: bool) -> None:
        super().__init__("\n".join((*problems, "Nothing was changed.")))
        self.unknown = unknown


def name_of(given: str) -> str:
    """Return what the ledger is asked for: a file id or an object's name, of an address without its bucket."""
    scheme, separator, rest = given.partition("://")
    return rest.partition("/")[2] if separator and scheme == "gs" else given


def choose(
    wish: Wish, given: Sequence[str], versions: Iterable[Version], names: Sequence[str], *, run_id: str = ""
) -> list[Version]:
    """Return the versions that are meant, each once: by its id that very one, by name the newest.

    Args:
        wish: what is wanted of them.
        given: names of objects, addresses or file ids.
        versions: what the ledger says of every version of these.
        names: objects that are in a fitting state, to suggest one.
        run_id: the run that asks; what it has done in an earlier try is left out.

    Raises:
        ChoiceError: a file is unknown, of several datasets, or in a state that does not allow it.
    """
    found: dict[str, Version] = {}
    problems, unknown = [], 0
    versions = sorted(versions, key=lambda item: item.generation)
    for one in given:
        name, bucket = name_of(one), one.partition("://")[2].partition("/")[0] if "://" in one else ""
        meant = [v for v in versions if name in (v.file_id, v.name) and bucket in ("", v.bucket)]
        datasets = sorted({v.dataset for v in meant})
        if not meant:
            unknown += 1
            problems.append(f"the ledger knows no file {one!r}{_instead(wish, name, names)}")
        elif len(datasets) > 1:
            problems.append(f"{one} is a file of {' and of '.join(datasets)}: say of which dataset")
        elif run_id and meant[-1].run_id == run_id:
            continue
        elif meant[-1].state not in wish.starts:
            problems.append(_refusal(wish, meant[-1]))
        else:
            found[meant[-1].file_id] = meant[-1]
    if problems:
        raise ChoiceError(problems, unknown=unknown == len(problems))
    return list(found.values())


def _instead(wish: Wish, name: str, names: Sequence[str]) -> str:
    base = name.rpartition("/")[2]
    same = [item for item in names if item.rpartition("/")[2] == base]
    near = same or difflib.get_close_matches(name, names, n=_NEAR)
    if near:
        return f"; did you mean {' or '.join(near[:_NEAR])}?"
    if not names:
        return f", and no file is {wish.state}."
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"; {wish.state} are {', '.join(names[:_LISTED])}{more}."


def _refusal(wish: Wish, version: Version) -> str:
    why = f" ({version.reason})" if version.reason else ""
    return (
        f"{version.uri}, generation {version.generation}, is {version.state}{why}; only a file that is {wish.state} can"
        f" be {wish.done}."
    )

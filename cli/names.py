"""Which object a local file becomes in the landing bucket, and whether its dataset will find it there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cli import exit_codes
from cli.errors import CliError

_WILD = re.compile(r"[*?\[{]")


@dataclass(frozen=True)
class Place:
    """Where a dataset's files land: a bucket and a glob over object names, as Cloud Storage reads it."""

    bucket: str
    glob: str

    @classmethod
    def of(cls, uri: str, landing: str) -> Place:
        """Read a dataset's `source.uri`.

        Raises:
            CliError: it is not on Cloud Storage.
        """
        if not uri.startswith("gs://"):
            message = f"{uri}: files can be dropped into Cloud Storage (gs://…) only; use your cloud's own tool"
            raise CliError(message, exit_codes.USAGE)
        bucket, _, glob = uri.removeprefix("gs://").replace("{landing}", landing).partition("/")
        return cls(bucket, glob)

    @property
    def folder(self) -> str:
        """The part of the glob before its first wildcard, up to the last slash; empty or ending in one."""
        fixed = _WILD.split(self.glob, maxsplit=1)[0]
        return fixed[: fixed.rfind("/") + 1]

    def matches(self, name: str) -> bool:
        """Whether the dataset's glob finds an object of this name."""
        return re.fullmatch(glob_pattern(self.glob), name) is not None

    def object_name(self, path: Path, named: str | None) -> str:
        """Return the object that a file becomes.

        Args:
            path: the local file; as many of its folders count as the glob has below its fixed part.
            named: the name given by hand, with or without the glob's fixed folder.

        Raises:
            CliError: the dataset would not find an object of that name.
        """
        if named:
            candidates = [named, self.folder + named]
        else:
            below = self.glob[len(self.folder) :].count("/") + 1
            candidates = [self.folder + "/".join(path.resolve().parts[-below:])]
        for name in candidates:
            if self.matches(name) and not name.startswith("/"):
                return name
        raise CliError(
            f"{path}: would become {candidates[-1]!r}, which the dataset does not look for. It takes names "
            f"like {self.glob!r} in the bucket {self.bucket}; give one with --as",
            exit_codes.USAGE,
        )


def glob_pattern(glob: str) -> str:
    """Translate a Cloud Storage glob into a regular expression.

    ``*`` and ``?`` stay within a folder, ``**`` does not; ``[a-z]``, ``[!a]``, ``{csv,txt}`` as in a shell.
    Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list (list objects using glob)
    """
    tokens = re.findall(r"\*\*/?|\*|\?|\[[!^]?[^\]]+\]|\{[^{}]*\}|.", glob, re.DOTALL)
    return "".join(_token(token) for token in tokens)


def _token(token: str) -> str:
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in known:
        return known[token]
    if len(token) > 2 and token[0] == "[":
        body = token[1:-1].replace("\\", r"\\")
        return f"[^{body[1:]}]" if body[0] in "!^" else f"[{body}]"
    if len(token) > 1 and token[0] == "{":
        return "(?:" + "|".join(glob_pattern(part) for part in token[1:-1].split(",")) + ")"
    return re.escape(token)

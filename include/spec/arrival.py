"""`source.complete`: when what has landed counts as complete."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue

from include.spec.durations import parse_duration
from include.spec.model import Model

MARKER = "_SUCCESS"
MANIFEST = "_MANIFEST.json"


def _is_duration(text: str) -> str:
    parse_duration(text)
    return text


def _pattern(pattern: str) -> dict[str, JsonValue]:
    # For the JSON schema only: the model's own check says in words what is wrong.
    return {"pattern": f"^(?:{pattern})$"}


Duration = Annotated[
    str,
    AfterValidator(_is_duration),
    Field(examples=["30s", "5m", "1h30m"], json_schema_extra=_pattern("(?:[0-9]{1,9}[smhd])+")),
]


class CompleteWhen(Model):
    """The forms of `complete` that take a value."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["stable"]}, {"required": ["manifest"]}], "minProperties": 1}
    )

    stable: Duration = Field("", description="how long a file must lie unchanged")
    manifest: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$",
        description="name of the manifest in the set's folder",
        examples=["files.json"],
    )


_Word = Literal["none", "marker", "manifest"]


def _explained(value: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
    if isinstance(value, dict) and (not value or set(value) >= {"stable", "manifest"}):
        raise ValueError("takes one key: `stable: 5m` or `manifest: name`")
    if isinstance(value, dict | CompleteWhen) or value in get_args(_Word):
        return value
    raise ValueError("must be none, marker, manifest, {manifest: name} or {stable: 5m}")


Complete = Annotated[_Word | CompleteWhen, BeforeValidator(_explained)]


class Completeness(Model):
    """`source.complete`, read.

    Args:
        kind: what a file waits for.
        voucher: name of the object, in a set's folder, that vouches for the set; empty where none does.
        unchanged: how long a file must lie unchanged; none where that does not count.
    """

    kind: Literal["none", "marker", "manifest", "stable"]
    voucher: str = ""
    unchanged: timedelta | None = None

    @property
    def by_set(self) -> bool:
        """Whether files count in sets, each a folder with a marker or a manifest."""
        return bool(self.voucher)


def completeness(given: _Word | CompleteWhen) -> Completeness:
    """Return what the key says, whichever way it is written."""
    if isinstance(given, CompleteWhen):
        if given.manifest:
            return Completeness(kind="manifest", voucher=given.manifest)
        return Completeness(kind="stable", unchanged=parse_duration(given.stable))
    return Completeness(kind=given, voucher={"marker": MARKER, "manifest": MANIFEST}.get(given, ""))

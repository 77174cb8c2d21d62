"""Turns a model's validation errors into what is wrong and how to mend it."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

Path_ = tuple[str | int, ...]


def explain(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Path_, str, str]]:
    """Yield the key path, the message and the fix of each mistake, in the file's order of keys."""
    found = [(_path(detail["loc"], model), detail) for detail in error.errors(include_url=False)]
    # A union reports each of its members. A member of the right shape has its mistakes further down: those of the
    # others, at the union itself, say nothing then. Where all are at one place, the first is enough to find it.
    above = {path[:length] for path, _ in found for length in range(len(path))}
    seen: set[Path_] = set()
    for path, detail in found:
        if path in above or path in seen:
            continue
        seen.add(path)
        yield path, _message(detail), _fix(detail, path, model)


def _path(loc: tuple[int | str, ...], model: type[BaseModel]) -> Path_:
    """Leave out of pydantic's location what is no key of the file: the names of union members."""
    path: list[str | int] = []
    current: list[Any] = [model]
    for part in loc:
        if part == "[key]":
            break
        following = _descend(current, part)
        if following is None:
            if path and _is_member_tag(part):
                continue
            path.append(part)
            break
        path.append(part)
        current = following
    return tuple(path)


def _is_member_tag(part: int | str) -> bool:
    return isinstance(part, str) and (not part.isidentifier() or part[0].isupper() or part in _SCALARS)


_SCALARS = {"int", "float", "str", "bool", "none", "tuple", "dict", "list", "function-after"}


def _descend(annotations: list[Any], part: int | str) -> list[Any] | None:
    """Return the types that may stand under a key, or None if the key is unknown to all of these types."""
    found: list[Any] = []
    for annotation in _members(annotations):
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for name, field in annotation.model_fields.items():
                if part in (name, field.alias):
                    found.append(field.annotation)
        elif origin in (dict,) and isinstance(part, str):
            found.append(arguments[1])
        elif origin in (tuple, list) and isinstance(part, int):
            found.append(arguments[0])
    return found or None


def _members(annotations: list[Any]) -> Iterator[Any]:
    for annotation in annotations:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            yield from _members([typing.get_args(annotation)[0]])
        elif origin in (typing.Union, types.UnionType):
            yield from _members(list(typing.get_args(annotation)))
        else:
            yield annotation


_MAPPING = ("must be a mapping of keys", "Write its keys below it, indented, or in braces: {key: value}.")
_LIST = ("must be a list", "Write its items below it, each after `- `, or in brackets: [one, two].")
_NUMBER = ("must be a number", "Write it without quotes.")
_TYPES = {
    "string_type": ("must be text", "Put it in quotes."),
    "int_type": ("must be a whole number", "Write it without quotes and without a fraction."),
    "float_type": _NUMBER,
    "bool_type": ("must be true or false", "Write true or false, without quotes."),
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "list_type": _LIST,
    "tuple_type": _LIST,
}


def _message(detail: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails differ between versions
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind][0]
    known = {
        "extra_forbidden": "is not a known key",
        "missing": "is missing",
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than_equal": f"must be at most {context.get('le')}",
        "too_short": f"must have at least {context.get('min_length')} item(s)",
        "too_long": f"must have at most {context.get('max_length')} item(s)",
        "string_too_short": f"must have at least {context.get('min_length')} character(s)",
        "string_too_long": f"must have at most {context.get('max_length')} character(s)",
        "literal_error": f"must be {context.get('expected', 'one of the listed values')}",
        "string_pattern_mismatch": f"must match {context.get('pattern', 'its pattern')}",
        "value_error": str(context.get("error", detail["msg"])),
    }
    message: str = known.get(kind, detail["msg"])
    return message[0].lower() + message[1:] if message[:2] != message[:2].upper() else message


def _fix(detail: Any, path: Path_, model: type[BaseModel]) -> str:  # noqa: ANN401
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _did_you_mean(str(path[-1]), _known_keys(path[:-1], model))
    if kind in _TYPES:
        return _TYPES[kind][1]
    if kind == "missing":
        return f"Add `{path[-1]}:` here." if isinstance(path[-1], str) else "Add the missing items."
    if kind == "literal_error":
        return "Use one of these values."
    return str(getattr(detail.get("ctx", {}).get("error"), "fix", "Change the value."))


def _known_keys(path: Path_, model: type[BaseModel]) -> list[str]:
    current: list[Any] = [model]
    for part in path:
        current = _descend(current, part) or []
    keys = {
        field.alias or name
        for annotation in _members(current)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel)
        for name, field in annotation.model_fields.items()
    }
    return sorted(keys)


def _did_you_mean(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"Known keys here: {', '.join(known)}." if known else "Remove it."

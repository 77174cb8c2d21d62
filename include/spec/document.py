"""Reads a YAML file into plain data, and finds the line on which a key stands."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Hashable
from typing import Any

import yaml

from include.spec.errors import Problem, SpecError

try:
    from yaml import CSafeLoader as _BaseLoader
except ImportError:  # PyYAML without libyaml: the same answers, some ten times slower
    from yaml import SafeLoader as _BaseLoader  # type: ignore[assignment]

_MAX_BYTES = 1_000_000
_MAX_DEPTH = 50
# Below this many bytes no nesting is deep enough to exhaust the C parser's stack.
_SHALLOW_BYTES = 10_000
_NO_VALUE = object()


class _Loader(_BaseLoader):
    """YAML 1.2 scalars (``on:``, ``no`` and ``09:30`` stay text), core types only, no repeated keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if isinstance(node, yaml.MappingNode):
            for key_node, _ in node.value:
                if isinstance(key_node, yaml.ScalarNode):
                    key_node.tag = "tag:yaml.org,2002:str"  # a key is text, whatever it looks like
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        if len(mapping) != len(node.value):
            _refuse_repeated_key(node)
        return mapping

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Do nothing: ``<<`` is a key like any other in YAML 1.2."""


def _refuse_repeated_key(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen:
            message = f"the key {key.value!r} stands twice in this mapping"
            raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
        seen.add(key.value)


for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("tag:yaml.org,2002:int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$", "-+.0123456789"),
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
):
    for _char in _first:
        _Loader.yaml_implicit_resolvers.setdefault("" if _char == "\0" else _char, []).append(
            (_tag, re.compile(_pattern))
        )


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("no finite number")
    return number


def _scalar(kind: str, convert: Callable[[str], Any]) -> Callable[[_Loader, yaml.ScalarNode], Any]:
    def construct(loader: _Loader, node: yaml.ScalarNode) -> Any:  # noqa: ANN401 - a bool, a number or nothing
        try:
            return convert(loader.construct_scalar(node))
        except (ValueError, KeyError) as error:
            message = f"{node.value[:40]!r} is no {kind} that can be read"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark) from error

    return construct


_Loader.yaml_constructors = {
    "tag:yaml.org,2002:str": _BaseLoader.construct_yaml_str,
    "tag:yaml.org,2002:seq": _BaseLoader.construct_yaml_seq,
    "tag:yaml.org,2002:map": _BaseLoader.construct_yaml_map,
    # YAML 1.1 reads 010 as octal; YAML 1.2 and people read it as ten.
    "tag:yaml.org,2002:int": _scalar("whole number", int),
    "tag:yaml.org,2002:float": _scalar("number", _finite),
    "tag:yaml.org,2002:bool": _scalar("boolean", lambda text: {"true": True, "false": False}[text.lower()]),
    "tag:yaml.org,2002:null": _scalar("null", lambda _: None),
    None: _BaseLoader.construct_undefined,
}


def parse_yaml(raw: bytes, shown: str) -> dict[str, Any]:
    """Parse YAML (or JSON) bytes whose top level is a mapping.

    Args:
        raw: the file's content.
        shown: the name to use for it in problems.

    Raises:
        SpecError: it is too large, not UTF-8, not YAML, or not a mapping.
    """
    if len(raw) > _MAX_BYTES:
        fix = f"Keep it below {_MAX_BYTES} bytes."
        raise SpecError([Problem(shown, 0, "", f"{len(raw)} bytes", "is too large", fix)])
    try:
        text = raw.decode("utf-8-sig")
        data = _parse_json(text) or _parse_text(text, shown)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        problem = Problem(shown, line, "", "", "is not UTF-8", "Save the file as UTF-8.")
        raise SpecError([problem]) from error
    except yaml.YAMLError as error:
        raise SpecError([_syntax_problem(error, shown, raw)]) from error
    if not isinstance(data, dict):
        got = "nothing" if data is None else type(data).__name__
        fix = "Start with a line like `key: value`."
        raise SpecError([Problem(shown, 1, "", got, "must hold a mapping of keys", fix)])
    return data


def _parse_text(text: str, shown: str) -> Any:  # noqa: ANN401 - YAML holds anything
    if len(text) > _SHALLOW_BYTES or _MAYBE_ALIAS.search(text):
        _refuse_aliases_and_depth(text, shown)
    data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader's subclass
    if _is_deep(data):
        _refuse_aliases_and_depth(text, shown)
    return data


def _is_deep(data: Any) -> bool:  # noqa: ANN401 - YAML holds anything
    level = [data]
    for _ in range(_MAX_DEPTH + 1):
        held = (part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list))
        level = [item for part in held for item in part]
    return bool(level)


def _parse_json(text: str) -> Any:  # noqa: ANN401 - JSON holds anything
    """Read JSON exactly, or return None; YAML would stumble over its emoji and line separators."""
    if not text.startswith("{"):
        return None
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):  # YAML after all, or what the YAML reader refuses with its line
        return None
    return None if _is_deep(data) else data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


# What may be an alias: most files have no star there, and need no second look.
_MAYBE_ALIAS = re.compile(r"(?:^|[\s\[{,])\*[^\s,\]}]", re.MULTILINE)


def _refuse_aliases_and_depth(text: str, shown: str) -> None:
    # Ten lines of nested aliases expand to gigabytes ("billion laughs"), and a million brackets exhaust the
    # stack of whatever walks them; a contract needs neither.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            fix = "Write the value out; put text that begins with a star in quotes."
            raise SpecError([Problem(shown, line, "", f"*{event.anchor}", "YAML aliases are not read", fix)])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            message = f"is nested more than {_MAX_DEPTH} deep"
            raise SpecError([Problem(shown, line, "", "", message, "Flatten it.")])


def _syntax_problem(error: yaml.YAMLError, shown: str, raw: bytes) -> Problem:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 0
    if isinstance(error, yaml.reader.ReaderError):
        line = raw[: error.position].count(b"\n") + 1
    line = min(line, len(raw.splitlines()))  # the parser counts the end of the file as one more
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    fix = "Mend the syntax at or just above this line."
    return Problem(shown, line, "", "", f"is not valid YAML: {what}", fix)


# Line breaks to YAML 1.1, and to no editor that shows line numbers.
_BREAKS = dict.fromkeys((0x85, 0x2028, 0x2029), " ")


def line_of(raw: bytes, path: tuple[str | int, ...]) -> int:
    """Find the 1-based line of a key path in YAML text; of its nearest parent where it is missing."""
    try:
        node = yaml.compose(raw.decode("utf-8-sig").translate(_BREAKS), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return 0
    line = 1
    for part in path:
        found = _child(node, part)
        if found is None:
            break
        node, line = found
    return line


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item, item.start_mark.line + 1
    return None


def value_at(data: Any, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - YAML holds anything
    """Return what stands at a key path in parsed YAML, or None."""
    for part in path:
        if isinstance(data, dict):
            data = data.get(part, _NO_VALUE)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
        if data is _NO_VALUE:
            return None
    return data

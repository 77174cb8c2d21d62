"""Constants in rules: typed literals, and arguments whose value is known while checking."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING

from include.spec.rule_table import PARTS
from include.spec.rule_types import Type, numeric

if TYPE_CHECKING:
    from include.spec.rules import Node

# Types that are written NAME 'text'.
TYPED = ("NUMERIC", "DATE", "DATETIME", "TIMESTAMP", "TIME")

# Format elements that mean the same in BigQuery and DuckDB, and how many digits each takes when read.
# https://cloud.google.com/bigquery/docs/reference/standard-sql/format-elements#format_elements_date_time
WRITTEN = {"Y", "m", "d", "H", "M", "S", "j", "y", "b", "B", "a", "A", "%"}
READ = {
    "Y": "[0-9]{1,4}",
    "m": "[0-9]{1,2}",
    "d": "[0-9]{1,2}",
    "H": "[0-9]{1,2}",
    "M": "[0-9]{1,2}",
    "S": "[0-9]{1,2}",
}
_SHORT = {"F": "%Y-%m-%d", "T": "%H:%M:%S"}

_MAX_PAD = 1_000_000


def typed(wanted: Type, node: Node) -> Node:
    """Return the constant that ``TYPE 'text'`` stands for.

    Raises:
        RuleRefused: the text is no value of the type.
    """
    from include.spec.rules import RuleRefused

    text = str(node.value).strip()
    try:
        if wanted.name == "NUMERIC":
            return _decimal(text, node)
        return replace(node, kind=wanted, value=_instant(wanted.name, text))
    except (ValueError, InvalidOperation) as error:
        example = {"NUMERIC": "'12.50'", "DATE": "'2024-01-31'", "TIME": "'23:59:00'"}.get(
            wanted.name, "'2024-01-31 23:59:00'"
        )
        raise RuleRefused(f"{text!r} is no {wanted.name}", f"Write {wanted.name} {example}.", node.at) from error


def _decimal(text: str, node: Node) -> Node:
    if not re.fullmatch(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", text):
        raise ValueError(text)
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -9:
        value = value.quantize(Decimal("1e-9"), ROUND_HALF_UP, Context(prec=400))
    plain = f"{value:f}"
    whole, _, fraction = plain.lstrip("+-").partition(".")
    digits, scale = len(whole.lstrip("0")), len(fraction)
    if digits > 29:
        raise ValueError(text)
    return replace(node, kind=replace(numeric(digits, scale), literal=True), value=plain)


def _instant(name: str, text: str) -> str:
    if not re.fullmatch(r"[0-9T: .+Z-]{5,40}", text):
        raise ValueError(text)
    if name == "DATE":
        return date(*map(int, text.split("-", 2))).isoformat()
    if name == "TIME":
        return time.fromisoformat(text).isoformat()
    moment = datetime.fromisoformat(text)
    if name == "DATETIME":
        if moment.tzinfo is not None:
            raise ValueError(text)
        return moment.isoformat(" ")
    utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return utc.isoformat(" ")


def split_format(text: str, known: Sequence[str] | set[str] | dict[str, str]) -> list[tuple[str, str]]:
    """Split a date format into ("element", letter) and ("text", characters).

    Raises:
        ValueError: an element is not in `known`.
    """
    for short, long in _SHORT.items():
        text = text.replace(f"%{short}", long) if short not in known else text
    parts: list[tuple[str, str]] = []
    for match in re.finditer(r"%(.)|([^%]+)|%$", text, re.DOTALL):
        letter, literal = match.groups()
        if literal is not None:
            parts.append(("text", literal))
        elif letter in known:
            parts.append(("element", letter))
        else:
            raise ValueError(f"%{letter or ''}")
    return parts


def check_arguments(name: str, nodes: Sequence[Node]) -> None:
    """Refuse constants that BigQuery refuses, or that DuckDB would take in another sense.

    Args:
        name: operator or function.
        nodes: its operands, of the types it takes.

    Raises:
        RuleRefused: a constant cannot be used so.
    """
    if name in PARTS or name == "EXTRACT":
        _check_part(name, nodes)
    checks = {
        "REGEXP_CONTAINS": _check_pattern, "REGEXP_EXTRACT": _check_extract, "REGEXP_REPLACE": _check_rewrite,
        "LPAD": _check_pad, "RPAD": _check_pad, "LEFT": _check_length, "RIGHT": _check_length,
        "ROUND": _check_places, "TRUNC": _check_places, "LIKE": _check_like, "TRIM": _check_set, "LTRIM": _check_set,
        "RTRIM": _check_set, "FORMAT_DATE": _check_written, "FORMAT_TIMESTAMP": _check_written,
        "PARSE_DATE": _check_read, "PARSE_TIMESTAMP": _check_read, "/": _check_division, "SAFE_DIVIDE": _check_division,
    }  # fmt: skip
    if name in checks and not any(node.kind.name == "NULL" for node in nodes):
        checks[name](name, nodes)


def _refuse(message: str, fix: str, node: Node) -> None:
    from include.spec.rules import RuleRefused

    raise RuleRefused(message, fix, node.at)


def _check_part(name: str, nodes: Sequence[Node]) -> None:
    part = next((n for n in nodes if n.name in ("PART", "INTERVAL")), None)
    if part is None:
        return
    known = PARTS[f"EXTRACT {nodes[1].kind.name}" if name == "EXTRACT" else name]
    if part.value not in known:
        _refuse(f"{name} knows no {part.value}", f"Parts are: {', '.join(known)}.", part)


def _check_pattern(_name: str, nodes: Sequence[Node]) -> None:
    pattern = str(nodes[1].value)
    # RE2 has neither; Python's re has both, and would let them pass.
    if re.search(r"\(\?[=!]|\(\?<[=!]|\(\?P=|\\[1-9]", pattern):
        _refuse("uses look-around or a back-reference", "Write it without (RE2 syntax).", nodes[1])
    # \pN, \z, \Q..\E and [[:alpha:]] are RE2's alone: DuckDB, which has RE2, judges those.
    if re.search(r"\\[pPzQEC]|\[\[:|\(\?[a-zA-Z-]*U|(?<!^)\(\?[a-zA-Z-]+\)", pattern):
        return
    try:
        re.compile(pattern)
    except re.error as error:
        _refuse(f"holds no regular expression: {error}", "Mend the pattern (RE2 syntax).", nodes[1])


# An escape or a class, in which a bracket is no group; or the start of a capturing group.
_GROUP = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]|(\((?!\?)|\(\?P?<)", re.DOTALL)


def groups(pattern: str) -> int:
    """Return the number of capturing groups of an RE2 pattern."""
    return sum(match.group(1) is not None for match in _GROUP.finditer(pattern))


def _check_extract(name: str, nodes: Sequence[Node]) -> None:
    _check_pattern(name, nodes)
    pattern = str(nodes[1].value)
    if groups(pattern) > 1:
        _refuse("has more than one capturing group", "Make the others (?:...).", nodes[1])
    # A group that takes no part in a match is NULL in BigQuery and '' in DuckDB.
    if _may_stay_out(pattern):
        fix = "Write the alternative inside the group: (a|b|)."
        _refuse("has a capturing group that need not take part in a match", fix, nodes[1])


def _may_stay_out(pattern: str) -> bool:
    """Say whether an RE2 pattern can match without its capturing group."""
    outer: list[tuple[bool, bool, bool]] = []
    holds = forks = False  # of the group being read: a capturing group, an alternative
    for match in re.finditer(
        r"\\.|\[\^?\]?(?:\\.|[^\]])*\]|\((\?P?<|\?)?|\|\s*|\)([?*]|\{0?[,}]|\{0,)?", pattern, re.DOTALL
    ):
        text = match.group(0)
        if text[0] == "(":
            outer.append((holds, forks, match.group(1) != "?"))
            holds = forks = False
        elif text[0] == "|":
            forks = True
        elif text[0] == ")" and outer:
            if holds and forks:
                return True
            before_holds, before_forks, captures = outer.pop()
            if (holds or captures) and match.group(2):
                return True
            holds, forks = holds or captures or before_holds, before_forks
    return holds and forks


def _check_rewrite(name: str, nodes: Sequence[Node]) -> None:
    _check_pattern(name, nodes)
    count = groups(str(nodes[1].value))
    for match in re.finditer(r"\\(.?)", str(nodes[2].value), re.DOTALL):
        letter = match.group(1)
        if letter != "\\" and not (letter.isdigit() and int(letter) <= count):
            _refuse(f"the replacement holds \\{letter}", f"Use \\\\ or \\0 to \\{count}.", nodes[2])


def _check_pad(name: str, nodes: Sequence[Node]) -> None:
    length = nodes[1].value
    if not isinstance(length, int) or not 0 <= length <= _MAX_PAD:
        _refuse(f"{name} cannot give {length} characters", "Give a length from 0 to 1000000.", nodes[1])
    if len(nodes) > 2 and nodes[2].value == "":
        _refuse(f"{name} cannot fill up with an empty text", "Give at least one character.", nodes[2])


def _check_length(name: str, nodes: Sequence[Node]) -> None:
    length = nodes[1].value
    if not isinstance(length, int) or not 0 <= length < 2**31:
        _refuse(f"{name} cannot take {length} characters", "Give a length from 0.", nodes[1])


def _check_places(name: str, nodes: Sequence[Node]) -> None:
    if len(nodes) > 1 and not -29 <= int(nodes[1].value or 0) <= 38:
        _refuse(f"{name} cannot keep {nodes[1].value} places", "Give -29 to 38 places.", nodes[1])


def _check_like(_name: str, nodes: Sequence[Node]) -> None:
    if re.search(r"(?:^|[^\\])(?:\\\\)*\\$", str(nodes[1].value)):
        _refuse("the pattern of LIKE ends in a backslash", "Double it.", nodes[1])


def _check_set(name: str, nodes: Sequence[Node]) -> None:
    if len(nodes) > 1 and nodes[1].value == "":
        _refuse(f"{name} with no characters does nothing", "Leave it out.", nodes[1])


def _check_written(name: str, nodes: Sequence[Node]) -> None:
    _check_format(name, nodes, WRITTEN)


def _check_read(name: str, nodes: Sequence[Node]) -> None:
    known = {k: v for k, v in READ.items() if name == "PARSE_TIMESTAMP" or k in "Ymd"}
    _check_format(name, nodes, known)
    parts = split_format(str(nodes[0].value), known)
    letters = [letter for kind, letter in parts if kind == "element"]
    if len(set(letters)) < len(letters):
        _refuse(f"{name}'s format names an element twice", "Name each once.", nodes[0])
    if any(kind == "text" and re.search(r"[0-9]", text) for kind, text in parts):
        _refuse(f"{name}'s format holds digits", "Separate the elements by other signs.", nodes[0])


def _check_format(name: str, nodes: Sequence[Node], known: set[str] | dict[str, str]) -> None:
    try:
        parts = split_format(str(nodes[0].value), known)
    except ValueError as error:
        listed = " ".join(f"%{letter}" for letter in sorted(known))
        _refuse(f"{name} knows no {error}", f"Elements are: {listed}.", nodes[0])
        return
    if name == "FORMAT_DATE" and any(kind == "element" and letter in "HMST" for kind, letter in parts):
        _refuse("a date has no time of day", "Leave %H, %M, %S and %T out.", nodes[0])


def _check_division(name: str, nodes: Sequence[Node]) -> None:
    if any(node.kind.big for node in nodes):
        _refuse(f"{name} of BIGNUMERIC is not exact in a rule", "CAST it to NUMERIC first.", nodes[0])

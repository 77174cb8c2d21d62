"""Where a field stands: the path to it in a nested record, or its positions in a line."""

from __future__ import annotations

import re

_MAX_STEPS = 50


def parse_path(text: str) -> tuple[str, ...]:
    r"""Read `customer.address.city` into its names; `\.` is a dot in a name, `\\` a backslash.

    Raises:
        ValueError: a name is empty, or the path has more than 50 of them.
    """
    names = tuple(re.sub(r"\\(.)", r"\1", name) for name in re.findall(r"(?:^|(?<=\.))((?:[^.\\]|\\.)*)(?:\.|$)", text))
    if not re.fullmatch(r"(?:[^.\\]|\\[.\\])+(?:\.(?:[^.\\]|\\[.\\])+)*", text):
        raise ValueError(r"a path is names with one dot between two: order.customer.id; a dot in a name is \.")
    if len(names) > _MAX_STEPS:
        raise ValueError(f"a path has at most {_MAX_STEPS} names")
    return names


def parse_positions(text: str) -> tuple[int, int]:
    """Read `9-16`, or `9` for one character, into the 0-based start and the end of a slice.

    Raises:
        ValueError: the text is no positions, or the last comes before the first.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,6})(?:-([1-9][0-9]{0,6}))?", text)
    if not found:
        raise ValueError("positions are the first and the last character, counted from 1: 9-16")
    first = int(found.group(1))
    last = int(found.group(2) or first)
    if last < first:
        raise ValueError("the last position comes before the first")
    return first - 1, last

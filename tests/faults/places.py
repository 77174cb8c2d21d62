"""Every crash point there is, read from the code, so that a new one cannot be forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ("plugins/landfall", "include/functions", "include/ledger")
WRITES = frozenset({"write", "move", "publish", "run_once", "change", "load_parquet", "ensure_dataset"})
"""Methods that write to a store or to the warehouse; what calls one does so inside a `boundary`."""
_PRIMITIVES = frozenset({"storage.py", "warehouse.py", "objects.py"})
"""Where these methods are themselves defined."""


@dataclass(frozen=True, order=True)
class Place:
    """A write in the code.

    Args:
        name: of the boundary around it; empty where there is none.
        file, line: where it stands.
        call: the method called.
    """

    name: str
    file: str
    line: int
    call: str


def writes() -> list[Place]:
    """Return every write of every step, with the boundary around it."""
    files = sorted(path for source in SOURCES for path in (ROOT / source).rglob("*.py"))
    return sorted(place for path in files if path.name not in _PRIMITIVES for place in _in_file(path))


def crash_points() -> list[str]:
    """Return the name of every place where a process can be killed."""
    names = sorted({place.name for place in writes() if place.name})
    return [f"{name}.{side}" for name in names for side in ("before", "after")]


def _in_file(path: Path) -> Iterator[Place]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from _below(tree, "", str(path.relative_to(ROOT)))


def _below(node: ast.AST, name: str, file: str) -> Iterator[Place]:
    if isinstance(node, ast.With):
        name = next(filter(None, map(_boundary, node.items)), name)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
        yield Place(name, file, node.lineno, node.func.attr)
    for child in ast.iter_child_nodes(node):
        yield from _below(child, name, file)


def _boundary(item: ast.withitem) -> str:
    call = item.context_expr
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "boundary":
        (given,) = call.args
        assert isinstance(given, ast.Constant), "the name of a boundary is a literal, so that a test can find it"
        return str(given.value)
    return ""

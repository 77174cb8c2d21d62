"""Every crash point there is, read from the code, so that a new one cannot be forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ("plugins/landfall", "include/functions", "include/ledger")
WRITES = frozenset(
    {"write", "move", "move_back", "delete", "publish", "run_once", "change", "load_parquet", "ensure_dataset"}
)
"""Methods that write to a store or to the warehouse; what calls one does so inside a `boundary`."""
_PRIMITIVES = frozenset({"storage.py", "warehouse.py", "objects.py", "logs.py", "main.py", "breaker.py", "breakers.py"})
"""Where these methods are themselves defined, or others of the same name: a log's, a breaker's."""


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
    return sorted(
        place for path in _files() if path.name not in _PRIMITIVES for place in _writes(_parsed(path), "", path)
    )


def crash_points() -> list[str]:
    """Return the name of every place where a process can be killed."""
    names = {name for path in _files() for node in ast.walk(_parsed(path)) if (name := _boundary(node))}
    return [f"{name}.{side}" for name in sorted(names) for side in ("before", "after")]


def _files() -> list[Path]:
    return sorted(path for source in SOURCES for path in (ROOT / source).rglob("*.py"))


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _writes(node: ast.AST, name: str, path: Path) -> Iterator[Place]:
    if isinstance(node, ast.With):
        name = next(filter(None, (_boundary(item.context_expr) for item in node.items)), name)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
        yield Place(name, str(path.relative_to(ROOT)), node.lineno, node.func.attr)
    for child in ast.iter_child_nodes(node):
        yield from _writes(child, name, path)


def _boundary(node: ast.AST) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "boundary":
        (given,) = node.args
        assert isinstance(given, ast.Constant), "the name of a boundary is a literal, so that a test can find it"
        return str(given.value)
    return ""

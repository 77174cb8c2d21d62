r"""The quick way to split NDJSON: lines written like the first, key by key, are cut at their separators by Arrow.

A line is taken only if it is, byte for byte, `{"a": <scalar>, "b": <scalar>}` with the keys, their order and the blanks
of a record before it, each scalar a JSON number, `true`, `false`, `null`, or a string without escapes that make NUL or
half a character. So there is no repeated key and no depth to look into, and its texts are the bytes between. Which
scalar stands where may differ from line to line. Every other line is left to `json_text.Reader`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from include.engine.frame import Bools, Frame, Ints
from include.engine.parse_csv import contiguous

_LONGEST: Final = 1 << 30  # bytes of a block; with no end named, binary_slice fails ("Negative buffer resize")
_MARK: Final = b"\x01"  # what JSON never holds unescaped, so it can stand between two fields
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_HEX = "[0-9a-fA-F]"
# Neither NUL nor half of a surrogate pair.
_POINT = f"000[1-9a-fA-F]|00[1-9a-fA-F]{_HEX}|0[1-9a-fA-F]{_HEX}{{2}}|[1-9a-cA-CeEfF]{_HEX}{{3}}|[dD][0-7]{_HEX}{{2}}"
_STRING = rf'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u(?:{_POINT})))*"'
_BARE = f"(?:{_NUMBER}|true|false|null)"
_FIELD = re.compile(rb'([,{])([ \t]*)"([^"\\\x00-\x1f]+)"([ \t]*:[ \t]*)("[^"\\\x00-\x1f]*"|[-+.0-9A-Za-z]+)')


@dataclass(frozen=True, slots=True)
class Template:
    """How a record is written.

    Args:
        names: its keys.
        separator: what stands between two fields, the quote of the next key included.
        prefixes: what stands before each value, since the separator.
    """

    names: tuple[str, ...]
    separator: bytes
    prefixes: tuple[bytes, ...]


def read_template(raw: bytes) -> Template | None:
    """Return how a record is written; None if it is not as simple as that."""
    names, separators, prefixes = [], set(), []
    position = 0
    while field := _FIELD.match(raw, position):
        mark, blanks, name, colon, _ = field.groups()
        if (mark == b"{") != (position == 0):
            return None
        if position:
            separators.add(mark + blanks + b'"')
        prefixes.append((b"" if position else mark + blanks + b'"') + name + b'"' + colon)
        names.append(name.decode())
        position = field.end()
    if not names or raw[position:] != b"}" or len(separators) > 1 or len(set(names)) < len(names):
        return None
    return Template(tuple(names), separators.pop() if separators else b",", tuple(prefixes))


def split_lines(frame: Frame, good: Ints, template: Template, wanted: dict[str, str]) -> tuple[pa.Table, Ints] | None:
    """Split the lines that are written like the template.

    Args:
        frame: its records are lines.
        good: those that may be read.
        wanted: the columns that are taken, by key.

    Returns:
        the columns' texts, and which record each row is; None where Arrow does not see the same lines as the framer.
    """
    data = contiguous(frame, good).to_pybytes()
    if len(data) > _LONGEST or _MARK in data or data.count(b"\r") != data.count(b"\r\n"):
        return None
    wrong: list[int] = []

    def skip(row: arrow_csv.InvalidRow) -> str:
        wrong.append(row.number - 1)
        return "skip"

    cells = _cells(data.replace(template.separator, _MARK), len(template.names), skip)
    if cells.num_rows + len(wrong) != len(good):
        return None
    columns, sure = _columns(cells, template, wanted)
    rows = np.delete(good, wrong)
    table = pa.table(columns)
    return (table, rows) if sure.all() else (table.filter(pa.array(sure)), rows[sure])


def _cells(data: bytes, width: int, skip: Callable[[arrow_csv.InvalidRow], str]) -> pa.Table:
    names = [f"c{number}" for number in range(width)]
    return arrow_csv.read_csv(
        pa.BufferReader(data),
        arrow_csv.ReadOptions(use_threads=False, column_names=names, block_size=max(len(data) + 16, 1 << 16)),
        arrow_csv.ParseOptions(
            delimiter=_MARK.decode(), quote_char=False, double_quote=False, escape_char=False,
            newlines_in_values=False, ignore_empty_lines=True, invalid_row_handler=skip,
        ),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
        ),
    )  # fmt: skip


def _columns(cells: pa.Table, template: Template, wanted: dict[str, str]) -> tuple[dict[str, pa.Array], Bools]:
    """Check every cell, and take the wanted ones' values out of them."""
    sure: Bools = np.ones(cells.num_rows, np.bool_)
    columns: dict[str, pa.Array] = {}
    for number, (name, prefix) in enumerate(zip(template.names, template.prefixes, strict=True)):
        whole = cells.column(number).combine_chunks()
        values, fits = _values(whole, prefix, b"}" if number == len(template.names) - 1 else b"")
        if fits is not None:
            sure &= fits
        if name in wanted:
            columns[wanted[name]] = values
    return columns, sure


def _values(cells: pa.Array, prefix: bytes, suffix: bytes) -> tuple[pa.Array, Bools | None]:
    """Take the values out of cells; and which cells hold one: None stands for all."""
    before, after = re.escape(prefix.decode()), re.escape(suffix.decode())
    filler = prefix.decode() + '""' + suffix.decode()  # long enough to be cut like the others
    is_text = pc.match_substring_regex(cells, rf"\A{before}{_STRING}{after}\z")
    all_text = is_text.true_count == len(cells)
    text = _cut(cells if all_text else pc.if_else(is_text, cells, filler), len(prefix) + 1, len(suffix) + 1)
    text = _unescaped(text)
    if all_text:
        return text, None
    is_bare = pc.match_substring_regex(cells, rf"\A{before}{_BARE}{after}\z")
    all_bare = is_bare.true_count == len(cells)
    bare = _cut(cells if all_bare else pc.if_else(is_bare, cells, filler), len(prefix), len(suffix))
    bare = pc.if_else(pc.equal(bare, "null"), pa.scalar(None, pa.string()), bare)
    if all_bare:
        return bare, None
    return pc.if_else(is_text, text, bare), pc.or_(is_text, is_bare).to_numpy(zero_copy_only=False)


def _unescaped(texts: pa.Array) -> pa.Array:
    escaped = pc.match_substring(texts, "\\")
    if not escaped.true_count:
        return texts
    read = [json.loads(f'"{text}"') for text in texts.filter(escaped).to_pylist()]
    return pc.replace_with_mask(texts, escaped, pa.array(read, pa.string()))


def _cut(cells: pa.Array, first: int, last: int) -> pa.Array:
    """Leave out so many bytes at either end; all cells are long enough, and UTF-8, which the framer has seen to."""
    cut = pc.binary_slice(cells.cast(pa.binary()), first, -last if last else _LONGEST)
    return pa.Array.from_buffers(pa.string(), len(cut), cut.buffers(), cut.null_count, cut.offset)

r"""The quick way to split JSON records: those whose fields are written like ones before are cut at their quotes.

A record is taken only if it is, byte for byte, a template's opening, some of its fields in its order with its separator
between them, and its closing; each value a JSON number, `true`, `false`, `null`, a string without escapes that make NUL
or half a character, or a nested value that `quick_nested` is sure of. So no key is repeated, and there is no byte that
was not looked at. Every other record is left to `json_text.Reader`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.engine.frame import Bools, Frame, Ints
from include.engine.json_block import JsonBlock
from include.engine.json_template import Template, read_template
from include.engine.numerals import digits_of
from include.engine.quick_nested import canonical

_NUMBER: Final = r"\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z"
_WORDS: Final = pa.array(["null", "true", "false"])
_WORD_BEGINS: Final = ("n", "t", "f")
_HEX = "[0-9a-fA-F]"
# Neither NUL nor half of a surrogate pair.
_POINT = (
    f"u(?:000[1-9a-fA-F]|00[1-9a-fA-F]{_HEX}|0[1-9a-fA-F]{_HEX}{{2}}|[1-9a-cA-CeEfF]{_HEX}{{3}}|[dD][0-7]{_HEX}{{2}}"
    rf"|[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}})"
)
_STRING: Final = rf'\A(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|{_POINT}))*\z'
_TRIES = 8  # ways to write a record that are tried on one block
_TRIED = 8  # records in which another way is looked for
_WORTH = 16  # records that are worth it
_NESTED: Final = r"\A[{\[]"


@dataclass(frozen=True, slots=True)
class Takes:
    """What a field may hold, beside bare values, for its record to be taken the quick way."""

    text: bool = True
    nested: bool = True


@dataclass(frozen=True, slots=True)
class _Cells:
    """A field's values in some records.

    Args:
        first, last: where each begins and ends, quotes left out.
        is_text: whether it stands in quotes: all, none, or each.
        here: which of the records have it; None: all.
    """

    first: Ints
    last: Ints
    is_text: Bools | bool
    here: Bools | None


class Splitter:
    """Splits the frames of a file whose records are written in a few ways, which it finds out.

    Args:
        takes: says what a field may hold.
        accepts: says whether records with a template's fields may be split here.
    """

    def __init__(self, takes: Callable[[str], Takes], accepts: Callable[[Template], bool]) -> None:
        self._takes = takes
        self._accepts = accepts
        self._templates: list[Template] = []

    def split(self, frame: Frame, good: Ints) -> Iterator[tuple[dict[str, pa.Array], Ints]]:
        """Split records.

        Args:
            frame: in UTF-8.
            good: which of its records may be split.

        Yields:
            fields' texts, and which records they are of; a field that none of them has may be left out. Records that
            are never yielded are to be read otherwise.
        """
        block = JsonBlock(frame, good)
        left = np.arange(len(good))
        waiting, used = self._templates, dict[Template, int]()
        for _ in range(_TRIES):
            template = waiting.pop(0) if waiting else self._next(frame, good[left], used)
            if template is None:
                break
            if len(template.names) * len(left) > len(frame.data):  # it would take longer than to read the records
                continue
            columns, rows = split(block, left, template, self._takes)
            used[template] = used.get(template, 0) + len(rows)
            if len(rows):
                yield columns, good[rows]
                taken = np.zeros(len(good), np.bool_)
                taken[rows] = True
                left = left[~taken[left]]
            if len(left) < _WORTH:
                break
        self._templates = sorted((template for template, count in used.items() if count), key=lambda t: -used[t])

    def _next(self, frame: Frame, rows: Ints, used: dict[Template, int]) -> Template | None:
        """Find out how records are written that no template fits; one that is part of the new one gives way to it."""
        for record in rows[:_TRIED].tolist():
            found = read_template(frame.raw(record) or b"")
            if found is None or not self._accepts(found):
                continue
            pairs = ((template, template.merged(found)) for template in used)
            template, merged = next(((old, new) for old, new in pairs if new and self._accepts(new)), (found, found))
            if merged != template:
                used[merged] = used.pop(template)
            if merged != template or merged not in used:  # else the record has a value that is not taken here
                return merged
        return None


def split(
    block: JsonBlock, records: Ints, template: Template, takes: Callable[[str], Takes]
) -> tuple[dict[str, pa.Array], Ints]:
    """Split the records that are written like a template.

    Args:
        block: the records that `records` counts.
        takes: says what a field may hold.

    Returns:
        the fields' texts in these records, and which they are; a field that none of them has is left out.
    """
    cut, candidates, kept = _cut(block, records, template)
    rows = candidates[kept]
    escaped = block.escaped[rows]
    sure = np.ones(len(kept), np.bool_)
    found: dict[str, pa.Array] = {}
    for name, cells in cut.items():
        here = None if cells.here is None else cells.here[kept]
        if here is None or here.all():
            found[name] = _values(block, cells, kept, escaped, sure, takes(name))
        elif here.any():
            proven = np.ones(np.count_nonzero(here), np.bool_)
            values = _values(block, cells, kept[here], escaped[here], proven, takes(name))
            found[name] = values.take(pa.array(np.cumsum(here) - 1, mask=~here))
            sure[here] &= proven
    if not sure.all():
        lacking = [name for name in found if (here := cut[name].here) is not None and not here[kept[sure]].any()]
        found = {name: values.filter(pa.array(sure)) for name, values in found.items() if name not in lacking}
    return found, rows[sure]


def _cut(block: JsonBlock, records: Ints, template: Template) -> tuple[dict[str, _Cells], Ints, Ints]:
    """Find the records that are a template's fields and nothing else.

    Returns:
        every field's values in records that may be such, these records, and which of them are.
    """
    quotes = block.outer_quotes if template.nested else block.quotes
    places = quotes.places
    begin, end = block.begin[records], block.end[records] - len(template.closing)
    fits = ~block.marked[records] & block.reads(end, template.closing)
    fits &= places[quotes.first[records]] == begin + len(template.opening)
    rows = records[fits]
    at, last, end = quotes.first[rows], quotes.last[rows], end[fits]
    begin = places[at]  # of the key that may be next
    fresh = np.arange(len(rows))  # records whose first key has not come yet
    wrong = np.zeros(len(rows), np.bool_)
    found: dict[str, _Cells] = {}
    for name, key in zip(template.names, template.keys, strict=True):
        here = block.reads(begin - len(template.separator), template.separator + key)
        if len(fresh):
            here[fresh] = block.reads(begin[fresh] - len(template.opening), template.opening + key)
            fresh = fresh[~here[fresh]]
        if not here.any():
            continue
        first, after = begin + len(key), at + 2
        opens = places[after] == first
        is_text = bool(opens[0]) if opens.all() or not opens.any() else opens
        closed = places[after + 1] if is_text is not False else first
        after += 2 * is_text
        begin_after = places[after]
        more = after < last
        stop = begin_after - len(template.separator)
        stop = stop if more.all() else np.where(more, stop, end)
        fits = stop > first if is_text is False else closed == stop - 1
        if not isinstance(is_text, bool):
            fits = np.where(is_text, fits, stop > first)
        found[name] = _Cells(first + is_text, stop - is_text, is_text, None if here.all() else here)
        if found[name].here is None:
            wrong |= ~fits
            at, begin = after, begin_after
        else:
            wrong |= here & ~fits
            at, begin = np.where(here, after, at), np.where(here, begin_after, begin)
    return found, rows, np.flatnonzero(~wrong & (at == last))


def _values(block: JsonBlock, cells: _Cells, kept: Ints, escaped: Bools, sure: Bools, takes: Takes) -> pa.Array:
    """Take the texts of values, null for `null`.

    Args:
        kept: of which records.
        escaped: which of these hold a backslash.
        sure: set to false where a value is not sure to be what it is taken for.
    """
    texts = block.texts(cells.first, cells.last, kept)
    is_text = np.full(len(kept), cells.is_text) if isinstance(cells.is_text, bool) else cells.is_text[kept]
    if not takes.text:
        sure &= ~is_text
    doubtful = np.flatnonzero(escaped & is_text)
    if len(doubtful):
        texts = _unescaped(texts, doubtful, sure)
    bare = np.flatnonzero(~is_text)
    return _with_bare(texts, bare, sure, takes) if len(bare) else texts


def _with_bare(texts: pa.Array, bare: Ints, sure: Bools, takes: Takes) -> pa.Array:
    """Look at the values without quotes; `sure` is changed."""
    tokens = texts if len(bare) == len(texts) else texts.take(pa.array(bare))
    if tokens[0].as_py()[:1] not in _WORD_BEGINS:  # most of a column are alike
        other = np.flatnonzero(digits_of(tokens)[0] == 0)
        if not len(other):
            return texts
        bare, tokens = bare[other], tokens.take(pa.array(other))
    word = pc.index_in(tokens, value_set=_WORDS)
    other = _where(word.is_null())
    read = pc.if_else(pc.equal(word, 0), pa.scalar(None, pa.string()), tokens)
    if len(other):
        values, known = _numbers_or_nested(tokens.take(pa.array(other)), takes)
        read = _put(read, other, values)
        sure[bare[other[~known]]] = False
    return texts if read.equals(tokens) else _put(texts, bare, read)


def _numbers_or_nested(tokens: pa.Array, takes: Takes) -> tuple[pa.Array, Bools]:
    """Return values, and which of them are sure to be right."""
    known: Bools = pc.match_substring_regex(tokens, _NUMBER).to_numpy(zero_copy_only=False).copy()
    if not takes.nested:
        return tokens, known
    nested = _where(pc.match_substring_regex(tokens, _NESTED))
    written = pa.array(canonical(tokens.take(pa.array(nested)).to_pylist()), pa.string())
    known[nested] = written.is_valid().to_numpy(zero_copy_only=False)
    return _put(tokens, nested, written), known


def _where(truths: pa.Array) -> Ints:
    return np.flatnonzero(truths.to_numpy(zero_copy_only=False))


def _unescaped(texts: pa.Array, escaped: Ints, sure: Bools) -> pa.Array:
    """Read the escapes of strings; `sure` is changed."""
    held = texts.take(pa.array(escaped))
    has = pc.match_substring(held, "\\").to_numpy(zero_copy_only=False)
    if not has.any():
        return texts
    held, escaped = held.filter(pa.array(has)), escaped[has]
    fits = pc.match_substring_regex(held, _STRING).to_numpy(zero_copy_only=False)
    sure[escaped[~fits]] = False
    held, escaped = held.filter(pa.array(fits)), escaped[fits]
    if not len(held):
        return texts
    read = json.loads('["' + '","'.join(held.to_pylist()) + '"]')
    return _put(texts, escaped, pa.array(read, pa.string()))


def _put(texts: pa.Array, rows: Ints, values: pa.Array) -> pa.Array:
    """Put values into some rows, in ascending order."""
    mask = np.zeros(len(texts), np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(texts, pa.array(mask), values)

"""What people may read of a record: messages and texts that never hold a masked column's value."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence

from include.engine.json_text import Defect, Reader, to_json
from include.engine.parse_csv import Layout, split_records
from include.engine.records import shown
from include.spec.dataset import Dataset
from include.spec.places import parse_path, parse_positions

_TEXT = 1000
_HIDDEN = "***"


class Shower:
    """Quotes values and records of one dataset.

    A column that a rule makes of a masked column is treated as masked: its values are not quoted either.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._names = tuple(column.name for column in dataset.columns)
        self.hidden = _tainted(dataset)
        self.secret = bool(dataset.pipeline.mask)
        self._reader = Reader()

    def value(self, column: str, value: object) -> str:
        """Quote the value of a column, or of a field inside it (`column.field`); or say that it is not shown."""
        hidden = column.partition(".")[0] in self.hidden
        return "the value (not shown: the column is masked)" if hidden else shown(value)

    def inputs(self, expression: str, values: Mapping[str, object]) -> str:
        """List the values that a rule read, for its failure's message."""
        read = columns_in(expression, self._names)
        parts = [
            f"{name} = {_HIDDEN if name in self.hidden else shown(values[name])}" for name in read if name in values
        ]
        return ", ".join(parts) or "this record"

    def text(self, raw: bytes | None, length: int, *, whole: bool, layout: Layout | None) -> str:
        """Return a record as a person may read it.

        Args:
            raw: the record in UTF-8; None where it was skipped.
            length: bytes of it in the file.
            whole: the record was split into fields.
            layout: of a CSV file, which cell is which column.
        """
        if raw is None:
            return f"[not read: {length} bytes]"
        if not self.secret:
            return raw[: 4 * _TEXT].decode(errors="replace")[:_TEXT]
        redacted = f"[redacted: {length} bytes]"
        if not whole:
            return redacted
        kind = self._dataset.pipeline.format.type
        if kind == "csv":
            return self._csv(raw, layout, redacted)[:_TEXT]
        if kind == "fixed":
            return self._fixed(raw.decode(errors="replace"))[:_TEXT]
        if kind == "xml":
            return redacted
        return self._json(raw, redacted)[:_TEXT]

    def _csv(self, raw: bytes, layout: Layout | None, redacted: str) -> str:
        form = self._dataset.pipeline.format
        cells = next(split_records(raw, form), [])
        if layout is None or len(cells) != layout.width:
            return redacted
        clear = [_HIDDEN if name in self.hidden else cell for cell, name in zip(cells, layout.names, strict=True)]
        line = io.StringIO()
        # Where quoting is off it is for reading only, like the rest of this text.
        csv.writer(line, delimiter=form.delimiter, quotechar=form.quoting or '"', lineterminator="").writerow(clear)
        return line.getvalue()

    def _json(self, raw: bytes, redacted: str) -> str:
        value = self._reader.read(raw.decode(errors="replace"))
        if isinstance(value, Defect) or not isinstance(value, dict):
            return redacted
        form = self._dataset.pipeline.format
        ways = {parse_path(path)[0] for name, path in form.paths.items() if name in self.hidden}
        return to_json({
            key: _HIDDEN if key in ways or form.rename.get(key, key) in self.hidden else part
            for key, part in value.items()
        })  # fmt: skip

    def _fixed(self, line: str) -> str:
        """Show what stands in the columns that are not masked, and blanks everywhere else."""
        clear = [" "] * len(line)
        for name, text in self._dataset.pipeline.format.positions.items():
            start, end = parse_positions(text)
            field = line[start:end]
            if name in self.hidden:
                field = _HIDDEN.ljust(len(field))[: len(field)]
            clear[start : start + len(field)] = field
        return "".join(clear)


def columns_in(expression: str, names: Sequence[str]) -> list[str]:
    """Return which of these columns an expression names (strings that look like a name count too)."""
    words = {word.lower() for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", expression)}
    return [name for name in names if name.lower() in words]


def _tainted(dataset: Dataset) -> frozenset[str]:
    hidden = set(dataset.pipeline.mask)
    for _ in dataset.columns:
        for rules in (dataset.pipeline.clean, dataset.pipeline.derive):
            hidden |= {name for name, rule in rules.items() if columns_in(rule, sorted(hidden))}
    return frozenset(hidden)

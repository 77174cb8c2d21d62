"""Takes columns from a reference file by a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.engine.database import Database
from include.engine.errors import TerminalReferenceError
from include.engine.frame import Bools
from include.engine.frame_csv import CsvFramer
from include.engine.nested import read_nested
from include.engine.parse_csv import split_records
from include.engine.records import framing_failures
from include.engine.show import Shower
from include.engine.verify import Verifier
from include.spec.columns import Column
from include.spec.dataset import Dataset
from include.spec.drift import default_text
from include.spec.pipeline import Enrich, Format

_FORM = Format(type="csv")
_LIMIT = 1 << 24


class Reference:
    """A reference file in memory: the key's values, and the columns taken.

    Args:
        dataset: says which file, by which column, which columns.
        references: the files, by their name in the pipeline.
        database: casts the reference's cells.

    Raises:
        TerminalReferenceError: the file is missing or malformed, a value has the wrong type, or a key stands twice.
    """

    def __init__(self, dataset: Dataset, enrich: Enrich, references: Mapping[str, Path], database: Database) -> None:
        self.enrich = enrich
        path = references.get(enrich.with_)
        if path is None:
            known = ", ".join(references) or "none"
            raise TerminalReferenceError(
                f"{dataset.name}: {enrich.with_} was not handed to the engine (it has: {known})"
            )
        # A reference's cells must have their types; what else the contract asks is asked of each record.
        wanted = [_bare(dataset.column(name)) for name in (enrich.on, *enrich.take)]
        texts, lines = _read(path, enrich, [column.name for column in wanted])
        table = self._typed(texts, lines, wanted, dataset, database)
        self._keys = table.column(enrich.on).combine_chunks()
        self._refuse_repeated(texts.column(enrich.on).to_pylist(), lines, Shower(dataset))
        self._taken = table.select(list(enrich.take))
        if not isinstance(enrich.missing, str):
            self._taken = pa.concat_tables([self._taken, self._default(wanted[1:], dataset, database)])

    def _typed(
        self, texts: pa.Table, lines: list[int], wanted: list[Column], dataset: Dataset, database: Database
    ) -> pa.Table:
        verifier = Verifier(wanted, typed=False, shower=Shower(dataset), database=database)
        block = read_nested(texts, wanted)
        table, failing = verifier.run(block)
        rows = np.flatnonzero(failing)
        if len(rows):
            first = verifier.explain(block.take(rows[:1]), texts.take(rows[:1]))[0][0]
            where = f"{self.enrich.with_}, line {lines[int(rows[0])]}, {first.column}"
            raise TerminalReferenceError(f"{where}: {first.message}. Mend the reference file.")
        return table

    def _default(self, wanted: list[Column], dataset: Dataset, database: Database) -> pa.Table:
        """The row that stands after the reference's last, for records without a match."""
        given = {} if isinstance(self.enrich.missing, str) else self.enrich.missing.default
        values = {column.name: given.get(column.name) for column in wanted}
        cells = [pa.array([None if value is None else default_text(value)], pa.string()) for value in values.values()]
        texts = pa.table(cells, names=list(values))
        verifier = Verifier(wanted, typed=False, shower=Shower(dataset), database=database)
        block = read_nested(texts, wanted)
        table, failing = verifier.run(block)
        if failing.any():
            first = verifier.explain(block, texts)[0][0]
            where = f"enrich.missing.default.{first.column}"
            raise TerminalReferenceError(f"{where}: {first.message}. Mend it in pipeline.yaml.")
        return table

    def _refuse_repeated(self, keys: list[str | None], lines: list[int], shower: Shower) -> None:
        if None in keys:
            line = lines[keys.index(None)]
            raise TerminalReferenceError(
                f"{self.enrich.with_}, line {line}: {self.enrich.on} is empty; give it a value."
            )
        repeated = pc.value_counts(self._keys).filter(pc.greater(pc.value_counts(self._keys).field("counts"), 1))
        if len(repeated):
            key = shower.value(self.enrich.on, Counter(keys).most_common(1)[0][0])
            message = f"{self.enrich.with_}: {self.enrich.on} {key} stands more than once; a key must be unique."
            raise TerminalReferenceError(message)

    def take(self, keys: pa.ChunkedArray) -> tuple[pa.Table, Bools]:
        """Look keys up.

        Returns:
            the columns taken, a row per key (null or the default without a match), and which keys had none.
        """
        places = pc.index_in(keys, value_set=self._keys).combine_chunks()
        missing = pc.is_null(places).to_numpy(zero_copy_only=False)
        if not isinstance(self.enrich.missing, str):
            places = pc.fill_null(places, pa.scalar(len(self._keys), places.type))
        return self._taken.take(places), missing


def _bare(column: Column) -> Column:
    kept = {"name", "kind", "precision", "scale", "items", "formats", "default_timezone"}
    return Column(**{name: getattr(column, name) for name in kept})


def _read(path: Path, enrich: Enrich, names: list[str]) -> tuple[pa.Table, list[int]]:
    rows: list[list[str | None]] = []
    lines: list[int] = []
    with path.open("rb") as file:
        for frame in CsvFramer(file.read, block=1 << 20, limit=_LIMIT).frames():
            for record, reasons in framing_failures(frame).items():
                where = f"{enrich.with_}, line {frame.lines[record]}"
                raise TerminalReferenceError(f"{where}: {reasons[0].message}. Mend the reference file.")
            for record in range(len(frame)):
                cells = next(split_records(frame.raw(record) or b"", _FORM))
                rows.append([cell or None for cell in cells])
                lines.append(int(frame.lines[record]))
    header = rows[0] if rows else []
    lacking = [name for name in names if name not in header]
    if lacking:
        raise TerminalReferenceError(f"{enrich.with_} lacks the columns {', '.join(lacking)}.")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise TerminalReferenceError(
                f"{enrich.with_}, line {line}: {len(row)} cells, the header has {len(header)}."
            )
    columns = {name: pa.array([row[header.index(name)] for row in rows[1:]], pa.string()) for name in names}
    return pa.table(columns), lines[1:]

"""Takes columns from a reference, a file or a table, by a key."""

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
from include.engine.nested import read_nested
from include.engine.read_reference import Cells, read_cells
from include.engine.show import Shower
from include.engine.verify import Verifier
from include.spec.columns import Column
from include.spec.dataset import Dataset
from include.spec.drift import default_text
from include.spec.pipeline import Enrich


class Reference:
    """A reference in memory: the key's values, and the columns taken.

    Args:
        dataset: says which file or table, by which column, which columns.
        references: the files, by their name in the pipeline; a table's is its snapshot.
        database: casts the reference's cells.

    Raises:
        TerminalReferenceError: it is missing or malformed, a value has the wrong type, or a key stands twice.
    """

    def __init__(self, dataset: Dataset, enrich: Enrich, references: Mapping[str, Path], database: Database) -> None:
        self.enrich = enrich
        path = references.get(enrich.with_)
        if path is None:
            known = ", ".join(references) or "none"
            raise TerminalReferenceError(
                f"{dataset.name}: {enrich.with_} was not handed to the engine (it has: {known})"
            )
        names = [enrich.on, *enrich.take]
        cells = read_cells(path, enrich, names)
        # A reference's cells must have their types; what else the contract asks is asked of each record.
        wanted = [_bare(dataset.column(name), cells.types.get(name)) for name in names]
        self._shower = Shower(dataset)
        table = self._typed(cells, wanted, database)
        self._keys = table.column(enrich.on).combine_chunks()
        self._refuse_repeated(cells)
        self._taken = table.select(list(enrich.take))
        if not isinstance(enrich.missing, str):
            self._taken = pa.concat_tables([self._taken, self._default(dataset, database)])

    def _typed(self, cells: Cells, wanted: list[Column], database: Database) -> pa.Table:
        verifier = Verifier(wanted, typed=False, shower=self._shower, database=database)
        block = read_nested(cells.texts, wanted)
        table, failing = verifier.run(block)
        rows = np.flatnonzero(failing)
        if len(rows):
            first = verifier.explain(block.take(rows[:1]), cells.texts.take(rows[:1]))[0][0]
            where = f"{self._place(cells, int(rows[0]))}, {first.column}"
            raise TerminalReferenceError(f"{where}: {first.message}. {self._mend}")
        return table

    @property
    def _mend(self) -> str:
        return "Mend the table, or name a view of it." if self.enrich.table else "Mend the reference file."

    def _place(self, cells: Cells, row: int) -> str:
        """Say which row of the reference it is: by its line; a table's by its key, unless columns are masked."""
        if cells.lines:
            return f"{self.enrich.with_}, line {cells.lines[row]}"
        if self._shower.secret:
            return self.enrich.with_
        key = cells.texts.column(self.enrich.on)[row].as_py()
        return f"{self.enrich.with_}, {self.enrich.on} {self._shower.value(self.enrich.on, key)}"

    def _default(self, dataset: Dataset, database: Database) -> pa.Table:
        """The row that stands after the reference's last, for records without a match."""
        wanted = [_bare(dataset.column(name), None) for name in self.enrich.take]
        given = {} if isinstance(self.enrich.missing, str) else self.enrich.missing.default
        values = {column.name: given.get(column.name) for column in wanted}
        cells = [pa.array([None if value is None else default_text(value)], pa.string()) for value in values.values()]
        texts = pa.table(cells, names=list(values))
        verifier = Verifier(wanted, typed=False, shower=self._shower, database=database)
        block = read_nested(texts, wanted)
        table, failing = verifier.run(block)
        if failing.any():
            first = verifier.explain(block, texts)[0][0]
            where = f"enrich.missing.default.{first.column}"
            raise TerminalReferenceError(f"{where}: {first.message}. Mend it in pipeline.yaml.")
        return table

    def _refuse_repeated(self, cells: Cells) -> None:
        keys = cells.texts.column(self.enrich.on)
        if keys.null_count:
            row = pc.index(pc.is_null(keys), True).as_py()
            where = self._place(cells, row) if cells.lines else self.enrich.with_
            raise TerminalReferenceError(f"{where}: {self.enrich.on} is empty; give it a value. {self._mend}")
        counts = pc.value_counts(self._keys)
        repeated = counts.filter(pc.greater(counts.field("counts"), 1))
        if len(repeated):
            key = self._shower.value(self.enrich.on, Counter(keys.to_pylist()).most_common(1)[0][0])
            message = f"{self.enrich.on} {key} stands more than once; a key must be unique."
            raise TerminalReferenceError(f"{self.enrich.with_}: {message} {self._mend}")

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


def _bare(column: Column, type_: str | None) -> Column:
    """Return the column with its type alone; where a table's values are typed, in the forms that a snapshot has."""
    kept = {"name", "kind", "precision", "scale", "items", "formats", "default_timezone"}
    if type_ not in (None, "STRING"):
        kept.discard("formats")
    return Column(**{name: getattr(column, name) for name in kept})

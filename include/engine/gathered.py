"""Pieces of files, gathered until they are worth a run of the rules: one block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from include.engine.block import BlockRules, Outcome
from include.engine.evolve import evolves, part, rejoin
from include.engine.files import FileState
from include.engine.frame import Ints
from include.engine.records import Failures, Piece
from include.spec.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Gathered:
    """A block.

    Args:
        pieces: in the order of the batch.
        ended: files that end with it, to be decided on.
        reading: number of the file that goes on after it.
    """

    pieces: list[Piece]
    ended: list[FileState]
    reading: int | None

    @property
    def files(self) -> Ints:
        """Each row's file."""
        return np.concatenate([np.full(len(piece.rows), piece.file, np.int64) for piece in self.pieces])

    @property
    def ordinals(self) -> Ints:
        """Each row's ordinal in its file."""
        return np.concatenate([piece.ordinals for piece in self.pieces])

    def run(self, rules: BlockRules, dataset: Dataset) -> Outcome | None:
        """Run the rules over the rows; None where there are no pieces."""
        if not self.pieces:
            return None
        tables = [piece.table for piece in self.pieces]
        # Not every file of a dataset that evolves has unknown fields.
        promote = "default" if evolves(dataset) else "none"
        texts, extras = part(pa.concat_tables(tables, promote_options=promote).combine_chunks())
        outcome = rules.run(texts, _known(self.pieces))
        if evolves(dataset):
            good = outcome.typed.filter(pa.array(outcome.good))
            outcome.typed, outcome.good = rejoin(good, extras, outcome.rows), np.ones(good.num_rows, np.bool_)
        return outcome


def _known(pieces: Sequence[Piece]) -> Failures:
    """Return what is wrong already with rows of a block."""
    known: Failures = {}
    first = 0
    for piece in pieces:
        if piece.failures:  # few have a row too; looking them up in order is cheaper than asking every row
            records = np.fromiter(piece.failures, np.int64, len(piece.failures))
            rows = np.searchsorted(piece.rows, records)
            for record, row in zip(records.tolist(), rows.tolist(), strict=True):
                if row < len(piece.rows) and piece.rows[row] == record:
                    known[first + row] = piece.failures[record]
        first += len(piece.rows)
    return known

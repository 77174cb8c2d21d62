"""Settles the suspects of a batch once its files are read: which of them are duplicates, and whose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from include.engine.frame import Bools, Ints
from include.engine.keys import Keys, duplicates
from include.engine.part import Part
from include.engine.spool import FILE, ORDINAL


@dataclass(slots=True)
class Settled:
    """What became of the suspects and their partners.

    Args:
        stays: which of the suspects are written.
        lost: rows of parts that are duplicates.
        files: the file of each duplicate.
    """

    stays: Bools
    lost: dict[Part, Ints] = field(default_factory=dict)
    files: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


def settle(
    keys: Keys,
    suspects: pa.Table,
    parts: list[Part],
    *,
    held: Bools,
    keep: Literal["first", "last"],
) -> Settled:
    """Find the duplicates of a batch.

    Args:
        keys: what the rows' keys are.
        suspects: the keys of the rows that wait, their files and their ordinals.
        parts: the other rows.
        held: which files are held; their rows count for nothing, and none is in a part.
        keep: which of several rows stays.
    """
    stays = ~held[suspects.column(FILE).to_numpy()]
    if not stays.any():
        return Settled(stays)
    tables, sources = [suspects.filter(pa.array(stays))], [np.flatnonzero(stays)]
    finder, owners = keys.finder(tables[0]), [-1]
    for number, part in enumerate(parts):
        first = 0
        for group in part.key_groups(keys.columns):
            rows = np.flatnonzero(finder.partners(group))
            if len(rows):
                tables.append(group.take(pa.array(rows)).select(suspects.column_names).cast(suspects.schema))
                sources.append(first + rows)
                owners.append(number)
            first += group.num_rows
    whole = pa.concat_tables(tables)
    files = whole.column(FILE).to_numpy()
    order = np.lexsort((whole.column(ORDINAL).to_numpy(), files))
    found = order[duplicates(whole.take(pa.array(order)), keys.sets, reverse=keep == "last")]
    owner, source = np.repeat(owners, [len(rows) for rows in sources])[found], np.concatenate(sources)[found]
    stays[source[owner < 0]] = False
    lost = {parts[number]: np.sort(source[owner == number]) for number in np.unique(owner[owner >= 0]).tolist()}
    return Settled(stays, lost, files[found].astype(np.int64))

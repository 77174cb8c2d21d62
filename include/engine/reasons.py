"""Says why a rule fails on rows, for all of them at once where that can be.

A rule is run again with one of its errors giving NULL instead. A row that does not fail then had this one as its first:
up to its first error a row is computed as it was, so any other would have been raised again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from include.engine.apply import Rule, run_rule, why
from include.engine.database import Database
from include.engine.show import columns_in

_NAMED: Final = re.compile(r"'rule: ([^']*)'")  # see rule_sql.failure
# A cast, but for those that raise a named error; texts are passed over.
_CAST: Final = re.compile(r"'(?:[^']|'')*'|\b(?<!TRY_)CAST\((?!(?:CAST\()?'rule: )")
_CONVERSION: Final = "a value cannot be converted to the type that the rule needs"
_ALONE: Final = 500  # different inputs in one block that are run one by one


def failure_reasons(database: Database, rule: Rule, rows: pa.Table) -> list[str]:
    """Say in words, without any value, why a rule fails on each of these rows.

    Returns:
        a reason per row; empty where none was found, which may be so for an overflow, or for a row on which the rule
        fails in more than one way, beyond the first 500 of a block.
    """
    found = [""] * rows.num_rows
    left = np.arange(rows.num_rows)
    for reason, sql in _muted(rule):
        if not len(left):
            break
        muted = replace(rule, sql=sql, outputs=(("value", "e IS NULL"),))
        _, failed = run_rule(database, muted, rows.take(pa.array(left)))
        for row in left[~failed].tolist():
            found[row] = reason
        left = left[failed]
    known: dict[str, str] = {}
    inputs = rows.select(columns_in(rule.expression, rows.column_names)).to_pylist()
    for row in left.tolist():
        key = repr(inputs[row])
        if key not in known and len(known) < _ALONE:
            known[key] = why(database, rule, rows.slice(row, 1))
        found[row] = known.get(key, "")
    return found


def _muted(rule: Rule) -> Iterator[tuple[str, str]]:
    """Yield each error that can be muted, and the rule's SQL without it."""
    for reason in dict.fromkeys(_NAMED.findall(rule.sql)):
        yield reason, rule.sql.replace(f"'rule: {reason}'", "NULL")
    tried = _CAST.sub(lambda part: part[0] if part[0].startswith("'") else "TRY_CAST(", rule.sql)
    if tried != rule.sql:
        yield _CONVERSION, tried

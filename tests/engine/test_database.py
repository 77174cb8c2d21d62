"""A query that comes again is planned once, and answers for the rows it is given."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from include.engine.database import Database


def test_a_repeated_query_sees_the_new_rows_in_their_order() -> None:
    with Database(threads=2) as database:
        for size in (0, 10, 300_000, 5):
            block = pa.table({"a": np.arange(size)})
            parts = pa.concat_tables([block, block])
            found = database.query("SELECT a, CAST(a AS VARCHAR) AS t FROM (SELECT a FROM block)", block=parts)
            assert found.column("a").to_numpy().tolist() == [*range(size), *range(size)]


def test_a_repeated_query_that_fails_on_a_row_runs_again_on_others() -> None:
    with Database(threads=2) as database:
        sql = "SELECT CAST(a AS INTEGER) AS v FROM block"
        good, bad = (pa.table({"a": [text]}) for text in ("1", "x"))
        assert database.query(sql, block=good).column("v").to_pylist() == [1]
        for _ in range(2):
            with pytest.raises(database.error):
                database.query(sql, block=bad)
            assert database.query(sql, block=good).column("v").to_pylist() == [1]


def test_the_same_query_over_other_columns_is_another_query() -> None:
    with Database(threads=1) as database:
        for value in (1, 1.5, 1, 1.5, 1, 1.5):
            found = database.query("SELECT a + 1 AS v FROM block", block=pa.table({"a": [value]}))
            assert found.column("v").to_pylist() == [value + 1]

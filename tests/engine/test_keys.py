"""Duplicates: exactly, across the files of a batch, first or last; each has a twin that stays."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.builder import column, dataset, lines, run


def test_the_last_record_of_a_key_stays_unless_the_pipeline_says_first(tmp_path: Path) -> None:
    columns = (column("k", "integer", primaryKey=True), column("v"))
    files = (lines("k,v", "1,a", "2,b", "1,c"), lines("k,v", "1,d", "3,e"))
    last = run(dataset(*columns), tmp_path, *files)
    first = run(dataset(*columns, load={"table": "a.b", "mode": "append", "keep": "first"}), tmp_path, *files)
    assert sorted(last.values("v")) == ["b", "d", "e"]
    assert sorted(first.values("v")) == ["a", "b", "e"]
    assert [account.duplicates for account in last.manifest.files] == [2, 0]
    assert [account.duplicates for account in first.manifest.files] == [1, 1]


def test_a_key_of_two_columns_is_the_pair(tmp_path: Path) -> None:
    spec = dataset(
        column("a", primaryKey=True, primaryKeyPosition=1), column("b", "date", primaryKey=True, primaryKeyPosition=2)
    )
    result = run(spec, tmp_path, lines("a,b", "x,2024-01-01", "x,2024-01-02", "x,2024-01-01"))
    assert result.file.duplicates == 1


def test_keys_are_compared_by_value_not_by_text(tmp_path: Path) -> None:
    spec = dataset(
        column("k", "number", physicalType="NUMERIC(5,2)", unique=True), column("t", "timestamp", unique=True)
    )
    result = run(spec, tmp_path, lines("k,t", "1.5,2024-01-01T00:00:00Z", "1.50,", ",2024-01-01T01:00:00+01:00"))
    assert result.file.duplicates == 1  # the middle one stays for nobody else has its key once the first is gone
    assert [row["_landfall_record"] for row in result.good] == [1, 2]


def test_a_missing_unique_value_equals_nothing(tmp_path: Path) -> None:
    result = run(dataset(column("k", unique=True), column("v")), tmp_path, lines("k,v", ",a", ",b"))
    assert result.file.duplicates == 0


def test_a_held_file_takes_no_twin_with_it(tmp_path: Path) -> None:
    spec = dataset(column("k", "integer", primaryKey=True), tolerate={"quarantined": "10%"})
    result = run(spec, tmp_path, lines("k", "1"), lines("k", "1", "x"))
    assert [account.state for account in result.manifest.files] == ["accepted", "held"]
    assert result.values("k") == [1]


def test_a_quarantined_or_filtered_record_takes_no_twin_with_it(tmp_path: Path) -> None:
    spec = dataset(column("k", "integer", primaryKey=True), column("v", "integer"), filter="v > 0")
    result = run(spec, tmp_path, lines("k,v", "1,1", "1,x", "1,0"))
    assert (result.file.loaded, result.file.duplicates) == (1, 0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["", "a", "b", "c"])), max_size=25),
    keep=st.sampled_from(["first", "last"]),
    block=st.sampled_from([1, 7, 1000]),
)
def test_duplicates_are_those_of_a_plain_loop(
    tmp_path: Path, rows: list[tuple[int, str]], keep: str, block: int
) -> None:
    spec = dataset(
        column("k", "integer", primaryKey=True),
        column("u", unique=True),
        load={"table": "a.b", "mode": "append", "keep": keep},
    )
    data = lines("k,u", *(f"{key},{value}" for key, value in rows))
    order = list(enumerate(rows)) if keep == "first" else list(enumerate(rows))[::-1]
    keys: set[int] = set()
    values: set[str] = set()
    stays = []
    for number, (key, value) in order:
        if key not in keys and (not value or value not in values):
            keys.add(key)
            values.add(value)
            stays.append(number)
    result = run(spec, tmp_path, data, block=block)
    assert sorted(row["_landfall_record"] for row in result.good) == sorted(stays)

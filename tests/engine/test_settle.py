"""Rows are written as they come: what is decided later, of files and of duplicates, leaves the same answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.engine import write
from include.engine.run import Input, Limits, transform
from include.spec.dataset import Dataset
from tests.engine.builder import SECRETS, Result, column, dataset, lines, run

Record = tuple[int, str, str]  # a key, a unique value, and a number that may be none
TOLERATED = 0.3
SOME_FILES = st.lists(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["1", "2", "x"])), max_size=9
    ),
    max_size=5,
)


def things(keep: str, **rest: object) -> Dataset:
    return dataset(
        column("k", "integer", primaryKey=True, primaryKeyPosition=1),
        column("v", "integer"),
        column("u", unique=True),
        load={"table": "a.b", "mode": "append", "keep": keep},
        tolerate={"quarantined": f"{TOLERATED:.0%}"},
        **rest,
    )


def expected(files: Sequence[Sequence[Record]], keep: str) -> list[tuple[str, int]]:
    """Say, with plain loops, which records stay."""
    rows = []
    for number, file in enumerate(files):
        bad = sum(value == "x" for _, _, value in file)
        if bad <= TOLERATED * len(file):
            rows += [(f"file-{number}", at, key, unique) for at, (key, unique, v) in enumerate(file) if v != "x"]
    keys: set[int] = set()
    uniques: set[str] = set()
    stays = []
    for file_id, at, key, unique in rows if keep == "first" else rows[::-1]:
        if key not in keys and (not unique or unique not in uniques):
            keys.add(key)
            uniques.add(unique)
            stays.append((file_id, at))
    return sorted(stays)


def written(files: Sequence[Sequence[Record]]) -> list[bytes]:
    return [lines("k,u,v", *(",".join(map(str, record)) for record in file)) for file in files]


def places(result: Result) -> list[tuple[str, int]]:
    return sorted((row["_landfall_file_id"], row["_landfall_record"]) for row in result.good)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=SOME_FILES,
    keep=st.sampled_from(["first", "last"]),
    block=st.sampled_from([1, 9, 30, 1000]),
    group=st.sampled_from([1, 2, 5, 1000]),
    is_masked=st.booleans(),
)
def test_what_stays_is_what_plain_loops_leave(
    tmp_path: Path, files: list[list[Record]], keep: str, block: int, group: int, is_masked: bool
) -> None:
    spec = things(keep, **({"mask": {"u": "redact"}} if is_masked else {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "_GROUP_ROWS", group)
        result = run(spec, tmp_path, *written(files), limits=Limits(block=block, threads=1, part=group))
    assert places(result) == expected(files, keep)
    assert {path.name for path in tmp_path.iterdir()} == {
        "manifest.json", *result.manifest.good, *result.manifest.quarantine
    }  # fmt: skip


@pytest.mark.parametrize("keep", ["first", "last"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("is_masked", [False, True], ids=["clear", "masked"])
def test_many_duplicates_over_long_files_and_many_groups(
    tmp_path: Path, keep: str, threads: int, is_masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "_GROUP_ROWS", 300)
    draw = random.Random(7)
    files = [
        [(draw.randrange(2_000), draw.choice(["", f"u{draw.randrange(3_000)}"]), draw.choice(values)) for _ in range(n)]
        for n, values in ((2_000, "12"), (50, "12"), (2_000, "12x"), (40, "1x"), (3_000, "1111111x"), (60, "2"))
    ]
    spec = things(keep, **({"mask": {"u": "sha256"}} if is_masked else {}))
    limits = Limits(block=4_000, threads=threads, part=10_000)
    result = run(spec, tmp_path, *written(files), limits=limits)
    assert places(result) == expected(files, keep)
    assert [account.state for account in result.manifest.files] == [
        "accepted", "accepted", "held", "held", "accepted", "accepted"
    ]  # fmt: skip
    values = {(f"file-{n}", at): (k, int(v)) for n, file in enumerate(files) for at, (k, _, v) in enumerate(file)
              if v != "x"}  # fmt: skip
    assert all(values[row["_landfall_file_id"], row["_landfall_record"]] == (row["k"], row["v"]) for row in result.good)


def test_keys_of_two_columns_and_of_wide_decimals_are_found_in_parts(tmp_path: Path) -> None:
    spec = dataset(
        column("a", primaryKey=True, primaryKeyPosition=1),
        column("b", primaryKey=True, primaryKeyPosition=2),
        column("u", "number", physicalType="BIGNUMERIC(40,5)", unique=True),
        load={"table": "a.b", "mode": "append", "keep": "first"},
    )
    result = run(spec, tmp_path, lines("a,b,u", "x,y,1", "x,z,1", "xy,,", "x,y,2"), block=1)
    assert places(result) == [("file-0", 0)]
    assert result.file.failed == 1


def test_a_long_file_that_is_held_leaves_no_part(tmp_path: Path) -> None:
    good = lines("k,u,v", *(f"{n},,1" for n in range(500)))
    result = run(things("first"), tmp_path, lines("k,u,v", "1,,1"), good + b"x\n" * 500, good, block=600)
    assert [account.loaded for account in result.manifest.files] == [1, 0, 499]
    assert len(result.good) == 500
    assert sorted(path.name for path in tmp_path.glob("good-*")) == sorted(result.manifest.good)


def test_a_part_all_of_whose_rows_are_duplicates_goes(tmp_path: Path) -> None:
    data = lines("k,u,v", *(f"{n},,1" for n in range(300)))
    result = run(things("last"), tmp_path, data, data, block=600)
    assert [account.duplicates for account in result.manifest.files] == [300, 0]
    assert places(result) == [("file-1", n) for n in range(300)]
    assert len(result.manifest.good) == len(list(tmp_path.glob("good-*")))


@pytest.mark.parametrize("keep", ["first", "last"])
def test_columns_that_come_late_are_in_every_part(tmp_path: Path, keep: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_GROUP_ROWS", 3)
    spec = dataset(
        column("k", "integer", primaryKey=True),
        format={"type": "ndjson", "unexpected_columns": "evolve"},
        load={"table": "a.b", "mode": "append", "keep": keep},
        tolerate={"quarantined": "30%"},
    )
    records = [f'{{"k": {n % 17}, "late{n // 8}": "{n}"}}' for n in range(40)]
    held = lines('{"k": 100, "never": 1}', "x")
    result = run(spec, tmp_path, lines(*records[:20]), held, lines(*records[20:]), block=60)
    whole = run(spec, tmp_path / "whole", lines(*records[:20]), held, lines(*records[20:]))
    assert [column.name for column in result.manifest.evolved] == [f"late{n}" for n in range(5)]
    key = ("_landfall_file_id", "_landfall_record")
    assert sorted(result.good, key=lambda row: [row[name] for name in key]) == sorted(
        whole.good, key=lambda row: [row[name] for name in key]
    )
    assert len(result.good) == 17
    assert all(set(row) == set(whole.good[0]) for row in result.good)


def test_a_file_that_cannot_be_read_leaves_no_scratch_file(tmp_path: Path) -> None:
    spec = things("first", mask={"u": "redact"})

    class Broken:
        def __init__(self) -> None:
            self.left = 5

        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def read(self, _size: int) -> bytes:
            self.left -= 1
            if not self.left:
                raise OSError("the store went away")
            return b"k,u,v\n" + b"1,a,1\n" * 20 if self.left == 4 else b"1,a,1\n" * 20

    with pytest.raises(OSError, match="went away"):
        transform(spec, [Input("f", "gs://a/b", Broken)], tmp_path, secrets=SECRETS, limits=Limits(block=100))  # type: ignore[arg-type]
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "manifest.json").exists()

"""Which landed objects are files to load."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.ledger.landing import Landed, is_temporary, pack


def landed(name: str, generation: int = 1, size: int = 10) -> Landed:
    return Landed("landing", name, generation, size, "AAAAAA==")


@pytest.mark.parametrize(
    "name",
    ["orders/.hidden.csv", "orders/_SUCCESS", "orders/_tmp.csv", "orders/a.csv.part", "orders/a.CSV.TMP", "orders/",
     "orders/~lock.csv", "orders/a.csv._COPYING_", "a.csv.crdownload"],
)  # fmt: skip
def test_a_temporary_name_is_left_alone(name: str) -> None:
    assert is_temporary(name)


@pytest.mark.parametrize("name", ["orders/a.csv", "_orders/a.csv", "a.tmp.csv", "orders/part-0001.csv.gz"])
def test_an_ordinary_name_is_a_file(name: str) -> None:
    assert not is_temporary(name)


files = st.lists(st.tuples(st.text("abc/", min_size=1, max_size=6), st.integers(0, 300)), max_size=40)


@given(files, st.integers(1, 300), st.integers(1, 7), st.booleans())
def test_packing_keeps_every_file_once(
    given_files: list[tuple[str, int]], max_bytes: int, max_files: int, by_folder: bool
) -> None:
    objects = [landed(name, number, size) for number, (name, size) in enumerate(given_files)]
    batches = pack(objects, max_bytes=max_bytes, max_files=max_files, by_folder=by_folder)
    packed = [item for batch in batches for item in batch]
    assert sorted(packed, key=lambda i: i.generation) == objects
    assert all(batches)


@given(files, st.integers(1, 300), st.integers(1, 7))
def test_a_batch_keeps_its_bounds_unless_one_file_is_larger(
    given_files: list[tuple[str, int]], max_bytes: int, max_files: int
) -> None:
    objects = [landed(name, number, size) for number, (name, size) in enumerate(given_files)]
    for batch in pack(objects, max_bytes=max_bytes, max_files=max_files, by_folder=False):
        assert len(batch) <= max_files
        assert sum(item.size for item in batch) <= max_bytes or len([i for i in batch if i.size]) == 1


def test_a_folder_is_one_batch_however_large() -> None:
    objects = [landed("d/2/a", size=99), landed("d/1/b", size=99), landed("d/2/c", size=99)]
    batches = pack(objects, max_bytes=1, max_files=1, by_folder=True)
    assert [[item.name for item in batch] for batch in batches] == [["d/1/b"], ["d/2/a", "d/2/c"]]

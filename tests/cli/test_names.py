"""Which object a file becomes, and whether its dataset finds it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.errors import CliError
from cli.names import Place, glob_pattern

ORDERS = Place.of("gs://{landing}/orders/*.csv*", "in")
INVENTORY = Place.of("gs://{landing}/inventory/*/*.csv*", "in")


def test_the_landing_bucket_stands_in_for_its_placeholder() -> None:
    assert Place.of("gs://{landing}/orders/*.csv", "my-landing").bucket == "my-landing"
    assert Place.of("gs://partner-bucket/out/*.csv", "my-landing").bucket == "partner-bucket"


def test_a_file_lands_in_the_fixed_folder_of_the_glob() -> None:
    assert ORDERS.object_name(Path("/anywhere/at/all/today.csv.gz"), None) == "orders/today.csv.gz"


def test_a_file_keeps_as_many_folders_as_the_glob_has() -> None:
    assert INVENTORY.object_name(Path("/x/2026-11-18/stock.csv"), None) == "inventory/2026-11-18/stock.csv"


def test_a_relative_file_takes_its_folder_from_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "2026-11-18").mkdir()
    monkeypatch.chdir(tmp_path / "2026-11-18")

    assert INVENTORY.object_name(Path("stock.csv"), None) == "inventory/2026-11-18/stock.csv"


@pytest.mark.parametrize("named", ["orders/a.csv", "a.csv"])
def test_a_given_name_may_leave_the_fixed_folder_out(named: str) -> None:
    assert ORDERS.object_name(Path("whatever.txt"), named) == "orders/a.csv"


def test_a_name_that_the_dataset_would_not_find_is_refused_and_the_glob_is_shown() -> None:
    with pytest.raises(CliError, match=r"orders/\*\.csv\*") as refused:
        ORDERS.object_name(Path("/x/today.json"), None)
    assert refused.value.code == 2


def test_a_name_cannot_leave_the_folder_of_a_single_star() -> None:
    with pytest.raises(CliError):
        ORDERS.object_name(Path("x"), "sub/a.csv")


def test_another_store_than_cloud_storage_is_refused() -> None:
    with pytest.raises(CliError, match="gs://"):
        Place.of("s3://bucket/a/*.csv", "in")


@pytest.mark.parametrize(
    ("glob", "name", "found"),
    [
        ("a/*.csv", "a/b.csv", True),
        ("a/*.csv", "a/b/c.csv", False),
        ("a/**/*.csv", "a/b/c/d.csv", True),
        ("a/**/*.csv", "a/d.csv", True),
        ("a/**", "a/b/c.txt", True),
        ("a/?.csv", "a/x.csv", True),
        ("a/?.csv", "a//.csv", False),
        ("a/[0-9].csv", "a/7.csv", True),
        ("a/[!0-9].csv", "a/7.csv", False),
        ("a/*.{csv,tsv}", "a/x.tsv", True),
        ("a/*.{csv,tsv}", "a/x.txt", False),
        ("a/b.csv", "a/bxcsv", False),
    ],
)
def test_globs_are_read_as_cloud_storage_reads_them(glob: str, name: str, found: bool) -> None:
    import re

    assert bool(re.fullmatch(glob_pattern(glob), name)) is found

"""Which sample files `make run` drops."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.names import Place
from include.spec.dataset import Dataset, load_dataset
from include.spec.settings import DATASETS
from local.sample_drop import Sample, SampleSet, checksum_of


def _dataset(name: str) -> Dataset:
    return load_dataset(DATASETS / name, rules=False)


def _set(name: str, *names: str) -> SampleSet:
    dataset = _dataset(name)
    place = Place.of(dataset.pipeline.source.uri, "in")
    return SampleSet(dataset, place, tuple(Sample(Path(n), n, f"sum of {n}") for n in names))


def test_the_checksum_is_the_one_that_cloud_storage_gives(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"123456789")

    assert checksum_of(path) == "4waSgw=="  # the check value of CRC-32C, e3069283


def test_samples_keep_their_folders_and_markers_are_none() -> None:
    found = SampleSet.of(_dataset("inventory"), [DATASETS], "in")

    assert [sample.name for sample in found.samples] == [
        "inventory/2026-11-18/stock-DE01.csv",
        "inventory/2026-11-18/stock-FR01.csv",
        "inventory/2026-11-19/stock-DE01.csv.gz",
    ]


def test_another_folder_of_samples_needs_no_folder_called_samples(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "mine.csv").write_bytes(b"x")
    (tmp_path / "orders" / "notes.txt").write_bytes(b"no sample")

    found = SampleSet.of(_dataset("orders"), [tmp_path], "in")

    assert [sample.name for sample in found.samples] == ["orders/mine.csv"]


def test_samples_of_several_folders_are_one_set(tmp_path: Path) -> None:
    for folder, name in (("a/orders/samples", "1.csv"), ("b/orders", "2.csv")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / name).write_bytes(b"x")

    found = SampleSet.of(_dataset("orders"), [tmp_path / "a", tmp_path / "b"], "in")

    assert [sample.name for sample in found.samples] == ["orders/1.csv", "orders/2.csv"]


def test_a_dataset_without_samples_has_none(tmp_path: Path) -> None:
    assert SampleSet.of(_dataset("orders"), [tmp_path], "in").samples == ()


def test_what_is_known_with_the_same_content_is_not_dropped_again() -> None:
    samples = _set("orders", "orders/a.csv", "orders/b.csv", "orders/c.csv")

    new = samples.new({"orders/a.csv": {"sum of orders/a.csv"}, "orders/b.csv": {"another sum"}})

    assert [sample.name for sample in new] == ["orders/b.csv", "orders/c.csv"]


@pytest.mark.parametrize("changed", ["inventory/1/a.csv", "inventory/1/b.csv"])
def test_a_changed_file_of_a_replaced_partition_brings_its_folder_along(changed: str) -> None:
    names = ["inventory/1/a.csv", "inventory/1/b.csv", "inventory/2/a.csv"]
    samples = _set("inventory", *names)

    new = samples.new({name: {f"sum of {name}"} for name in names if name != changed})

    assert [sample.name for sample in new] == names[:2]

"""The generator of sample files, and the samples that it wrote into the repository."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from include.ledger.landing import Landed
from include.ledger.runner import choose
from include.spec.dataset import load_dataset
from local.mess.orders import reference
from local.samples import DATASETS, MARKER, SHIPPED, SOURCES, generate, main, write_large


def _plain(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def _truth(path: Path) -> dict[str, dict[str, int]]:
    loaded: dict[str, dict[str, int]] = json.loads(path.read_text())
    return loaded


@pytest.mark.parametrize("dataset", SHIPPED)
def test_the_shipped_samples_are_what_the_generator_writes(dataset: str, tmp_path: Path) -> None:
    made = SHIPPED[dataset]

    fresh = generate(dataset, made.rows, made.seed, tmp_path, defects=made.defects)

    folder = DATASETS / dataset / "samples"
    shipped = {path.relative_to(folder).as_posix(): _plain(path) for path in folder.rglob("*") if path.is_file()}
    written = {path.relative_to(tmp_path).as_posix(): _plain(path) for path in tmp_path.rglob("*") if path.is_file()}
    assert shipped == written
    assert len(fresh) == 3


def test_the_shipped_reference_is_what_the_generator_writes() -> None:
    assert (DATASETS / "orders" / "reference" / "customers.csv").read_text(encoding="utf-8") == reference()


def test_the_shipped_samples_are_small() -> None:
    assert sum(path.stat().st_size for path in DATASETS.glob("*/samples/**/*") if path.is_file()) < 200_000


@pytest.mark.parametrize("dataset", SHIPPED)
def test_every_defect_stands_in_the_shipped_samples(dataset: str, tmp_path: Path) -> None:
    made = SHIPPED[dataset]
    generate(dataset, made.rows, made.seed, tmp_path, defects=made.defects, truth=tmp_path / "truth.json")

    assert set(_truth(tmp_path / "truth.json")["defects"]) == set(SOURCES[dataset]().defects)


@pytest.mark.parametrize("dataset", SOURCES)
def test_the_same_seed_gives_the_same_files_and_another_seed_others(dataset: str, tmp_path: Path) -> None:
    first, again, other = (
        [path.read_bytes() for path in generate(dataset, 300, seed, tmp_path / name)]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )

    assert first == again
    assert first != other


@pytest.mark.parametrize("dataset", SOURCES)
def test_every_record_of_the_truth_has_one_fate(dataset: str, tmp_path: Path) -> None:
    generate(dataset, 3001, 5, tmp_path, truth=tmp_path / "truth.json")

    truth = json.loads((tmp_path / "truth.json").read_text())
    for counts in [*truth["files"], truth["together"]]:
        parts = counts["loaded"] + counts["filtered"] + counts["duplicates"] + counts["quarantined"]
        assert counts["records"] == parts
    assert truth["together"]["records"] == 3001
    assert truth["together"]["quarantined"] == sum(truth["defects"].values())


def test_without_defects_a_csv_reader_finds_the_records_of_the_truth(tmp_path: Path) -> None:
    paths = generate("orders", 2000, 3, tmp_path, defects=0, truth=tmp_path / "truth.json")

    truth = json.loads((tmp_path / "truth.json").read_text())
    for path, counts in zip(paths, truth["files"], strict=True):
        text = _plain(path).decode("utf-8-sig")
        records = [row for row in csv.reader(text.splitlines(keepends=True)) if row]
        assert len(records) - 1 == counts["records"]
        assert {len(row) for row in records} == {len(records[0])}


def test_without_defects_every_event_is_json(tmp_path: Path) -> None:
    paths = generate("events", 900, 3, tmp_path, defects=0)

    events = [json.loads(line) for path in paths for line in _plain(path).splitlines() if line]
    assert len(events) == 900
    assert all(isinstance(event, dict) for event in events)


def test_the_mess_is_there(tmp_path: Path) -> None:
    plain, turned, packed = generate("orders", 6000, 3, tmp_path)

    assert plain.read_bytes().startswith(b"order_id,")
    assert turned.read_bytes().startswith(b"\xef\xbb\xbfnotes,")
    assert b"\r\n" in turned.read_bytes()
    assert b"\n\n" in plain.read_bytes()
    assert packed.suffix == ".gz"
    text = _plain(packed).decode("utf-8", "surrogateescape")
    for piece in ('""small""', "🎁", ',"",', "SHIPPED", "2026-02-30", "12.345", "channel"):
        assert piece in text


def test_a_day_of_stock_is_a_folder_with_a_marker(tmp_path: Path) -> None:
    paths = generate("inventory", 400, 3, tmp_path, files=4)

    folders = {path.parent for path in paths}
    assert [folder.name for folder in sorted(folders)] == ["2026-11-18", "2026-11-19"]
    assert all((folder / MARKER).is_file() for folder in folders)


def test_wrong_arguments_are_told_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["orders", "--rows", "0", "--out", str(tmp_path)]) == 1

    assert capsys.readouterr().err.startswith("landfall: needs at least one file")


def test_the_command_line_writes_files_and_truth(tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"

    assert main(["events", "--rows", "50", "--files", "2", "--out", str(tmp_path / "e"), "--truth", str(truth)]) == 0

    assert len(list((tmp_path / "e").iterdir())) == 2
    assert json.loads(truth.read_text())["together"]["records"] == 50


def test_the_large_sample_is_large_for_its_dataset_and_has_orders_of_its_own(tmp_path: Path) -> None:
    dataset = load_dataset(DATASETS / "orders")
    truth = write_large(tmp_path)
    path = tmp_path / truth.name

    chosen = choose(dataset, [Landed("in", truth.name, 1, path.stat().st_size, "")])

    assert (chosen.runner, chosen.shards) == ("dataflow", 3)
    assert not any((DATASETS / "orders" / "samples").rglob(truth.name))
    assert truth.records == truth.loaded + truth.filtered + truth.duplicates + truth.quarantined
    assert all(line.startswith(b"2") for line in path.read_bytes().splitlines() if line[:7].isdigit())
    assert b',"first floor,\nsecond door"' in path.read_bytes()

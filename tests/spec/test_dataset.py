"""A folder becomes a dataset, or one error that holds all that is wrong with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.spec.dataset import Dataset, build_dataset, list_folders, load_dataset
from include.spec.document import parse_yaml
from include.spec.errors import Problem, SpecError
from include.spec.settings import DATASETS

NAMES = ("events", "inventory", "orders")


def problems(folder: Path) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        load_dataset(folder)
    return list(caught.value.problems)


def test_the_shipped_folders_load() -> None:
    datasets = [load_dataset(folder) for folder in list_folders(DATASETS)]
    assert [dataset.name for dataset in datasets] == list(NAMES)
    assert [dataset.pipeline.load.mode for dataset in datasets] == ["append", "replace_partition", "merge"]


def test_columns_that_are_made_are_not_expected_in_the_file() -> None:
    orders = load_dataset(DATASETS / "orders")
    made = {column.name for column in orders.columns} - {column.name for column in orders.source_columns}
    assert made == {"discount", "segment", "country"}


def test_the_key_keeps_the_order_of_its_positions(spec: Any) -> None:
    spec.columns[0]["primaryKeyPosition"] = 2
    spec.columns[2].update(primaryKey=True, primaryKeyPosition=1)
    assert spec.build().key == ("note", "id")


def test_the_partition_and_a_column_are_found_by_what_they_are(spec: Any) -> None:
    dataset = spec.build()
    assert dataset.partition.name == "day"
    assert dataset.column("note").kind == "string"
    with pytest.raises(KeyError):
        dataset.column("nope")


def test_all_errors_of_both_files_are_reported_together(orders: Any) -> None:
    orders.change("contract.yaml", "logicalTypeOptions: {minimum: 1}", "logicalTypeOptions: {minimun: 1}")
    orders.change("contract.yaml", "status: active", "status: 7")
    orders.change(
        "contract.yaml", "physicalType: NUMERIC(10, 2)\n        required", "physicalType: 2\n        required"
    )
    orders.change("pipeline.yaml", "mode: merge", "mode: upsert")
    orders.change("pipeline.yaml", "attempts: 3", "attempts: many")
    found = problems(orders.path)
    assert {(problem.file, problem.key) for problem in found} == {
        ("orders/contract.yaml", "status"),
        ("orders/contract.yaml", "schema.0.properties.0.logicalTypeOptions.minimun"),
        ("orders/contract.yaml", "schema.0.properties.6.physicalType"),
        ("orders/pipeline.yaml", "load.mode"),
        ("orders/pipeline.yaml", "retry.attempts"),
    }
    lines = {problem.key: problem.line for problem in found}
    assert lines["status"] == orders.line("contract.yaml", "status: 7")
    assert lines["load.mode"] == orders.line("pipeline.yaml", "mode: upsert")


def test_the_error_itself_reads_one_line_for_each_problem(orders: Any) -> None:
    orders.change("pipeline.yaml", "mode: merge", "mode: upsert")
    orders.change("pipeline.yaml", "attempts: 3", "attempts: many")
    with pytest.raises(SpecError) as caught:
        load_dataset(orders.path)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    line = orders.line("pipeline.yaml", "mode: upsert")
    assert str(caught.value.problems[0]) == (
        f"orders/pipeline.yaml:{line}: load.mode: must be 'merge', 'append' or 'replace_partition' (got upsert). "
        "Use one of these values."
    )


def test_a_missing_file_is_reported_with_the_other_files_errors(orders: Any) -> None:
    (orders.path / "contract.yaml").unlink()
    orders.change("pipeline.yaml", "mode: merge", "mode: upsert")
    missing, wrong = problems(orders.path)
    assert (missing.file, missing.line) == ("orders/contract.yaml", 0)
    assert "cannot be read" in missing.message
    assert wrong.key == "load.mode"


def test_two_missing_files_are_both_reported(tmp_path: Path) -> None:
    assert [problem.file for problem in problems(tmp_path)] == [
        f"{tmp_path.name}/contract.yaml",
        f"{tmp_path.name}/pipeline.yaml",
    ]


def test_a_contract_with_two_tables_is_refused(spec: Any) -> None:
    spec.contract["schema"].append({"name": "more", "properties": []})
    assert spec.problem().message == "must hold one table, not 2"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "names a file that is not there"),
        (b"customer_id,segment\nC00001,gold\n", "lacks the columns country"),
        (b"", "lacks the columns customer_id, segment, country"),
        (b"\xff\xfe\x00", "no readable CSV"),
        (b'"' + b"x" * 200_000, "no readable CSV"),
    ],
)
def test_a_reference_file_that_cannot_serve_is_refused(orders: Any, content: bytes | None, message: str) -> None:
    path = orders.path / "reference" / "customers.csv"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    (problem,) = problems(orders.path)
    assert message in problem.message
    assert (problem.key, problem.line) == ("enrich.with", orders.line("pipeline.yaml", "enrich:"))


@pytest.mark.parametrize("name", NAMES)
def test_a_dataset_survives_the_trip_to_another_process(name: str) -> None:
    dataset = load_dataset(DATASETS / name)
    again = Dataset.from_wire(json.loads(json.dumps(dataset.to_wire())))
    assert again == dataset
    assert again.fingerprint == dataset.fingerprint


@pytest.mark.parametrize("text", ["emoji 😀", "line\u2028separator", "tab\tand\x85", "no", "1e5", "2026-01-31", "\x7f"])
def test_text_of_any_kind_survives_the_trip(spec: Any, text: str) -> None:
    dataset = spec.build()
    contract = dataset.contract.model_copy(update={"description": {"purpose": text}})
    dataset = dataset.model_copy(update={"contract": contract})
    assert Dataset.from_wire(json.loads(json.dumps(dataset.to_wire()))).contract.description == {"purpose": text}


def test_what_is_no_dataset_is_refused_on_arrival() -> None:
    with pytest.raises(SpecError, match="must hold a mapping"):
        Dataset.from_wire({"name": "x", "contract": None, "pipeline": []})


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("pipeline.yaml", "quarantined: 25%", "quarantined: 26%"),
        ("pipeline.yaml", "UPPER(TRIM(sku))", "TRIM(UPPER(sku))"),
        ("pipeline.yaml", "every: 1m", "every: 2m"),
        ("contract.yaml", "maximum: 10000", "maximum: 10001"),
        ("contract.yaml", "version: 1.0.0", "version: 1.0.1"),
        ("contract.yaml", "maxLength: 2000", "maxLength: 2001"),
    ],
)
def test_any_change_changes_the_fingerprint(orders: Any, file: str, old: str, new: str) -> None:
    before = load_dataset(orders.path).fingerprint
    orders.change(file, old, new)
    after = load_dataset(orders.path).fingerprint
    assert len(before) == len(after) == 16
    assert after != before


def test_comments_and_the_order_of_keys_change_nothing(orders: Any) -> None:
    before = load_dataset(orders.path).fingerprint
    path = orders.path / "pipeline.yaml"
    data = parse_yaml(path.read_bytes(), "f")
    path.write_text("# said anew\n" + yaml.safe_dump(data, sort_keys=True), encoding="utf-8")
    assert load_dataset(orders.path).fingerprint == before


def test_where_files_are_transformed_changes_no_answer_and_no_fingerprint(orders: Any) -> None:
    before = load_dataset(orders.path)
    orders.change("pipeline.yaml", "dataflow_above: 1MB, shard: 1MB", "dataflow_above: 1B, shard: 2MB")
    after = load_dataset(orders.path)
    assert (before.pipeline.transform.most_bytes, after.pipeline.transform.most_bytes) == (1_000_000, 1)
    assert (before.pipeline.transform.shard_bytes, after.pipeline.transform.shard_bytes) == (1_000_000, 2_000_000)
    assert after.fingerprint == before.fingerprint
    assert Dataset.from_wire(after.to_wire()).pipeline.transform == after.pipeline.transform


def test_the_folders_name_is_part_of_the_fingerprint(orders: Any) -> None:
    texts = {file: (orders.path / file).read_bytes() for file in ("contract.yaml", "pipeline.yaml")}
    assert build_dataset("orders", texts).fingerprint != build_dataset("other", texts).fingerprint


def test_folders_are_listed_by_name_whatever_order_the_file_system_gives(tmp_path: Path) -> None:
    for name in ("b", "a", "c", ".git", "_shared", "__pycache__"):
        (tmp_path / name).mkdir()
    (tmp_path / "README.md").write_text("no folder")
    assert [folder.name for folder in list_folders(tmp_path)] == ["a", "b", "c"]
    assert list_folders(tmp_path / "absent") == []


def test_one_broken_folder_says_nothing_of_another(orders: Any) -> None:
    shutil.copytree(DATASETS / "events", orders.path.parent / "events")
    orders.change("pipeline.yaml", "mode: merge", "mode: upsert")
    assert load_dataset(orders.path.parent / "events").name == "events"
    assert {problem.file for problem in problems(orders.path)} == {"orders/pipeline.yaml"}


def test_a_value_that_is_long_is_cut_in_the_message(spec: Any) -> None:
    spec.pipeline["load"]["mode"] = "x" * 500
    assert len(str(spec.problem())) < 300

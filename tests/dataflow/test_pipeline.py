"""A large file's pipeline gives what the function gives: for files of all kinds, on two processes, and done again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.dataflow.work import Job, Worker
from tests.dataflow.builder import by_beam, job, result
from tests.dataflow.random_files import RandomFile, random_file
from tests.dataflow.test_work import CSV, numbered
from tests.dataflow.through import BEAM, same
from tests.engine.builder import Result

FEW, ALL, EACH = 12, 200, 20


def landed(file: RandomFile, root: Path) -> Job:
    return job(file.spec, file.content, root, shard_bytes=file.shard_bytes, **file.pinned)


def whole(file: RandomFile, root: Path) -> Result:
    """What the function gives."""
    wanted = landed(file, root)
    Worker(wanted).whole()
    return result(wanted, root)


def check(numbers: range, root: Path, *options: str) -> None:
    for number in numbers:
        file, folder = random_file(number), root / str(number)
        wanted = landed(file, folder / "large")
        by_beam(wanted, *(options or BEAM))
        same(result(wanted, folder / "large"), whole(file, folder / "whole"))


@pytest.mark.parametrize("first", range(0, FEW, 6))
def test_a_random_file_gives_the_functions_answer(first: int, tmp_path: Path) -> None:
    check(range(first, first + 6), tmp_path)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(0, ALL, EACH))
def test_each_of_200_random_files_gives_the_functions_answer(first: int, tmp_path: Path) -> None:
    check(range(first, first + EACH), tmp_path)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [5, 15, 21])
def test_two_processes_give_the_functions_answer(number: int, tmp_path: Path) -> None:
    two = ("--runner=DirectRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2")
    check(range(number, number + 1), tmp_path, *two)


def test_the_random_files_are_of_all_kinds() -> None:
    files = [random_file(number) for number in range(ALL)]
    formats = [file.spec.pipeline.format for file in files]
    assert {form.type for form in formats} == {"csv", "ndjson"}
    assert {form.header for form in formats} == {True, False}
    assert {form.delimiter for form in formats} == {",", ";", "\t", "|"}
    assert {form.unexpected_columns for form in formats} == {"fail", "ignore", "quarantine"}
    assert {file.spec.pipeline.load.keep for file in files} == {"first", "last"}
    assert {bool(file.spec.pipeline.mask) for file in files} == {True, False}
    assert sum(len(file.content) > 3 * file.shard_bytes for file in files) >= 40


@pytest.fixture
def numbers(tmp_path: Path) -> RandomFile:
    """A file with duplicates far from one another, in five shards."""
    content = numbered(400)
    return RandomFile(CSV["one key"], content, len(content) // 5 + 1, {})


def contents(root: Path) -> dict[Path, bytes]:
    """What was published, once and for all."""
    return {path: path.read_bytes() for path in (root / "work").rglob("*.json")}


def test_elements_that_are_processed_twice_give_the_functions_answer(
    numbers: RandomFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.dataflow.pipeline import Step

    process, processed = Step.process, []

    def twice(self: Step, element: Any) -> Iterator[Any]:
        before = list(process(self, element))
        published = contents(tmp_path / "large")
        processed.append(before)
        yield from process(self, element)
        assert contents(tmp_path / "large") == published

    monkeypatch.setattr(Step, "process", twice)
    wanted = landed(numbers, tmp_path / "large")
    by_beam(wanted, *BEAM)
    assert len(processed) > 20
    found = result(wanted, tmp_path / "large")
    assert found.manifest.duplicates == 9
    same(found, whole(numbers, tmp_path / "whole"))


@pytest.mark.parametrize(
    "step",
    [
        "read",
        pytest.param("scout", marks=pytest.mark.long),
        pytest.param("resolve", marks=pytest.mark.long),
        pytest.param("hashes", marks=pytest.mark.long),
        pytest.param("repeating", marks=pytest.mark.long),
        pytest.param("suspects", marks=pytest.mark.long),
        pytest.param("losers", marks=pytest.mark.long),
        pytest.param("thin", marks=pytest.mark.long),
        pytest.param("finish", marks=pytest.mark.long),
    ],
)
def test_a_pipeline_that_failed_in_the_middle_gives_the_functions_answer_when_it_is_run_again(
    step: str, numbers: RandomFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = getattr(Worker, step)
    left = 1 if step in ("resolve", "finish") else 2

    def breaks(self: Worker, *arguments: Any) -> Any:
        nonlocal left
        found = done(self, *arguments)
        found = list(found) if isinstance(found, Iterator) else found
        left -= 1
        if not left:
            raise OSError("the machine is gone")
        return found

    wanted = landed(numbers, tmp_path / "large")
    with monkeypatch.context() as patched:
        patched.setattr(Worker, step, breaks)
        with pytest.raises(Exception, match="internal: OSError"):
            by_beam(wanted, *BEAM)
    published = contents(tmp_path / "large")
    by_beam(wanted, *BEAM)
    assert published.items() <= contents(tmp_path / "large").items()
    same(result(wanted, tmp_path / "large"), whole(numbers, tmp_path / "whole"))

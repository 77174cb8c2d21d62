"""Names that follow from what they name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.ledger.identity import batch_id, commit_id, content_hash, file_id

BATCH: dict[str, Any] = {"fingerprint": "f", "references": ["r"], "engine": "1", "epoch": ""}


@pytest.mark.parametrize("other", [("b2", "n", 1, "c"), ("b", "n2", 1, "c"), ("b", "n", 2, "c"), ("b", "n", 1, "c2")])
def test_a_file_id_changes_with_every_part(other: tuple[str, str, int, str]) -> None:
    assert file_id("b", "n", 1, "c") != file_id(*other)


@given(st.lists(st.text(max_size=5), max_size=5))
def test_the_order_of_files_does_not_change_a_batch_id(ids: list[str]) -> None:
    assert batch_id(ids, **BATCH) == batch_id(reversed(ids), **BATCH)


@pytest.mark.parametrize("change", [{"fingerprint": "g"}, {"references": []}, {"engine": "2"}, {"epoch": "run"}])
def test_a_batch_id_changes_with_whatever_can_change_the_answer(change: dict[str, Any]) -> None:
    assert batch_id(["a"], **BATCH) != batch_id(["a"], **{**BATCH, **change})


def test_parts_do_not_run_into_one_another() -> None:
    assert file_id("ab", "c", 1, "") != file_id("a", "bc", 1, "")
    assert commit_id(["ab", "c"], "run") != commit_id(["a", "bc"], "run")


def test_two_runs_that_bring_the_same_batches_commit_under_names_of_their_own() -> None:
    assert commit_id(["a", "b"], "one") == commit_id(["b", "a"], "one")
    assert commit_id(["a", "b"], "one") != commit_id(["a", "b"], "two")


def test_a_released_file_makes_another_batch_than_the_one_that_was_held() -> None:
    assert batch_id(["a", "b"], **BATCH, released=["a"]) != batch_id(["a", "b"], **BATCH)
    assert batch_id(["a", "b"], **BATCH, released=["a"]) != batch_id(["a", "b"], **BATCH, released=["b"])


def test_the_same_content_has_the_same_name() -> None:
    assert content_hash(b"x") == content_hash(b"x") != content_hash(b"y")

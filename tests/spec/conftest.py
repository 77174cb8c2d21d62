"""Dataset folders to break."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.spec.dataset import Dataset, build_dataset
from include.spec.errors import Problem, SpecError
from include.spec.settings import DATASETS

CONFORMANCE = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "odcs"


@pytest.fixture
def odcs() -> Path:
    """The standard's own schemas and examples, which are no part of this repository."""
    if not CONFORMANCE.is_dir():
        pytest.skip("the ODCS conformance files are not beside this repository")
    return CONFORMANCE


class Folder:
    """A copy of a shipped dataset folder, whose text can be changed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def change(self, file: str, old: str, new: str) -> None:
        text = (self.path / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        (self.path / file).write_text(text.replace(old, new), encoding="utf-8")

    def line(self, file: str, text: str) -> int:
        lines = (self.path / file).read_text(encoding="utf-8").splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.fixture
def orders(tmp_path: Path) -> Folder:
    shutil.copytree(DATASETS / "orders", tmp_path / "orders")
    return Folder(tmp_path / "orders")


class Spec:
    """The smallest valid contract and pipeline, as data to be changed."""

    def __init__(self) -> None:
        self.columns: list[dict[str, Any]] = [
            {"name": "id", "logicalType": "integer", "primaryKey": True},
            {"name": "day", "logicalType": "date", "partitioned": True},
            {"name": "note", "logicalType": "string"},
        ]
        self.contract: dict[str, Any] = {
            "kind": "DataContract",
            "apiVersion": "v3.1.0",
            "id": "one",
            "version": "1.0.0",
            "status": "active",
            "schema": [{"name": "things", "properties": self.columns}],
        }
        self.pipeline: dict[str, Any] = {
            "source": {"uri": "gs://{landing}/things/*.csv"},
            "format": {"type": "csv"},
            "load": {"table": "shop.things", "mode": "append"},
        }

    def build(self, name: str = "things") -> Dataset:
        dump = {"sort_keys": False, "allow_unicode": True}
        texts = {
            "contract.yaml": yaml.safe_dump(self.contract, **dump).encode(),
            "pipeline.yaml": yaml.safe_dump(self.pipeline, **dump).encode(),
        }
        return build_dataset(name, texts)

    def problems(self, name: str = "things") -> list[Problem]:
        with pytest.raises(SpecError) as caught:
            self.build(name)
        return list(caught.value.problems)

    def problem(self, name: str = "things") -> Problem:
        (found,) = self.problems(name)
        return found


@pytest.fixture
def spec() -> Spec:
    return Spec()

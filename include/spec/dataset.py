"""A dataset: its contract and its pipeline, read together and checked against one another."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from include.spec.columns import Column, ColumnError, resolve
from include.spec.contract import Contract
from include.spec.document import line_of, parse_yaml, value_at
from include.spec.errors import Problem, SpecError
from include.spec.explain import Path_, explain
from include.spec.model import Model
from include.spec.pipeline import Pipeline

CONTRACT = "contract.yaml"
PIPELINE = "pipeline.yaml"

M = TypeVar("M", bound=Model)

# characters of a reference file's header
_MAX_HEADER = 65_536


class Dataset(Model):
    """One dataset folder, read.

    Args:
        name: the folder's name; the DAG is called ``ingest_<name>``.
        contract: what the dataset holds.
        pipeline: how it gets in.
        columns: the columns of the target table, in the contract's order.
    """

    name: str
    contract: Contract
    pipeline: Pipeline
    columns: tuple[Column, ...]

    @property
    def source_columns(self) -> tuple[Column, ...]:
        """The columns that a landed file brings: those neither derived nor taken from a reference."""
        made = set(self.pipeline.derive) | set(self.pipeline.enrich.take if self.pipeline.enrich else ())
        return tuple(column for column in self.columns if column.name not in made)

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key's columns, in key order."""
        keyed = sorted((c for c in self.columns if c.key_position), key=lambda c: c.key_position)
        return tuple(column.name for column in keyed)

    @property
    def partition(self) -> Column | None:
        """The column by which the target table is partitioned."""
        return next((column for column in self.columns if column.partition), None)

    def column(self, name: str) -> Column:
        """Return the column of that name.

        Raises:
            KeyError: the contract has none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def to_wire(self) -> dict[str, Any]:
        """Return plain JSON data from which `from_wire` makes the same dataset in another process."""
        return {
            "name": self.name,
            "contract": self.contract.model_dump(mode="json", by_alias=True, exclude_unset=True),
            "pipeline": self.pipeline.model_dump(mode="json", by_alias=True, exclude_unset=True),
        }

    @classmethod
    def from_wire(cls, data: dict[str, Any]) -> Dataset:
        """Make a dataset of what `to_wire` returned.

        Raises:
            SpecError: the data are no valid dataset.
        """
        texts = {
            CONTRACT: json.dumps(data.get("contract"), indent=1).encode(),
            PIPELINE: json.dumps(data.get("pipeline"), indent=1).encode(),
        }
        return build_dataset(str(data.get("name")), texts)

    @property
    def fingerprint(self) -> str:
        """A hash of contract and pipeline: 16 hexadecimal digits that change whenever an answer can."""
        wire = self.to_wire()
        # Where a file is transformed changes no answer.
        wire["pipeline"].pop("transform", None)
        canonical = json.dumps(wire, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def load_dataset(folder: Path, *, rules: bool = True) -> Dataset:
    """Read a dataset folder.

    Args:
        folder: holds contract.yaml and pipeline.yaml.
        rules: also check the rules' expressions; needs SQLGlot, whose import costs as much as 100 folders.

    Raises:
        SpecError: anything is wrong; every problem of the folder is in it.
    """
    texts: dict[str, bytes] = {}
    problems: list[Problem] = []
    for name in (CONTRACT, PIPELINE):
        try:
            texts[name] = (folder / name).read_bytes()
        except OSError as error:
            fix = f"Create {name}; `landfall check` and the tutorial show what belongs in it."
            problems.append(Problem(f"{folder.name}/{name}", 0, "", "", f"cannot be read: {error.strerror}", fix))
    if problems:
        for model, file in ((Contract, CONTRACT), (Pipeline, PIPELINE)):
            if file in texts:
                _validate(model, folder.name, file, texts[file], problems)
        raise SpecError(problems)
    dataset = build_dataset(folder.name, texts, rules=rules)
    reference_problems = list(_check_reference(dataset, folder, texts[PIPELINE]))
    if reference_problems:
        raise SpecError(reference_problems)
    return dataset


def build_dataset(name: str, texts: dict[str, bytes], *, rules: bool = True) -> Dataset:
    """Make a dataset of the text of its two files; see `load_dataset`."""
    from include.spec.checks import check_dataset

    problems: list[Problem] = []
    contract = _validate(Contract, name, CONTRACT, texts[CONTRACT], problems)
    pipeline = _validate(Pipeline, name, PIPELINE, texts[PIPELINE], problems)
    columns = _columns(contract, name, texts[CONTRACT], problems) if contract else ()
    if contract and pipeline and not problems:
        dataset = Dataset(name=name, contract=contract, pipeline=pipeline, columns=columns)
        for file, path, message, fix in check_dataset(dataset, rules=rules):
            problems.append(_problem(name, file, texts[file], path, message, fix))
        if not problems:
            return dataset
    raise SpecError(problems)


def list_folders(root: Path) -> list[Path]:
    """Return the dataset folders below a folder, sorted by name; hidden ones and ``_`` ones left out."""
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and p.name[0] not in "._")


def _validate(model: type[M], name: str, file: str, raw: bytes, problems: list[Problem]) -> M | None:
    try:
        return model.model_validate(parse_yaml(raw, f"{name}/{file}"), by_alias=True, by_name=False)
    except SpecError as error:
        problems.extend(error.problems)
    except ValidationError as error:
        data = parse_yaml(raw, f"{name}/{file}")
        for path, message, fix in explain(error, model):
            problems.append(_problem(name, file, raw, path, message, fix, data))
    return None


def _columns(contract: Contract, name: str, raw: bytes, problems: list[Problem]) -> tuple[Column, ...]:
    if len(contract.schema_) != 1:
        fix = "Give the contract one table; a second table is a second dataset folder."
        problems.append(
            _problem(name, CONTRACT, raw, ("schema",), f"must hold one table, not {len(contract.schema_)}", fix)
        )
        return ()
    columns = []
    for number, prop in enumerate(contract.schema_[0].properties):
        try:
            columns.append(resolve(prop))
        except ColumnError as error:
            path = ("schema", 0, "properties", number, *error.key)
            problems.append(_problem(name, CONTRACT, raw, path, str(error), error.fix))
    return tuple(columns)


def _problem(
    name: str, file: str, raw: bytes, path: Path_, message: str, fix: str, data: dict[str, Any] | None = None
) -> Problem:
    data = parse_yaml(raw, f"{name}/{file}") if data is None else data
    value = value_at(data, path) if path else None
    shown = value if isinstance(value, str) else "" if value is None else json.dumps(value, default=str)
    return Problem(f"{name}/{file}", line_of(raw, path), ".".join(map(str, path)), shown, message, fix)


def _check_reference(dataset: Dataset, folder: Path, raw: bytes) -> Iterator[Problem]:
    enrich = dataset.pipeline.enrich
    if enrich is None or enrich.table:
        return
    path = folder / enrich.with_
    where: Path_ = ("enrich", "with")
    if not path.is_file():
        fix = f"Put the file at {folder.name}/{enrich.with_}."
        yield _problem(folder.name, PIPELINE, raw, where, "names a file that is not there", fix)
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader([lines.readline(_MAX_HEADER)], strict=True), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"names a file that is no readable CSV: {error}"
        yield _problem(folder.name, PIPELINE, raw, where, message, "Save it as CSV in UTF-8.")
        return
    missing = [column for column in (enrich.on, *enrich.take) if column not in header]
    if missing:
        message = f"lacks the columns {', '.join(missing)}"
        fix = f"Its header is: {', '.join(header)}. Name the columns there as in the contract."
        yield _problem(folder.name, PIPELINE, raw, where, message, fix)

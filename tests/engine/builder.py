"""Makes datasets of a few lines, runs the engine over bytes, and reads back what it wrote."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from include.engine.account import FileAccount, Manifest
from include.engine.chosen import Chosen
from include.engine.run import Input, Limits, Secrets, transform
from include.spec.dataset import Dataset

FERNET_KEY = b"q1Wz0cJb3J9o0m7zYb5mF2Yt9v1Gm4aK0e5i7n3cZzA="
SECRETS = Secrets(mask_key=b"a mask key", raw_key=FERNET_KEY)

Row = dict[str, Any]


def column(name: str, kind: str = "string", **rest: Any) -> dict[str, Any]:
    """One property of a contract: `options` are its logicalTypeOptions; `valid` its valid values, `missing` none."""
    prop: dict[str, Any] = {"name": name, "logicalType": kind}
    if "options" in rest:
        prop["logicalTypeOptions"] = rest.pop("options")
    if "valid" in rest:
        check = {"metric": "invalidValues", "arguments": {"validValues": rest.pop("valid")}, "mustBe": 0}
        prop["quality"] = [check]
    if "missing" in rest:
        check = {"metric": "missingValues", "arguments": {"missingValues": rest.pop("missing")}, "mustBe": 0}
        prop["quality"] = [*prop.get("quality", ()), check]
    return {**prop, **rest}


def dataset(*columns: dict[str, Any], **pipeline: Any) -> Dataset:
    """A dataset of these columns; a pipeline's keys other than its defaults are given by name."""
    contract = {
        "kind": "DataContract",
        "apiVersion": "v3.1.0",
        "id": "test",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "things", "properties": list(columns)}],
    }
    whole = {
        "source": {"uri": "gs://{landing}/things/*"},
        "format": {"type": "csv"},
        "load": {"table": "a.things", "mode": "append"},
        **pipeline,
    }
    return Dataset.from_wire({"name": "things", "contract": contract, "pipeline": whole})


@dataclass(frozen=True)
class Result:
    """What one run wrote."""

    manifest: Manifest
    good: list[Row]
    quarantine: list[Row]

    @property
    def file(self) -> FileAccount:
        return self.manifest.files[0]

    @property
    def code(self) -> str:
        """Why the first file is held."""
        return self.file.reason.code if self.file.reason else ""

    @property
    def records(self) -> list[Row]:
        """The quarantined records, without the rows of whole files."""
        return [row for row in self.quarantine if row["record"] >= 0]

    @property
    def rules(self) -> list[list[str]]:
        """The names of the rules that each quarantined record broke."""
        return [[f"{r['rule']}:{r['column'] or ''}" for r in row["reasons"]] for row in self.records]

    @property
    def messages(self) -> list[str]:
        return [reason["message"] for row in self.records for reason in row["reasons"]]

    def values(self, name: str) -> list[Any]:
        return [row[name] for row in self.good]


def run(
    spec: Dataset,
    out: Path,
    *files: bytes,
    block: int = 4 << 20,
    secrets: Secrets = SECRETS,
    references: dict[str, Path] | None = None,
    limits: Limits | None = None,
    released: bool = False,
    chosen: dict[int, int] | None = None,
    is_function_only: bool = False,
) -> Result:
    """Run the engine over files given as bytes; with LANDFALL_TEST_THROUGH through a large file's job as well.

    Args:
        chosen: records of the files to read, as number to byte offset; none: all.
        is_function_only: what is tested is not to be found in a large file's job.
    """
    limits = limits or Limits(block=block, threads=1)

    def function() -> Result:
        inputs = [
            Input(
                f"file-{n}", f"gs://landing/{n}", lambda data=data: io.BytesIO(data), len(data),  # type: ignore[misc]
                released=released, chosen=None if chosen is None else Chosen(chosen),
            )
            for n, data in enumerate(files)
        ]  # fmt: skip
        manifest = transform(
            spec, inputs, out, batch_id="batch", references=references or {}, secrets=secrets, limits=limits
        )
        assert Manifest.from_json((out / "manifest.json").read_text()) == manifest
        good = read_parts(out, manifest.good)
        quarantine = read_parts(out, manifest.quarantine)
        for row in quarantine:
            row["reasons"] = json.loads(row["reasons"])
        return Result(manifest, good, quarantine)

    way = os.environ.get("LANDFALL_TEST_THROUGH")
    if not way:
        return function()
    from tests.dataflow.through import through, told

    # A batch of several files and a choice of records are never a large file's job.
    if is_function_only or len(files) != 1 or chosen is not None:
        told["runs of the function alone"] += 1
        return function()
    return through(
        way, function, spec, files[0],
        secrets=secrets, references=references or {}, limits=limits, released=released,
    )  # fmt: skip


def read_parts(out: Path, names: Sequence[str]) -> list[Row]:
    """Read Parquet parts back, in order."""
    return [row for name in names for row in pq.read_table(out / name).to_pylist()]


def lines(*records: str) -> bytes:
    """A file of these lines."""
    return "".join(f"{record}\n" for record in records).encode()

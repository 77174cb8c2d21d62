"""A dataset whose commits are made from rows that a test writes."""

from __future__ import annotations

import itertools
from datetime import datetime

from include.ledger.accounts import BATCH_TYPES, FILE_TYPES
from include.ledger.commit import Commit, staging_type
from include.ledger.queries import EVENT_TYPES, event_sql, states_sql
from include.ledger.states import FileState
from include.ledger.tables import COUNTS, FILE_ID, RECORD, Ledger, create_target_sql
from include.ledger.taking import Known
from include.spec.dataset import CONTRACT, PIPELINE, Dataset, build_dataset
from landfall.gcp.warehouse import Structs, Warehouse

numbers = itertools.count()

CONTRACT_TEXT = b"""
{kind: DataContract, apiVersion: v3.1.0, id: t, version: 1.0.0, status: active, schema: [{name: t, properties: [
 {name: k, logicalType: integer, primaryKey: true, required: true}, {name: day, logicalType: date, partitioned: true,
 required: true}, {name: v, logicalType: string}, {name: doc, logicalType: object}, {name: tags, logicalType: array,
 items: {logicalType: string}}, {name: price, logicalType: number, physicalType: "NUMERIC(10, 2)"}]}]}
"""


def dataset_of(mode: str, redelivered: str | None = None) -> Dataset:
    policy = f", redelivered: {redelivered}" if redelivered else ""
    pipeline = f"""
    {{source: {{uri: "gs://b/x/*", complete: marker}}, format: {{type: csv}},
      load: {{table: tests.t{next(numbers)}, mode: {mode}{policy}}}}}
    """.encode()
    return build_dataset(f"d{next(numbers)}", {CONTRACT: CONTRACT_TEXT, PIPELINE: pipeline})


class Bench:
    """One dataset whose commits are made from rows written here."""

    def __init__(self, warehouse: Warehouse, mode: str, redelivered: str | None = None) -> None:
        self.warehouse, self.dataset = warehouse, dataset_of(mode, redelivered)
        self.ledger = Ledger("landfall-local", "ops")
        warehouse.query(create_target_sql(self.dataset, self.ledger))

    def commit(
        self,
        files: dict[str, list[tuple[int, str, str]]],
        *,
        generation: int = 1,
        states: dict[str, str] | None = None,
        released: tuple[str, ...] = (),
        force: bool = False,
        expected: int | None = None,
        vouched: datetime | None = None,
        late: bool = False,
        again: tuple[str, ...] = (),
        run: str = "",
    ) -> None:
        """Commit files, given as name to rows of (key, day, value)."""
        name = f"stage{next(numbers)}"
        self._stage(name, files, generation)
        states = states or {}
        rows = [
            {"file_id": f"{file}@{generation}", "bucket": "b", "name": file, "generation": generation, "checksum": "",
             "size": 1, "released": file in released, "state": states.get(file, "loaded"), "reason": None,
             "batch_id": "batch", "place": place, "voucher": "set", "vouched_at": vouched, "late": late,
             "again": file in again, "opening": None,
             **dict.fromkeys(COUNTS, 0), "records": len(content), "loaded": len(content)}
            for place, (file, content) in enumerate(files.items())
        ]  # fmt: skip
        batch = {"batch_id": "batch", "commit_id": "c", "target": "t", "mode": "m", "files": len(rows),
                 "manifest": "gs://w/m", "rules": "{}", "evolved": None, **dict.fromkeys(COUNTS, 1)}  # fmt: skip
        admitted = sum(row["loaded"] for row in rows if row["state"] == "loaded")
        parameters = {
            "dataset": self.dataset.name, "run_id": run or f"run{next(numbers)}", "files": Structs(FILE_TYPES, rows),
            "batches": Structs(BATCH_TYPES, [batch]),
            "expected": admitted if expected is None else expected,
        }  # fmt: skip
        commit = Commit(self.dataset, self.ledger, self.ledger.staging(name), "", force)
        self.warehouse.run_once(commit.sql(), parameters, f"test-{self.dataset.name}-{next(numbers)}")

    def _stage(self, name: str, files: dict[str, list[tuple[int, str, str]]], generation: int) -> None:
        columns = ", ".join(f"{c.name} {staging_type(c)}" for c in self.dataset.columns)
        table = self.ledger.staging(name)
        self.warehouse.query(f"CREATE TABLE {table} ({columns}, {FILE_ID} STRING, {RECORD} INT64)")
        values = [
            f"({key}, DATE '{day}', '{value}', '{{\"a\": {key}}}', ['x'], NUMERIC '1.25', '{file}@{generation}', {n})"
            for file, rows in files.items()
            for n, (key, day, value) in enumerate(rows)
        ]
        if values:
            self.warehouse.query(f"INSERT INTO {table} VALUES {', '.join(values)}")

    def rows(self) -> list[tuple[int, str, str]]:
        found = self.warehouse.query(f"SELECT k, day, v FROM `{self.dataset.pipeline.load.table}` ORDER BY k, v")
        return [(row["k"], str(row["day"]), row["v"]) for row in found]

    def event(self, file: str, state: str, generation: int = 1, run: str = "late") -> None:
        """Write what a run says of a file outside of a commit."""
        row = {"file_id": f"{file}@{generation}", "bucket": "b", "name": file, "generation": generation,
               "checksum": "", "size": 1, "batch_id": None, "reason": None, "voucher": "",
               "vouched_at": None}  # fmt: skip
        parameters = {"dataset": self.dataset.name, "run_id": run, "files": Structs(EVENT_TYPES, [row])}
        self.warehouse.query(event_sql(self.ledger, FileState(state)), parameters)

    def known(self, *names: str) -> dict[str, Known]:
        parameters = {"dataset": self.dataset.name, "bucket": "b", "names": list(names)}
        found = [Known.of(row) for row in self.warehouse.query(states_sql(self.ledger), parameters)]
        return {item.file_id: item for item in found}

    def states(self) -> dict[str, str]:
        sql = f"SELECT file_id, state FROM {self.ledger.table('files_current')} WHERE dataset = @dataset"
        return {r["file_id"]: r["state"] for r in self.warehouse.query(sql, {"dataset": self.dataset.name})}

"""The engine's benchmark: its data have their truth beside them, answers are held against it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.bench.engine_bounds import bounds
from tests.bench.engine_data import Data, make
from tests.bench.engine_judge import Verdict, judge_engine
from tests.bench.engine_orders import STRUCTURAL, VALUES, Shape
from tests.bench.engine_process import Cost
from tests.bench.peers.engine import main

ROWS = 3_000


@pytest.fixture(scope="module", params=["csv", "ndjson"])
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Data:
    shape: Shape = request.param
    return make(tmp_path_factory.mktemp(shape), ROWS, shape)


def test_every_kind_of_bad_record_is_there(data: Data) -> None:
    assert {record["kind"] for record in data.bad_records()} == {*STRUCTURAL, *VALUES}
    assert pq.read_table(data.good).num_rows + len(list(data.bad_records())) == ROWS


def test_the_same_seed_gives_the_same_bytes(data: Data, tmp_path: Path) -> None:
    assert make(tmp_path, ROWS, data.shape).path.read_bytes() == data.path.read_bytes()


def test_the_engine_is_exact_on_the_benchmarks_data(data: Data, tmp_path: Path) -> None:
    main(str(data.path), str(tmp_path))
    bad = len(list(data.bad_records()))
    assert judge_engine(data, tmp_path / "batch-000") == Verdict(bad, bad, bad, 0)


def test_a_wrong_value_is_noticed(data: Data, tmp_path: Path) -> None:
    main(str(data.path), str(tmp_path))
    part = tmp_path / "batch-000" / json.loads((tmp_path / "batch-000/manifest.json").read_text())["good"][0]
    table = pq.read_table(part)
    place = table.column_names.index("sku")
    pq.write_table(table.set_column(place, "sku", table.column("customer_id")), part)
    assert judge_engine(data, tmp_path / "batch-000").wrong == "values of sku differ"


def test_a_bound_is_reached_or_not_or_not_measured() -> None:
    def row(cpu: float) -> tuple[int, Cost, Verdict]:
        return 10, Cost(cpu, 1, 300, 300), Verdict(2, 2, 2, 0)

    judged = bounds({"landfall": row(2), "duckdb floor": row(1.25), "stdlib loop": row(20)}, {})
    assert [bound.verdict for bound in judged[:5]] == [
        "reached", "aim reached", "aim reached", "NOT REACHED", "not measured"
    ]  # fmt: skip

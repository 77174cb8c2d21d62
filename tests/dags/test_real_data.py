"""Files that nobody here wrote go through the whole DAG into BigQuery, and every record is accounted for."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DATASETS = Path(__file__).resolve().parent.parent / "datasets"
TASKS = ("wait_for_files", "plan", "transform", "load", "verify", "archive")
ALL_DONE = {task: ["success"] for task in TASKS}

Query = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def ingest(run_dag: Any, landing: Any, query: Query, shared_data: Path) -> Callable[[str, str], dict[str, Any]]:
    """Land one file, run its dataset's DAG, and return the ledger's row for the file."""

    def run(dataset: str, name: str) -> dict[str, Any]:
        landing.blob(f"{dataset}/{name}").upload_from_filename(str(shared_data / name))
        finished = run_dag(f"ingest_{dataset}", datasets=DATASETS)
        assert finished.state == "success"
        assert finished.tasks == ALL_DONE
        rows = query(
            "SELECT * FROM landfall_ops.files_current WHERE dataset = @dataset AND run_id = @run",
            {"dataset": dataset, "run": finished.run_id},
        )
        assert len(rows) == 1
        return rows[0]

    return run


def counts(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[name] for name in ("records", "loaded", "filtered", "duplicates", "quarantined"))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_birdstrikes_with_spaces_and_signs_in_their_column_names(ingest: Any, query: Query, shared_data: Path) -> None:
    assert counts(ingest("birdstrikes", "birdstrikes.csv")) == (10_000, 10_000, 0, 0, 0)
    theirs = read_csv(shared_data / "birdstrikes.csv")
    ours = query("SELECT COUNT(*) n, SUM(cost_total) total, COUNTIF(speed_knots IS NULL) unknown FROM real.birdstrikes")
    assert ours == [{
        "n": 10_000,
        "total": sum(int(row["Cost Total $"]) for row in theirs),
        "unknown": sum(row["Speed IAS in knots"] == "" for row in theirs),
    }]  # fmt: skip


def test_flights_out_of_one_json_array(ingest: Any, query: Query, shared_data: Path) -> None:
    assert counts(ingest("flights", "flights-20k.json")) == (20_000, 20_000, 0, 0, 0)
    theirs = json.loads((shared_data / "flights-20k.json").read_text())
    ours = query(
        "SELECT SUM(delay) delay, FORMAT_TIMESTAMP('%Y/%m/%d %H:%M', MIN(date)) first,"
        " FORMAT_TIMESTAMP('%Y/%m/%d %H:%M', MAX(date)) last FROM real.flights"
    )
    dates = [row["date"] for row in theirs]
    assert ours == [{"delay": sum(row["delay"] for row in theirs), "first": min(dates), "last": max(dates)}]


def test_weather_with_a_derived_column(ingest: Any, query: Query, shared_data: Path) -> None:
    assert counts(ingest("weather", "seattle-weather.csv")) == (1_461, 1_461, 0, 0, 0)
    theirs = read_csv(shared_data / "seattle-weather.csv")
    ours = query("SELECT COUNTIF(warm) warm, CAST(SUM(precipitation) AS STRING) rain FROM real.weather")
    assert ours[0]["warm"] == sum(float(row["temp_max"]) > 20 for row in theirs)
    from decimal import Decimal

    assert Decimal(ours[0]["rain"]) == sum(Decimal(row["precipitation"]) for row in theirs)


def test_the_leading_zeros_of_zip_codes_survive(ingest: Any, query: Query, shared_data: Path) -> None:
    assert counts(ingest("zipcodes", "zipcodes.csv")) == (42_049, 42_049, 0, 0, 0)
    theirs = {row["zip_code"] for row in read_csv(shared_data / "zipcodes.csv")}
    ours = {row["zip_code"] for row in query("SELECT zip_code FROM real.zipcodes")}
    assert ours == theirs
    assert "00501" in ours


def test_taxis_with_empty_cells_and_a_filter(ingest: Any, query: Query, shared_data: Path) -> None:
    theirs = read_csv(shared_data / "taxis.csv")
    kept = [row for row in theirs if float(row["total_amount"]) >= 0]
    assert counts(ingest("taxis", "taxis.csv")) == (6_500, len(kept), 6_500 - len(kept), 0, 0)
    ours = query("SELECT COUNTIF(ehail_fee IS NULL) fee, COUNTIF(trip_type IS NULL) type FROM real.taxis")
    assert ours == [{"fee": len(kept), "type": sum(row["trip_type"] == "" for row in kept)}]


def test_earthquakes_out_of_an_array_inside_an_object(ingest: Any, query: Query, shared_data: Path) -> None:
    from decimal import Decimal

    theirs = json.loads((shared_data / "earthquakes.json").read_text(), parse_float=Decimal)["features"]
    kept = {item["id"]: item for item in theirs if item["properties"]["type"] == "earthquake"}
    filtered = len(theirs) - len(kept)
    assert counts(ingest("earthquakes", "earthquakes.json")) == (len(theirs), len(kept), filtered, 0, 0)
    ours = query("SELECT id, mag, place, occurred_ms, felt, coordinates FROM real.earthquakes")
    assert {row.pop("id"): row for row in ours} == {
        name: {
            "mag": item["properties"]["mag"],
            "place": item["properties"]["place"],
            "occurred_ms": item["properties"]["time"],
            "felt": item["properties"]["felt"],
            "coordinates": [float(number) for number in item["geometry"]["coordinates"]],
        }
        for name, item in kept.items()
    }

"""csv-spectrum: the twelve files that CSV readers get wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.builder import column, dataset, run

SPECTRUM = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "csv-spectrum"
# The suite's answer hides the telephone number that its CSV holds.
AS_IN_CSV = {"location_coordinates": {"Contact Phone Number": "2095257564"}}
NAMES = sorted(path.stem for path in (SPECTRUM / "csvs").glob("*.csv"))


@pytest.mark.skipif(not NAMES, reason="csv-spectrum is not here")
def test_the_whole_suite_is_here() -> None:
    assert len(NAMES) == 12


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_csv_spectrum_is_read_as_its_json_says(tmp_path: Path, name: str) -> None:
    expected = json.loads((SPECTRUM / "json" / f"{name}.json").read_text(encoding="utf-8"))
    expected = expected if isinstance(expected, list) else [expected]
    rename = {their: f"c{number}" for number, their in enumerate(expected[0])}
    spec = dataset(
        *(column(ours) for ours in rename.values()), format={"type": "csv", "rename": rename, "null_values": ["\x01"]}
    )
    result = run(spec, tmp_path, (SPECTRUM / "csvs" / f"{name}.csv").read_bytes(), block=7)
    got = [{their: row[ours] for their, ours in rename.items()} for row in result.good]
    assert got == [{**row, **AS_IN_CSV.get(name, {})} for row in expected]
    assert result.file.quarantined == 0

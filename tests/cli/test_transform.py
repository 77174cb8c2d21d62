"""`landfall transform`: the engine alone, on local files."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

from cli import exit_codes
from cli.main import app
from include.spec.settings import DATASETS
from local.samples import generate

runner = CliRunner()
ROOT = Path(__file__).resolve().parents[2]
HEADER = "order_id,ordered_at,customer_id,email,sku,quantity,price,status,coupon,notes\n"
GOOD = "{},2026-11-18T10:00:00Z,C00001,a@example.org,ABC-1234,2,9.99,new,,\n"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDFALL_MASK_KEY", "a key for tests")
    monkeypatch.setenv("LANDFALL_RAW_KEY", Fernet.generate_key().decode())


def _spec(dataset: str) -> list[str]:
    folder = DATASETS / dataset
    return ["--contract", str(folder / "contract.yaml"), "--pipeline", str(folder / "pipeline.yaml")]


def _transform(dataset: str, out: Path, *files: Path | str, more: tuple[str, ...] = ()) -> Result:
    return runner.invoke(app, ["transform", *_spec(dataset), *map(str, files), "--out", str(out), *more])


def _json(answer: Result) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


@pytest.mark.parametrize("dataset", ["orders", "events", "inventory"])
def test_the_engine_counts_what_the_generator_wrote(dataset: str, tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    files = generate(dataset, 3000, 11, tmp_path / "in", truth=truth_file)

    answer = _transform(dataset, tmp_path / "out", *files, more=("--json",))

    assert answer.exit_code == exit_codes.OK, answer.output
    counted, truth = _json(answer), json.loads(truth_file.read_text())
    assert {name: counted[name] for name in truth["together"]} == truth["together"]
    wanted = [(file["records"], file["filtered"], file["quarantined"]) for file in truth["files"]]
    assert [(file["records"], file["filtered"], file["quarantined"]) for file in counted["files"]] == wanted


def test_json_is_the_accounting_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + "".join(map(GOOD.format, (1, 2, 3, 1, "x"))))

    counted = _json(_transform("orders", tmp_path / "out", path, more=("--json",)))

    assert list(counted) == ["records", "loaded", "filtered", "duplicates", "quarantined", "files"]
    assert [counted[name] for name in list(counted)[:5]] == [5, 3, 0, 1, 1]
    assert counted["files"][0]["uri"] == str(path)


def test_a_person_gets_a_table_and_the_names_of_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + GOOD.format(1))

    answer = _transform("orders", tmp_path / "out", path)

    assert answer.exit_code == exit_codes.OK, answer.output
    assert "a.csv" in answer.output
    assert "manifest.json" in answer.output
    assert (tmp_path / "out" / "manifest.json").is_file()
    assert list((tmp_path / "out").glob("good-*.parquet"))


def test_a_held_file_ends_with_a_code_of_its_own_and_the_others_are_done(tmp_path: Path) -> None:
    good, cut = tmp_path / "good.csv", tmp_path / "cut.csv.gz"
    good.write_text(HEADER + GOOD.format(1))
    cut.write_bytes(gzip.compress((HEADER + GOOD.format(2) * 500).encode())[:-20])

    answer = _transform("orders", tmp_path / "out", good, cut, more=("--json",))

    assert answer.exit_code == exit_codes.PROBLEMS
    states = {Path(file["uri"]).name: file["state"] for file in _json(answer)["files"]}
    assert states == {"good.csv": "accepted", "cut.csv.gz": "held"}


def test_standard_input_is_read_from_a_pipe(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "cli.main",
        "transform",
        *_spec("events"),
        "-",
        "--out",
        str(tmp_path),
        "--json",
    ]
    event = f'{{"event_id":"{"0" * 32}","occurred_at":"2026-11-18T10:00:00Z","kind":"view"}}\n'

    answer = subprocess.run(command, input=event, cwd=ROOT, capture_output=True, text=True, check=True)

    counted = json.loads(answer.stdout)
    assert (counted["records"], counted["loaded"], counted["files"][0]["uri"]) == (1, 1, "stdin")


def test_a_contract_and_a_pipeline_need_not_lie_in_a_dataset_folder(tmp_path: Path) -> None:
    here = tmp_path / "Some Folder 2"
    here.mkdir()
    for name in ("contract.yaml", "pipeline.yaml"):
        (here / name).write_bytes((DATASETS / "inventory" / name).read_bytes())
    data = tmp_path / "a.csv"
    data.write_text("Day;Warehouse;SKU;On hand;Counted at;Unit cost\n18.11.2026;DE01;x;3;;1.5\n")
    spec = ["--contract", str(here / "contract.yaml"), "--pipeline", str(here / "pipeline.yaml")]

    answer = runner.invoke(app, ["transform", *spec, str(data), "--out", str(tmp_path / "out"), "--json"])

    assert answer.exit_code == exit_codes.OK, answer.output
    assert _json(answer)["loaded"] == 1


def test_a_mask_without_a_key_is_refused_before_a_record_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LANDFALL_MASK_KEY")
    path = tmp_path / "a.csv"
    path.write_text(HEADER)

    answer = _transform("orders", tmp_path / "out", path)

    assert answer.exit_code == exit_codes.USAGE
    assert "LANDFALL_MASK_KEY" in answer.output
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("before", ["", "{good},"])
def test_a_raw_key_that_is_none_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    monkeypatch.setenv("LANDFALL_RAW_KEY", before.format(good=Fernet.generate_key().decode()) + "hunter2")
    path = tmp_path / "a.csv"
    path.write_text(HEADER)

    answer = _transform("orders", tmp_path / "out", path)

    assert answer.exit_code == exit_codes.USAGE
    assert "LANDFALL_RAW_KEY" in answer.output
    assert "hunter2" not in answer.output


def test_problems_of_the_contract_are_listed_under_the_name_it_was_given_by(tmp_path: Path) -> None:
    contract = tmp_path / "my-contract.yaml"
    contract.write_text((DATASETS / "events" / "contract.yaml").read_text().replace("integer", "intiger"))
    pipeline = DATASETS / "events" / "pipeline.yaml"

    answer = runner.invoke(
        app,
        ["transform", "--contract", str(contract), "--pipeline", str(pipeline), "x", "--out", str(tmp_path)],
    )

    assert answer.exit_code == exit_codes.PROBLEMS
    assert f"{contract}:" in answer.output
    assert "intiger" in answer.output


def test_a_reference_file_that_is_not_beside_the_pipeline_is_named(tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_bytes((DATASETS / "orders" / "pipeline.yaml").read_bytes())
    data = tmp_path / "a.csv"
    data.write_text(HEADER)
    contract = DATASETS / "orders" / "contract.yaml"

    answer = runner.invoke(
        app,
        [
            "transform",
            "--contract",
            str(contract),
            "--pipeline",
            str(pipeline),
            str(data),
            "--out",
            str(tmp_path),
        ],
    )

    assert answer.exit_code == exit_codes.PROBLEMS
    assert "reference/customers.csv" in answer.output


def _from_table(tmp_path: Path, *more: str) -> Result:
    text = (DATASETS / "orders" / "pipeline.yaml").read_text().replace("reference/customers.csv", "table:crm.customers")
    (tmp_path / "pipeline.yaml").write_text(text)
    (tmp_path / "a.csv").write_text(HEADER + GOOD.format("1"))
    (tmp_path / "c.csv").write_text("customer_id,segment,country\nC00001,gold,DE\n")
    spec = ["--contract", str(DATASETS / "orders" / "contract.yaml"), "--pipeline", str(tmp_path / "pipeline.yaml")]
    out = str(tmp_path / "out")
    return runner.invoke(app, ["transform", *spec, str(tmp_path / "a.csv"), "--out", out, "--json", *more])


@pytest.mark.parametrize("prefix", ["", "table:"])
def test_what_a_reference_table_holds_can_be_given_as_a_file(tmp_path: Path, prefix: str) -> None:
    answer = _from_table(tmp_path, "--reference", f"{prefix}crm.customers={tmp_path / 'c.csv'}")
    assert answer.exit_code == exit_codes.OK, answer.output
    rows = [row for part in sorted((tmp_path / "out").glob("good*.parquet")) for row in pq.read_table(part).to_pylist()]
    assert [(row["segment"], row["country"]) for row in rows] == [("gold", "DE")]


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        ((), exit_codes.USAGE, "--reference crm.customers=FILE"),
        (("--reference", "crm.other=c.csv"), exit_codes.USAGE, "enriches from no table of this name"),
        (("--reference", "crm.customers"), exit_codes.USAGE, "--reference crm.customers=customers.csv"),
        (("--reference", "crm.customers=absent.csv"), exit_codes.PROBLEMS, "absent.csv"),
    ],
)
def test_a_reference_table_that_is_not_given_is_named_with_the_option(
    tmp_path: Path, more: tuple[str, ...], code: int, says: str
) -> None:
    answer = _from_table(tmp_path, *more)
    assert answer.exit_code == code
    assert says in answer.output


@pytest.mark.parametrize("kind", ["missing", "folder", "twice"])
def test_files_that_cannot_be_read_are_wrong_usage(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER)
    files = {"missing": [tmp_path / "no.csv"], "folder": [tmp_path], "twice": [path, path]}[kind]

    answer = _transform("orders", tmp_path / "out", *files)

    assert answer.exit_code == exit_codes.USAGE
    assert answer.output.startswith("landfall: ")

"""What `make run` tells at its end, and the report that it writes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.ledger import LedgerFile, Quarantined
from local.run_report import Outcome, of_several_kinds, show_next, show_outcome, write_report

AT = datetime(2026, 11, 21, tzinfo=UTC)
FILE = LedgerFile(
    dataset="orders", file_id="f", bucket="in", name="orders/a.csv", generation=1, checksum="c", size=9,
    state="loaded", reason=None, batch_id="b", run_id="r", records=10, loaded=6, filtered=1,
    duplicates=1, quarantined=2, at=AT,
)  # fmt: skip
RECORD = Quarantined(
    dataset="orders", run_id="r", file_id="f", uri="gs://in/orders/a.csv", record=3, line=7,
    reasons=json.dumps([{"rule": "pattern", "column": "sku", "message": "'AB-12' is not of the form X"}]),
    text="1,***,AB-12\nand [red]more[/]", at=AT,
)  # fmt: skip
OUTCOME = Outcome(
    "orders", "shop.orders", files=[FILE], columns=["order_id", "notes"], rows=[(1, None), (2, "x" * 90)],
    quarantined=[RECORD],
)  # fmt: skip


def test_the_accounting_of_each_file_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcome(OUTCOME)

    line = next(line for line in capsys.readouterr().out.splitlines() if "orders/a.csv" in line)
    assert line.split()[-5:] == ["10", "6", "1", "1", "2"]


def test_quarantined_records_are_shown_with_file_line_reason_and_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_outcome(OUTCOME)

    shown = capsys.readouterr().out
    assert "orders/a.csv:7  sku: 'AB-12' is not of the form X" in shown
    assert "1,***,AB-12␤and [red]more[/]" in shown


def test_a_file_that_went_to_dataflow_is_named_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = replace(OUTCOME, files=[FILE, replace(FILE, name="orders/b.csv")], large={"orders/a.csv": "above 1 MB"})

    show_outcome(outcome)
    write_report(tmp_path / "report.json", [outcome], {}, total=1.0, well=True)

    line = next(line for line in capsys.readouterr().out.splitlines() if "Dataflow" in line)
    assert line.strip() == "orders/a.csv went to Dataflow, on a laptop a process of the task: above 1 MB"
    first, second = json.loads((tmp_path / "report.json").read_text())["datasets"]["orders"]["files"]
    assert (first["runner"], first["runner_reason"]) == ("dataflow", "above 1 MB")
    assert (second["runner"], "runner_reason" in second) == ("function", False)


def test_long_values_are_cut_and_nulls_are_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcome(OUTCOME)

    shown = capsys.readouterr().out
    assert "x" * 27 + "…" in shown
    assert "–" in shown


def test_columns_that_do_not_fit_are_counted_rather_than_squeezed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.show._PIPE_WIDTH", 60)
    wide = replace(OUTCOME, columns=[f"column_number_{n}" for n in range(9)], rows=[tuple("abcdefghi")])

    show_outcome(wide)

    shown = capsys.readouterr().out
    assert "column_number_2" in shown
    assert "and 6 more columns" in shown


def test_records_put_aside_for_different_reasons_are_shown_first() -> None:
    other = replace(RECORD, line=9, reasons=json.dumps([{"rule": "required", "column": "sku"}]))

    chosen = of_several_kinds([RECORD, replace(RECORD, line=8), other], 2)

    assert [record.line for record in chosen] == [7, 9]


def test_moments_are_shown_as_short_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcome(replace(OUTCOME, columns=["at"], rows=[(AT,), (AT.replace(microsecond=125000),)]))

    shown = capsys.readouterr().out
    assert "2026-11-21 00:00:00Z" in shown
    assert "2026-11-21 00:00:00.125Z" in shown


def test_a_dataset_without_files_had_nothing_new(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcome(Outcome("events", "web.events"))

    assert "events: nothing new" in capsys.readouterr().out


def test_records_that_do_not_add_up_are_noticed() -> None:
    assert OUTCOME.unbalanced() == []
    assert replace(OUTCOME, files=[replace(FILE, loaded=5)]).unbalanced() == ["orders/a.csv"]


def test_the_next_things_to_try_are_commands(capsys: pytest.CaptureFixture[str]) -> None:
    show_next(True)

    shown = capsys.readouterr().out
    assert "make ui" in shown
    assert "landfall status" in shown


def test_the_report_holds_the_same_accounting_and_the_seconds_of_each_stage(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run-report.json"

    write_report(path, [OUTCOME], {"cloud": 3.0, "orders.load": 1.25}, total=9.0, well=True)

    report = json.loads(path.read_text())
    assert report["ok"] is True
    assert report["stages"] == {"cloud": 3.0, "orders": {"load": 1.25}}
    orders = report["datasets"]["orders"]
    assert orders["records"] == orders["loaded"] + orders["filtered"] + orders["duplicates"] + orders["quarantined"]
    assert orders["files"][0]["name"] == "orders/a.csv"
    assert orders["quarantine"][0]["line"] == 7

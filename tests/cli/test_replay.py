"""`landfall replay`: a dry run, then the records themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import exit_codes
from cli.main import app
from tests.plugins.gcp.steps import CONTRACT, HEADER, Steps

runner = CliRunner()
LONG = "a name of more than twenty letters"


@pytest.fixture
def case(in_cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    made = Steps("cli_replay")
    made.write(tmp_path, complete="none", mode="append", glob="**")
    (tmp_path / "cli_replay" / "pipeline.yaml").open("a").write("tolerate: {quarantined: 100%}\n")
    monkeypatch.setenv("LANDFALL_DATASETS", str(tmp_path))
    monkeypatch.setattr("landfall.gcp.selection.has_ended", lambda _context, _run_id: True)
    made.land("a.csv", f"{HEADER}1,2026-01-01,good\n2,2026-01-01,{LONG}\nx,2026-01-01,bad\n")
    assert made.run()
    (tmp_path / "cli_replay" / "contract.yaml").write_text(CONTRACT.replace("maxLength: 20", "maxLength: 60"))
    return made


def test_what_passes_is_shown_then_loaded_and_then_there_is_less_to_choose_from(case: Steps) -> None:
    shown = runner.invoke(app, ["replay", "cli_replay"])
    assert shown.exit_code == exit_codes.OK, shown.output
    assert "nothing was changed; --apply loads what passes" in shown.output
    assert LONG in shown.output
    assert case.rows() == [(1, "good")]

    applied = runner.invoke(app, ["replay", "cli_replay", "--column", "name", "--apply", "--json"])
    assert applied.exit_code == exit_codes.OK, applied.output
    report = json.loads(applied.stdout)
    assert (report["chosen"], report["outcomes"]["loaded"], report["dry_run"]) == (1, 1, False)
    assert case.rows() == [(1, "good"), (2, LONG)]

    nothing = runner.invoke(app, ["replay", "cli_replay", "--column", "name"])
    assert nothing.exit_code == exit_codes.NOTHING
    assert "no open quarantined record of cli_replay is as chosen" in nothing.output


def test_a_moment_that_is_none_is_refused(case: Steps) -> None:
    answer = runner.invoke(app, ["replay", "cli_replay", "--since", "yesterday"])
    assert (answer.exit_code, "--since yesterday: is no moment" in answer.output) == (exit_codes.USAGE, True)

"""The command as a whole: its help, its exit codes, and what nobody foresaw."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import exit_codes
from cli.errors import show_no_traceback
from cli.main import app

runner = CliRunner()
ROOT = Path(__file__).resolve().parents[2]


def test_help_names_every_command_and_every_exit_code() -> None:
    shown = runner.invoke(app, ["--help"]).output

    for word in ("check", "transform", "drop", "plan", "ingest", "status", "schema", *exit_codes.MEANING.values()):
        assert word in shown


@pytest.mark.parametrize("command", ["check", "transform", "drop", "plan", "ingest", "status", "schema"])
def test_every_command_explains_itself(command: str) -> None:
    answer = runner.invoke(app, [command, "--help"])

    assert answer.exit_code == exit_codes.OK
    assert "Usage" in answer.output


def test_an_unknown_option_is_wrong_usage() -> None:
    assert runner.invoke(app, ["status", "--nonsense"]).exit_code == exit_codes.USAGE


def test_help_imports_nothing_heavy() -> None:
    """Whoever completes a command line should not wait for Airflow, Google's clients or the engine."""
    script = (
        "import sys; sys.argv = ['landfall', '--help']\n"
        "import atexit; heavy = {'airflow', 'requests', 'duckdb', 'numpy', 'sqlglot', 'pydantic'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "from cli.main import main; main()"
    )

    answer = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "HEAVY []" in answer.stderr


def test_what_nobody_foresaw_goes_to_a_file_and_the_user_gets_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        raise RuntimeError("the sky fell\non us")
    except RuntimeError as error:
        with pytest.raises(SystemExit) as ended:
            show_no_traceback(RuntimeError, error, error.__traceback__)

    shown = capsys.readouterr().err
    assert ended.value.code == exit_codes.BUG
    assert shown.count("\n") == 1
    assert shown.startswith("landfall: failed unexpectedly: the sky fell. ")
    report = Path(shown.split()[-1])
    assert "Traceback" in report.read_text()
    report.unlink()


def test_the_process_ends_with_the_code_of_the_command() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "cli.main", "check", "no_such_dataset"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == exit_codes.USAGE
    assert answer.stderr.startswith("landfall: no dataset 'no_such_dataset'")
    assert "Traceback" not in answer.stderr

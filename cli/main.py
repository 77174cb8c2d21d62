"""The `landfall` command: its subcommands and their help; what they need is imported when they run."""

from __future__ import annotations

import sys

import typer

from cli import exit_codes
from cli.check import check
from cli.decide import reject, release, retry
from cli.drop import drop
from cli.errors import show_no_traceback
from cli.ingest import ingest
from cli.plan import plan
from cli.replay import replay
from cli.schema import schema
from cli.status import status
from cli.transform import transform

_CODES = "\n\n".join(f"{code}  {meaning}" for code, meaning in exit_codes.MEANING.items())

app = typer.Typer(
    name="landfall",
    help="Takes every file that lands in a bucket to the warehouse, and can account for every record in it.",
    epilog=f"Exit codes:\n\n{_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (check, transform, drop, plan, ingest, status, release, reject, retry, replay, schema):
    app.command()(command)


def main() -> None:
    """Run the command line, and exit."""
    command = typer.main.get_command(app)
    sys.excepthook = show_no_traceback
    command(prog_name="landfall")


if __name__ == "__main__":
    main()

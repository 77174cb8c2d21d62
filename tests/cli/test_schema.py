"""`landfall schema`."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from cli import exit_codes
from cli.main import app


def test_the_schema_of_the_pipeline_is_printed_as_json() -> None:
    answer = CliRunner().invoke(app, ["schema"])

    assert answer.exit_code == exit_codes.OK
    assert "load" in json.loads(answer.stdout)["properties"]

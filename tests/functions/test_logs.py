"""Log lines are JSON, and carry no data of records."""

from __future__ import annotations

import io
import json

from include.functions.logs import Log


def test_a_line_is_one_json_object_with_the_fields_of_its_request() -> None:
    stream = io.StringIO()
    log = Log({"trace": "t"}, stream)
    log.bind(batch_id="b1")
    log.write("INFO", "transform began", files=2)
    assert json.loads(stream.getvalue()) == {
        "severity": "INFO", "message": "transform began", "trace": "t", "batch_id": "b1", "files": 2,
    }  # fmt: skip


def test_an_unforeseen_exception_is_logged_by_kind_and_place_not_by_message() -> None:
    stream = io.StringIO()
    try:
        try:
            int("alice@example.com")
        except ValueError as cause:
            raise RuntimeError("bob@example.com") from cause
    except RuntimeError as error:
        Log({}, stream).write_defect(error)
    line = json.loads(stream.getvalue())
    assert line["severity"] == "ERROR"
    assert line["kinds"] == "builtins.RuntimeError <- builtins.ValueError"
    assert "test_logs.py" in line["places"]
    assert "example.com" not in stream.getvalue()

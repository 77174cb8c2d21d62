"""Failures have stable codes, say whether trying again can help, and hold no data."""

from __future__ import annotations

import errno

import pytest
from pydantic import ValidationError

from include.engine import errors
from include.functions.failures import InputMissing, explain
from include.functions.protocol import TransformRequest
from include.spec.errors import Problem, SpecError


@pytest.mark.parametrize(
    ("error", "status", "code", "retryable"),
    [
        (InputMissing("input_missing", "gone", "gs://b/n"), 410, "input_missing", False),
        (
            SpecError([Problem("orders/contract.yaml", 3, "name", "x", "is wrong", "Mend it.")]),
            422,
            "bad_dataset",
            False,
        ),
        (errors.TerminalRuleError("filter: refused"), 422, "bad_rule", False),
        (errors.TerminalReferenceError("lacks a column"), 422, "bad_reference", False),
        (errors.TerminalSecretError("needs LANDFALL_MASK_KEY"), 422, "missing_secret", False),
        (errors.TerminalEngineError("no"), 422, "bad_dataset", False),
        (errors.AccountingError("1 is not 2"), 500, "accounting", False),
        (errors.TransientMemoryError("too little"), 503, "out_of_memory", True),
        (MemoryError(), 503, "out_of_memory", True),
        (OSError(errno.ENOSPC, "No space left on device"), 503, "out_of_space", True),
        (OSError(errno.EIO, "alice@example.com"), 500, "internal", True),
        (ValueError("alice@example.com"), 500, "internal", True),
    ],
)
def test_an_exception_becomes_a_code_that_callers_can_act_on(
    error: Exception, status: int, code: str, retryable: bool
) -> None:
    failure = explain(error)
    body = failure.body.error
    assert (failure.status, body.code, body.retryable) == (status, code, retryable)
    assert "alice" not in body.message


def test_a_wrong_field_is_named_and_its_value_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as raised:
        TransformRequest.model_validate({"attempt": "alice@example.com"})
    body = explain(raised.value).body.error
    assert body.code == "bad_request"
    assert "attempt: " in body.message
    assert "alice" not in body.message

"""Where the keys come from on a worker of Dataflow, and what is said where they do not."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.functions.failures import FunctionFailure
from include.functions.gcp.secrets import read_keys

MASK = "projects/p/secrets/mask/versions/3"


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A Secret Manager, at the boundary of its client: the service has no emulator."""
    held: dict[str, Any] = {}

    class Client:
        def access_secret_version(self, *, name: str, **_: Any) -> Any:
            if isinstance(held[name], Exception):
                raise held[name]
            return SimpleNamespace(payload=SimpleNamespace(data=held[name]))

    monkeypatch.setattr("google.cloud.secretmanager.SecretManagerServiceClient", Client)
    return held


def test_a_named_key_is_read_and_the_other_comes_from_the_environment(manager: Any) -> None:
    manager[MASK] = b"from the manager\n"
    found = read_keys(MASK, "", {"LANDFALL_MASK_KEY": "not this", "LANDFALL_RAW_KEY": "own"})
    assert (found.mask_key, found.raw_key) == (b"from the manager", b"own")


def test_without_names_and_variables_there_are_no_keys() -> None:
    found = read_keys("", "", {})
    assert (found.mask_key, found.raw_key) == (None, None)


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [("NotFound", False), ("PermissionDenied", False), ("ServiceUnavailable", True), ("TooManyRequests", True)],
)
def test_a_key_that_cannot_be_read_says_whether_trying_again_can_help(manager: Any, kind: str, retryable: bool) -> None:
    from google.api_core import exceptions

    manager[MASK] = getattr(exceptions, kind)("said so")
    with pytest.raises(FunctionFailure) as caught:
        read_keys(MASK)
    assert (caught.value.code, caught.value.retryable, caught.value.where) == ("missing_secret", retryable, MASK)


def test_a_laptops_keys_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ke#ys.json"
    path.write_text(json.dumps({"LANDFALL_MASK_KEY": "m", "LANDFALL_RAW_KEY": "r"}))
    found = read_keys(f"file:{path}#LANDFALL_MASK_KEY", f"file:{path}#LANDFALL_RAW_KEY")
    assert (found.mask_key, found.raw_key) == (b"m", b"r")


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(FunctionFailure, match="cannot be read"):
        read_keys("file:/nowhere/keys.json#LANDFALL_MASK_KEY")

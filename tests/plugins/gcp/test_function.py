"""What a plan learns of the function before it names its batches."""

from __future__ import annotations

import pytest

from include.engine.raw_keys import key_id
from include.engine.version import ENGINE_VERSION
from landfall.errors import TerminalFailure, TransientFailure
from landfall.gcp.function import _read, ask_function


def test_the_function_says_its_engine_and_names_its_keys(in_cloud: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from include.spec.settings import Settings
    from local.services import function_keys

    deployed = ask_function(Settings.from_environment().function_url)
    keys = function_keys(in_cloud.state)  # type: ignore[attr-defined]
    assert deployed.engine == ENGINE_VERSION
    raw = keys["LANDFALL_RAW_KEY"].encode()
    assert deployed.keys == {"mask": key_id(keys["LANDFALL_MASK_KEY"].encode()), "raw": key_id(raw)}


def test_a_function_that_cannot_be_reached_may_come_back() -> None:
    with pytest.raises(TransientFailure, match="no whole answer came"):
        ask_function("http://127.0.0.1:9")


def test_an_address_that_is_not_the_functions_is_said_plainly() -> None:
    with pytest.raises(TerminalFailure, match="LANDFALL_FUNCTION_URL is not set"):
        ask_function("")
    for content in (None, [], {"engine_version": 1}, {"hello": "world"}):
        with pytest.raises(TerminalFailure, match="not the transform function"):
            _read("http://x", 200, content)


def test_an_older_function_that_names_no_keys_is_understood() -> None:
    assert _read("http://x", 200, {"engine_version": "1"}).keys == {}

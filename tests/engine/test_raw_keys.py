"""Keys may be rotated: what was quarantined under an old one can still be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from include.engine.errors import TerminalSecretError
from include.engine.quarantine import RAW_LIMIT
from include.engine.raw_keys import decrypt_raw, key_id, key_ids
from include.engine.run import Secrets
from tests.engine.builder import column, dataset, lines, run

OLD, NEW = Fernet.generate_key(), Fernet.generate_key()
SPEC = dataset(column("k", "integer"), column("email"), mask={"email": "sha256"})
BAD = lines("k,email", "x,me@x.org", "1,you@x.org")
RECORD = b"x,me@x.org"


def test_a_rotated_mask_key_destroys_nothing(tmp_path: Path) -> None:
    before = run(SPEC, tmp_path / "a", BAD, secrets=Secrets(mask_key=b"first", raw_key=OLD))
    after = run(SPEC, tmp_path / "b", BAD, secrets=Secrets(mask_key=b"second", raw_key=OLD))
    assert before.values("email") != after.values("email")
    for result in (before, after):
        row = result.records[0]
        assert decrypt_raw(row["raw"], OLD, row["key_id"]) == RECORD


def test_the_first_raw_key_encrypts_and_every_one_decrypts(tmp_path: Path) -> None:
    both = NEW + b" , " + OLD + b"\n"
    old = run(SPEC, tmp_path / "a", BAD, secrets=Secrets(mask_key=b"k", raw_key=OLD)).records[0]
    new = run(SPEC, tmp_path / "b", BAD, secrets=Secrets(mask_key=b"k", raw_key=both)).records[0]
    assert (old["key_id"], new["key_id"]) == (key_id(OLD), key_id(NEW))
    assert [decrypt_raw(row["raw"], both, row["key_id"]) for row in (old, new)] == [RECORD, RECORD]
    assert decrypt_raw(new["raw"], NEW, new["key_id"]) == RECORD


def test_a_key_that_is_gone_is_named_and_not_shown(tmp_path: Path) -> None:
    row = run(SPEC, tmp_path, BAD, secrets=Secrets(mask_key=b"k", raw_key=OLD)).records[0]
    with pytest.raises(LookupError, match=f"under key {key_id(OLD)}") as caught:
        decrypt_raw(row["raw"], NEW, row["key_id"])
    assert NEW.decode() not in str(caught.value)
    with pytest.raises(LookupError, match="not what was encrypted"):
        decrypt_raw(b"spoiled", OLD, key_id(OLD))


@pytest.mark.parametrize("keys", [b"short", OLD + b",short", b","])
def test_a_list_with_a_wrong_key_stops_the_run_without_showing_it(tmp_path: Path, keys: bytes) -> None:
    with pytest.raises(TerminalSecretError, match="LANDFALL_RAW_KEY") as caught:
        run(SPEC, tmp_path, BAD, secrets=Secrets(mask_key=b"k", raw_key=keys))
    assert caught.value.__cause__ is None
    assert "short" not in str(caught.value)


def test_an_environments_keys_have_names_that_do_not_tell_them() -> None:
    environ = {"LANDFALL_MASK_KEY": "m", "LANDFALL_RAW_KEY": f"{NEW.decode()},{OLD.decode()}"}
    assert key_ids(environ) == {"mask": key_id(b"m"), "raw": key_id(NEW)}
    assert key_ids({"LANDFALL_RAW_KEY": ""}) == {}


@pytest.mark.parametrize(("masked", "length"), [(False, RAW_LIMIT + 1), (True, RAW_LIMIT + 1), (False, RAW_LIMIT)])
def test_a_record_too_long_to_keep_is_named_by_object_offset_and_length(
    tmp_path: Path, masked: bool, length: int
) -> None:
    spec = SPEC if masked else dataset(column("k", "integer"), column("email"))
    record = b"x," + b"s" * (length - 2)
    data = b"k,email\n1,a\n" + record + b"\n2,b\n"
    row = run(spec, tmp_path, data).records[0]
    assert data[row["byte_offset"] : row["byte_offset"] + row["byte_length"]] == record
    assert (row["uri"], row["record"], row["line"]) == ("gs://landing/0", 1, 3)
    assert (row["raw"] is None) == (length > RAW_LIMIT)
    assert row["key_id"] is None
    assert ("ssss" in row["text"]) != masked

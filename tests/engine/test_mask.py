"""Masked columns: what is written, and that their values stand nowhere in clear."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from include.engine.errors import TerminalSecretError
from include.engine.run import Secrets
from include.spec.dataset import Dataset
from tests.engine.builder import FERNET_KEY, SECRETS, column, dataset, lines, run

SECRET = "topsecret"


def masked(kind: str = "csv", **rest: Any) -> Dataset:
    return dataset(
        column("k", "integer", primaryKey=True),
        column("email", options={"pattern": "@", "maxLength": 40}),
        column("upper"),
        clean={"email": "LOWER(email)"},
        derive={"upper": "UPPER(SUBSTR(email, 1, 3))"},
        mask={"email": "sha256", "upper": {"truncate": 1}},
        format={"type": kind, "unexpected_columns": "ignore"},
        **rest,
    )


def test_masks_hash_redact_and_truncate(tmp_path: Path) -> None:
    spec = dataset(column("a"), column("b"), column("c"), mask={"a": "sha256", "b": "redact", "c": {"truncate": 2}})
    result = run(spec, tmp_path, lines("a,b,c", "x,y,zoé", ",,"))
    digest = hmac.new(SECRETS.mask_key or b"", b"x", hashlib.sha256).hexdigest()
    assert [(row["a"], row["b"], row["c"]) for row in result.good] == [(digest, "[redacted]", "zo"), (None, None, None)]


CSV = [
    f"1,{SECRET}@x.org",
    f"2,{SECRET}",
    f"x,{SECRET}@x.org",
    f"3,{SECRET}@x.org,more",
    f'4,"{SECRET}@x.org',
    f'5,a"{SECRET}',
    f"6,{SECRET}\0",
    f"7,@{SECRET * 9}",
]
JSON = [
    f'{{"k": 1, "email": "{SECRET}@x.org"}}',
    f'{{"k": "x", "email": "{SECRET}@x.org"}}',
    f'{{"k": 2, "email": "{SECRET}"}}',
    f'{{"k": 3, "email": ["{SECRET}"]}}',
    f'{{"k": 4, "email": "{SECRET}",}}',
    f'{{"k": 5, "email": "{SECRET}", "email": "{SECRET}"}}',
    f'["{SECRET}"]',
]


@pytest.mark.parametrize(
    ("spec", "data"),
    [
        (masked(), lines("k,email", *CSV)),
        (masked("ndjson"), lines(*JSON)),
        (masked("json"), ("[" + ",\n".join(JSON)).encode()),
        (masked(tolerate={"quarantined": "0%"}), lines("k,email", *CSV)),
        (masked(), lines(f"{SECRET},2", "3,4")),
    ],
)
@pytest.mark.parametrize("raw_key", [FERNET_KEY, None])
def test_a_masked_value_stands_nowhere_in_what_is_written(
    tmp_path: Path, spec: Dataset, data: bytes, raw_key: bytes | None
) -> None:
    result = run(spec, tmp_path, data, secrets=Secrets(mask_key=b"k", raw_key=raw_key))
    written = "".join(str(row) for row in [*result.good, *result.quarantine]) + result.manifest.to_json()
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert result.quarantine
    assert SECRET not in written.lower()
    assert SECRET.encode() not in files.lower()


def test_raw_bytes_of_masked_datasets_decrypt_to_what_was_sent(tmp_path: Path) -> None:
    records = [*CSV, "\u00e9,2,3"]
    data = lines("k,email", *records) + b"\xff\xfe,1,2\n"
    result = run(masked(), tmp_path, data)
    fernet = Fernet(FERNET_KEY)
    assert {row["key_id"] for row in result.records} == {hashlib.sha256(FERNET_KEY).hexdigest()[:8]}
    for row in result.records:
        raw = fernet.decrypt(row["raw"])
        assert raw == data[row["byte_offset"] : row["byte_offset"] + row["byte_length"]]


def test_without_a_raw_key_no_raw_bytes_are_kept_and_the_file_says_so(tmp_path: Path) -> None:
    result = run(masked(), tmp_path, lines("k,email", f"x,{SECRET}"), secrets=Secrets(mask_key=b"k"))
    assert (result.records[0]["raw"], result.records[0]["key_id"]) == (None, None)
    assert any("LANDFALL_RAW_KEY" in note for note in result.file.notes)


def test_other_fields_of_a_masked_dataset_can_still_be_read(tmp_path: Path) -> None:
    result = run(masked(), tmp_path / "c", lines("k,email", f"x,{SECRET}@x.org"))
    assert result.records[0]["text"] == "x,***"
    assert result.messages == ['"x" is no integer']
    result = run(masked("ndjson"), tmp_path / "j", lines(f'{{"k": "x", "email": "{SECRET}@x.org", "z": 1.50}}'))
    assert result.records[0]["text"] == '{"k": "x", "email": "***", "z": 1.50}'


def test_a_record_that_cannot_be_split_shows_only_its_size(tmp_path: Path) -> None:
    result = run(masked(), tmp_path, lines("k,email", "1,2,3"))
    assert result.records[0]["text"] == "[redacted: 5 bytes]"


def test_duplicates_are_found_before_values_are_masked(tmp_path: Path) -> None:
    spec = dataset(column("a", unique=True), mask={"a": {"truncate": 1}})
    assert run(spec, tmp_path, lines("a", "xa", "xb", "xa")).values("a") == ["x", "x"]


def test_a_hash_without_a_key_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(TerminalSecretError, match="LANDFALL_MASK_KEY"):
        run(masked(), tmp_path, b"", secrets=Secrets())
    with pytest.raises(TerminalSecretError, match="LANDFALL_RAW_KEY"):
        run(masked(), tmp_path, b"", secrets=Secrets(mask_key=b"k", raw_key=b"short"))


def test_secrets_do_not_show_their_keys() -> None:
    assert "a mask key" not in repr(SECRETS)
    assert json.dumps(SECRETS.raw_key_id)

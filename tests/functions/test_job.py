"""One request of the function, on a store in memory."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from include.engine.account import Manifest
from include.engine.errors import TerminalReferenceError
from include.engine.mask import Secrets
from include.engine.raw_keys import key_id, raw_cipher
from include.functions.failures import BadRequest, InputMissing
from include.functions.job import run_job
from include.functions.protocol import PinnedInput, PinnedReference, TransformRequest
from include.spec.dataset import CONTRACT, PIPELINE, build_dataset
from include.spec.settings import Settings
from tests.engine.builder import FERNET_KEY

CONTRACT_TEXT = b"""
{kind: DataContract, apiVersion: v3.1.0, id: t, version: 1.0.0, status: active, schema: [{name: t, properties: [
 {name: email, logicalType: string}, {name: country, logicalType: string}]}]}
"""
SOURCE = 'source: {uri: "gs://{landing}/t/*.csv"}, format: {type: csv}, load: {table: a.t, mode: append}'
ENRICH = "enrich: {with: reference/people.csv, on: email, take: [country]}"
TWICE = b"email,country\nanna@example.org,DE\nanna@example.org,FR\n"


class Memory:
    """Objects by address; versions do not count."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def check(self, inputs: Sequence[PinnedInput]) -> None:
        assert all(pinned.uri in self.objects for pinned in inputs)

    def open(self, pinned: PinnedInput) -> BinaryIO:
        return io.BytesIO(self.objects[pinned.uri])

    def fetch(self, reference: PinnedReference, target: Path) -> None:
        target.write_bytes(self.objects[reference.uri])

    def read(self, uri: str) -> bytes | None:
        return self.objects.get(uri)

    def write(self, uri: str, source: Path) -> None:
        self.objects[uri] = source.read_bytes()

    def publish(self, uri: str, content: bytes) -> bytes:
        return self.objects.setdefault(uri, content)


def request(mask: str, settings: Settings) -> TransformRequest:
    pipeline = f"{{{SOURCE}, {ENRICH}{mask}}}".encode()
    dataset = build_dataset("t", {CONTRACT: CONTRACT_TEXT, PIPELINE: pipeline})
    data: dict[str, Any] = {
        "dataset": dataset.to_wire(),
        "batch_id": "b1",
        "attempt": 1,
        "inputs": [
            {"file_id": "f", "uri": f"gs://{settings.landing}/t/a.csv", "generation": 1, "size": 9, "crc32c": ""}
        ],
        "references": {"reference/people.csv": {"uri": f"gs://{settings.work}/ref.csv", "generation": 1}},
        "output": f"gs://{settings.work}/t/batches/b1/attempt-1/",
    }
    return TransformRequest.model_validate(data)


def run(mask: str) -> Any:
    settings = Settings()
    store = Memory({f"gs://{settings.landing}/t/a.csv": b"email\nx@y.z\n", f"gs://{settings.work}/ref.csv": TWICE})
    return run_job(request(mask, settings), store, settings, Secrets(mask_key=b"k", raw_key=None))


def test_a_reference_that_cannot_serve_is_explained() -> None:
    with pytest.raises(TerminalReferenceError, match=r"anna@example\.org"):
        run("")


def test_a_masked_value_is_not_part_of_the_explanation() -> None:
    with pytest.raises(TerminalReferenceError) as caught:
        run(", mask: {email: sha256}")
    assert "anna" not in str(caught.value)


def chosen(records: list[list[int]] | None) -> Any:
    """Run a file of which some records are wanted; None: the selection is gone."""
    settings = Settings()
    dataset = build_dataset("t", {CONTRACT: CONTRACT_TEXT, PIPELINE: f"{{{SOURCE}}}".encode()})
    selection = f"gs://{settings.work}/t/replays/s.json"
    body = request("", settings).model_dump() | {"dataset": dataset.to_wire(), "references": {}, "chosen": selection}
    lines = b"email,country\na@b.c,DE\nd@e.f,FR\ng@h.i,IT\n"
    objects = {f"gs://{settings.landing}/t/a.csv": lines}
    if records is not None:
        objects[selection] = json.dumps({"files": {"f": records}}).encode()
    return run_job(TransformRequest.model_validate(body), Memory(objects), settings, Secrets())


def test_only_the_chosen_records_are_transformed() -> None:
    answer = chosen([[1, 23], [2, 32], [7, 5]])
    assert (answer.records, answer.loaded, answer.files) == (2, 2, 1)


def test_a_file_that_is_gone_is_neither_looked_for_nor_read() -> None:
    settings = Settings()
    dataset = build_dataset("t", {CONTRACT: CONTRACT_TEXT, PIPELINE: f"{{{SOURCE}}}".encode()})
    selection = f"gs://{settings.work}/t/replays/s.json"
    body = request("", settings).model_dump() | {"dataset": dataset.to_wire(), "references": {}, "chosen": selection}
    token = raw_cipher(FERNET_KEY).encrypt(b"d@e.f,FR")
    records = [
        {"number": 1, "line": 3, "raw": b64encode(token).decode(), "key": key_id(FERNET_KEY)},
        {"number": 2, "line": 4, "raw": b64encode(token).decode(), "key": "00000000"},
    ]
    opening = {"encoding": "utf-8", "header": b64encode(b"email,country").decode()}
    kept = {"f": {"records": records, "opening": opening}}
    store = Memory({selection: json.dumps({"files": {"f": [[1, 23], [2, 32]]}, "kept": kept}).encode()})
    answer = run_job(TransformRequest.model_validate(body), store, settings, Secrets(raw_key=FERNET_KEY))
    assert (answer.records, answer.loaded, answer.files) == (1, 1, 1)
    (account,) = Manifest.from_json(store.objects[answer.manifest]).files
    assert (account.missing, [number for number, _ in account.lost]) == ((), [2])
    assert "key 00000000" in account.lost[0][1]


def test_a_selection_that_is_gone_is_said_to_be_so() -> None:
    with pytest.raises(InputMissing, match="replay them again"):
        chosen(None)


def test_a_selection_is_read_from_the_work_bucket_alone() -> None:
    settings = Settings()
    body = request("", settings).model_dump() | {"chosen": f"gs://{settings.landing}/t/s.json"}
    with pytest.raises(BadRequest, match="chosen is in bucket"):
        run_job(TransformRequest.model_validate(body), Memory({}), settings, Secrets())

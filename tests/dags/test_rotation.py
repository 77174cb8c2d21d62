"""The function's keys change between two runs, or in the middle of one: nothing is lost, nothing is mixed up."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.engine.raw_keys import decrypt_raw, key_id

CONTRACT = {
    "kind": "DataContract", "apiVersion": "v3.1.0", "id": "t", "version": "1.0.0", "status": "active",
    "team": {"name": "tests"}, "schema": [{"name": "t", "properties": [
        {"name": "id", "logicalType": "integer", "primaryKey": True},
        {"name": "email", "logicalType": "string"},
    ]}],
}  # fmt: skip
OLD_MASK, NEW_MASK = b"the first mask key", b"the second mask key"
OLD_RAW, NEW_RAW = (base64.urlsafe_b64encode(digit * 32) for digit in (b"1", b"2"))
BOTH_RAW = NEW_RAW + b"," + OLD_RAW
EMAIL = "ada@example.org"


@pytest.fixture
def deploy(in_cloud: Any) -> Iterator[Callable[[bytes, bytes], None]]:
    """Deploy the function anew with a mask key and raw keys; at the end, with those that it had."""
    path = in_cloud.state / "keys.json"
    before = path.read_text()

    def deploy(mask: bytes, raw: bytes) -> None:
        path.write_text(json.dumps({"LANDFALL_MASK_KEY": mask.decode(), "LANDFALL_RAW_KEY": raw.decode()}))
        assert in_cloud.up() == ["function"]

    yield deploy
    path.write_text(before)
    in_cloud.up()


class Case:
    """One masked dataset of its own."""

    def __init__(self, name: str, root: Path, run_dag: Any, landing: Any, query: Any) -> None:
        self.name, self.root, self.bucket, self.query, self._run = name, root, landing, query, run_dag
        pipeline = {
            "source": {"uri": f"gs://{{landing}}/{name}/**"}, "format": {"type": "csv"}, "mask": {"email": "sha256"},
            "load": {"table": f"rotation.{name}", "mode": "append"}, "retry": {"attempts": 1},
        }  # fmt: skip
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "contract.yaml").write_text(json.dumps(CONTRACT))
        (folder / "pipeline.yaml").write_text(json.dumps(pipeline))

    def land(self, name: str, *lines: str) -> None:
        self.bucket.blob(f"{self.name}/{name}").upload_from_string("".join(f"{line}\n" for line in lines))

    def run(self) -> Any:
        return self._run(f"ingest_{self.name}", datasets=self.root)

    def emails(self) -> dict[int, str]:
        return {row["id"]: row["email"] for row in self.query(f"SELECT id, email FROM rotation.{self.name}")}

    def plan(self, run: Any) -> Any:
        from include.ledger.identity import content_hash
        from include.ledger.plan import Plan
        from landfall.gcp.storage import Storage

        uri = f"gs://landfall-work/{self.name}/plans/{content_hash(run.run_id.encode())}.json"
        return Plan.model_validate_json(Storage("google_cloud_default").read(uri))

    def quarantined(self, run: Any) -> Any:
        (row,) = self.query("SELECT * FROM landfall_ops.quarantine WHERE run_id = @run", {"run": run.run_id})
        return row


@pytest.fixture
def case(
    request: pytest.FixtureRequest, tmp_path: Path, run_dag: Any, landing: Any, query: Any
) -> Case:  # fmt: skip
    return Case(request.node.name[5:45].rstrip("_"), tmp_path / "datasets", run_dag, landing, query)


def masked(key: bytes) -> str:
    return hmac.digest(key, EMAIL.encode(), "sha256").hex()


def names(mask: bytes, raw: bytes) -> dict[str, str | None]:
    return {"mask": key_id(mask), "raw": key_id(raw)}


def test_what_was_quarantined_before_a_rotation_can_still_be_read(case: Case, deploy: Any) -> None:
    deploy(OLD_MASK, OLD_RAW)
    case.land("a.csv", "id,email", f"1,{EMAIL}", f"x,{EMAIL}")
    first = case.run()
    deploy(NEW_MASK, BOTH_RAW)
    case.land("b.csv", "id,email", f"2,{EMAIL}", f"y,{EMAIL}")
    second = case.run()
    assert (first.state, second.state) == ("success", "success")
    assert case.emails() == {1: masked(OLD_MASK), 2: masked(NEW_MASK)}

    old, new = case.quarantined(first), case.quarantined(second)
    assert (old["key_id"], new["key_id"]) == (key_id(OLD_RAW), key_id(NEW_RAW))
    kept = [decrypt_raw(row["raw"], BOTH_RAW, row["key_id"]).decode() for row in (old, new)]
    assert kept == [f"x,{EMAIL}", f"y,{EMAIL}"]
    assert decrypt_raw(old["raw"], OLD_RAW, old["key_id"]) == kept[0].encode()
    for row, keys in ((old, NEW_RAW), (new, OLD_RAW)):
        with pytest.raises(LookupError, match=f"under key {row['key_id']}"):
            decrypt_raw(row["raw"], keys, row["key_id"])
    assert [case.plan(run).keys for run in (first, second)] == [names(OLD_MASK, OLD_RAW), names(NEW_MASK, NEW_RAW)]
    assert old["batch_id"] != new["batch_id"]


def test_a_rotation_in_the_middle_of_a_run_leaves_the_file_to_the_next_one_under_another_batch(
    case: Case,
    deploy: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from landfall.gcp import function

    post = function._post

    def late(url: str, body: Any, key: str) -> Any:
        deploy(NEW_MASK, BOTH_RAW)
        return post(url, body, key)

    deploy(OLD_MASK, OLD_RAW)
    case.land("a.csv", "id,email", f"1,{EMAIL}", f"x,{EMAIL}")
    with monkeypatch.context() as patch:
        patch.setattr(function, "_post", late)
        first = case.run()
    assert (first.state, first.tasks["transform"]) == ("failed", ["failed"])
    assert "the function has another engine or other keys" in caplog.text + capsys.readouterr().out

    second = case.run()
    assert second.state == "success"
    assert case.emails() == {1: masked(NEW_MASK)}
    assert case.quarantined(second)["key_id"] == key_id(NEW_RAW)
    (before,), (after,) = (case.plan(run).batches for run in (first, second))
    assert before.files == after.files
    assert before.batch_id != after.batch_id
    assert case.quarantined(second)["batch_id"] == after.batch_id

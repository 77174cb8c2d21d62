"""A file that is read in parts gives the same rows, quarantine and counts as one that is read whole."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.dataflow.work import Job, StepFailed, Worker, telling
from include.engine.errors import AccountingError
from include.engine.mask import Secrets
from include.engine.run import Limits
from include.engine.shards import Range
from include.functions.failures import Unavailable, Unworkable
from include.spec.dataset import Dataset
from tests.dataflow.builder import FolderStore, by_steps, job, result
from tests.dataflow.through import same
from tests.engine.builder import Result, column, dataset, lines, run

ID, NAME = column("id", "integer", primaryKey=True), column("name")
MORE = {"tolerate": {"quarantined": "100%"}}
CSV: dict[str, Dataset] = {
    "one key": dataset(ID, NAME, **MORE),
    "the last stays": dataset(ID, NAME, load={"table": "a.things", "mode": "append", "keep": "last"}, **MORE),
    "two keys": dataset(ID, column("name", unique=True), **MORE),
    "a key of text": dataset(column("id", "integer"), column("name", primaryKey=True), **MORE),
    "a masked key": dataset(column("id", "integer"), column("name", primaryKey=True), mask={"name": "redact"}, **MORE),
    "no key": dataset(column("id", "integer"), NAME, filter="id > 1", **MORE),
    "held above a third": dataset(ID, NAME, tolerate={"quarantined": "33%"}),
    "no header": dataset(ID, NAME, format={"type": "csv", "header": False}, **MORE),
    "a preamble and comments": dataset(ID, NAME, format={"type": "csv", "skip_lines": 2, "comment": "#"}, **MORE),
    "escapes": dataset(ID, NAME, format={"type": "csv", "escape": "\\", "quote": "'", "delimiter": ";"}, **MORE),
    "unknown columns": dataset(ID, NAME, format={"type": "csv", "unexpected_columns": "ignore"}, **MORE),
    "short records": dataset(ID, NAME, format={"type": "csv", "max_record": "16B"}, **MORE),
}
NDJSON: dict[str, Dataset] = {
    how: dataset(ID, NAME, format={"type": "ndjson", "unexpected_columns": how}, **MORE)
    for how in ("fail", "ignore", "quarantine")
}
TEXTS = ["1", "2", "3", "4", "x", "", "name", "#a", '"a\nb"', '"a""b"', '"', "'a'", "a;b", "\\", "é", "\0"]
CELLS = st.sampled_from(TEXTS)
HEADERS = [b"id,name\n", b"id;name\n", b"name,id\n", b"name,more,id\n", b"x\n"]
RECORDS = ['{"id": 1}', '{"id": 2, "name": "a"}', '{"id": 2, "more": 1}', "[]", "{", "", '{"name": "é"}', "\0"]
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=40)
CUTS = st.lists(st.integers(1, 300), max_size=6)


def apart(spec: Dataset, content: bytes, cuts: Iterable[int], root: Path, **input_: Any) -> tuple[str, Result]:
    """Read a file in parts, cut about there; returns why it was read whole, if it was, and what came of it."""
    wanted = job(spec, content, root, shard_bytes=max(len(content) // 2, 1), **input_)
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(content)}), len(content)]
    why = by_steps(wanted, [Range(*edge) for edge in pairwise(edges)])
    return why, result(wanted, root)


def check(spec: Dataset, content: bytes, cuts: Iterable[int]) -> str:
    """Compare both ways; returns why the file was read whole, if it was."""
    with tempfile.TemporaryDirectory() as folder:
        why, found = apart(spec, content, cuts, Path(folder))
        whole = run(spec, Path(folder, "whole"), content)
    same(found, whole)
    return why


CSV_FILES = given(rows=ROWS, cuts=CUTS, header=st.sampled_from(HEADERS))
NDJSON_FILES = given(records=st.lists(st.sampled_from(RECORDS), max_size=40), cuts=CUTS)
FEW, MANY = settings(max_examples=6, deadline=None), settings(max_examples=60, deadline=None)


def check_csv(name: str, rows: list[list[str]], cuts: list[int], header: bytes) -> None:
    delimiter = ";" if name == "escapes" else ","
    check(CSV[name], header + lines(*(delimiter.join(row) for row in rows)), cuts)


@pytest.mark.parametrize("name", CSV)
@FEW
@CSV_FILES
def test_any_csv_cut_anywhere_gives_what_the_whole_gives(
    name: str, rows: list[list[str]], cuts: list[int], header: bytes
) -> None:
    check_csv(name, rows, cuts, header)


@pytest.mark.long
@pytest.mark.parametrize("name", CSV)
@MANY
@CSV_FILES
def test_many_more_csv_files_cut_anywhere_give_what_the_whole_gives(
    name: str, rows: list[list[str]], cuts: list[int], header: bytes
) -> None:
    check_csv(name, rows, cuts, header)


@pytest.mark.parametrize("how", NDJSON)
@FEW
@NDJSON_FILES
def test_any_ndjson_cut_anywhere_gives_what_the_whole_gives(how: str, records: list[str], cuts: list[int]) -> None:
    check(NDJSON[how], lines(*records), cuts)


@pytest.mark.long
@pytest.mark.parametrize("how", NDJSON)
@MANY
@NDJSON_FILES
def test_many_more_ndjson_files_cut_anywhere_give_what_the_whole_gives(
    how: str, records: list[str], cuts: list[int]
) -> None:
    check(NDJSON[how], lines(*records), cuts)


def numbered(count: int) -> bytes:
    """A file with line breaks in quotes, a bad record in fifty, and a duplicate far from its twin in forty."""
    rows = (f'{n % (count - count // 40)},"first\nsecond {n}"' if n % 50 else f"{n}x,bad" for n in range(count))
    return lines("id,name", *rows)


@pytest.mark.parametrize("name", ["one key", "the last stays", "two keys", "no key"])
def test_line_breaks_in_quotes_do_not_keep_a_file_from_at_least_eight_shards(name: str, tmp_path: Path) -> None:
    content = numbered(4000)
    size = len(content) // 9
    why, found = apart(CSV[name], content, range(size, len(content), size), tmp_path)
    assert why == ""
    assert len(list(tmp_path.glob("work/things/batch/attempt-1/shards/*/result.json"))) >= 8
    assert found.manifest.quarantined == 80
    assert found.manifest.duplicates == (98 if name in ("one key", "the last stays") else found.manifest.duplicates)
    same(found, run(CSV[name], tmp_path / "whole", content))


@pytest.mark.parametrize(
    ("format_", "content", "why"),
    [
        ({"type": "csv", "compression": "gzip"}, b"", "gzip"),
        ({"type": "csv", "footer_lines": 1}, b"id,name\n1,a\n2,b\nend\n", "footer"),
        ({"type": "csv", "encoding": "latin-1"}, b"id,name\n1,\xe9\n", "UTF-8"),
        ({"type": "csv", "delimiter": "§"}, "id§name\n1§a\n".encode(), "ASCII"),
        ({"type": "csv", "unexpected_columns": "evolve"}, b"id,name,more\n1,a,b\n", "evolve"),
        ({"type": "csv"}, b"id,other\n1,a\n", "beginning"),
        ({"type": "csv"}, b"[1, 2]\n[]\n", "beginning"),
        ({"type": "csv", "max_size": "12B"}, b"id,name\n1,a\n2,b\n", "max_size"),
        ({"type": "json"}, b'[{"id": 1, "name": "a"}]', "json"),
        ({"type": "fixed", "positions": {"id": "1-2", "name": "3-4"}}, b"1 a \n2 b \n", "fixed"),
        ({"type": "ndjson", "paths": {"name": "a.b"}}, b'{"id": 1, "a": {"b": "c"}}\n{}\n', "paths"),
    ],
)
def test_a_file_that_cannot_be_split_says_why_and_is_read_whole(
    format_: dict[str, Any], content: bytes, why: str
) -> None:
    if format_.get("compression") == "gzip":
        import gzip

        content = gzip.compress(b"id,name\n1,a\n", mtime=0)
    assert why in check(dataset(ID, NAME, format=format_, **MORE), content, [5])


def test_what_a_sets_manifest_promises_is_checked(tmp_path: Path) -> None:
    content = numbered(100)
    promised = {"by": "_MANIFEST.json", "records": 99}
    why, found = apart(CSV["no key"], content, [500], tmp_path, promised=promised)
    assert (why, found.code, found.manifest.loaded, found.manifest.quarantined) == ("", "manifest_mismatch", 0, 100)
    assert found.good == []
    assert [row["record"] for row in found.quarantine if row["record"] < 0] == [-1]


def test_a_checksum_that_is_promised_is_of_the_whole_file(tmp_path: Path) -> None:
    promised = {"by": "_MANIFEST.json", "sha256": "0" * 64}
    why, found = apart(CSV["no key"], numbered(100), [500], tmp_path, promised=promised)
    assert ("checksum" in why, found.code) == (True, "manifest_mismatch")


def test_steps_that_are_done_twice_give_what_they_gave_once(tmp_path: Path) -> None:
    content = numbered(400)
    wanted = job(CSV["one key"], content, tmp_path, shard_bytes=len(content) // 4)
    ranges = Worker(wanted).ranges()
    by_steps(wanted, ranges)
    once = result(wanted, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    by_steps(wanted, ranges)
    assert result(wanted, tmp_path) == once
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    # A worker that was thought dead publishes later than the one that did its work again.
    FolderStore(tmp_path).path(Worker(wanted).request.manifest).unlink()
    for path in tmp_path.rglob("*.json"):
        if path.name == "parts.json":
            path.unlink()
    by_steps(wanted, ranges)
    same(result(wanted, tmp_path), once)


def test_a_step_that_fails_tells_why_where_the_manifest_would_be(tmp_path: Path) -> None:
    wanted = job(CSV["one key"], numbered(10), tmp_path)
    os.remove(tmp_path / "landing" / "0")
    with pytest.raises(StepFailed, match="internal: FileNotFoundError") as failed, telling(wanted):
        Worker(wanted).whole()
    told = (tmp_path / "work/things/batch/attempt-1/failure.json").read_text()
    assert '"code":"internal"' in told
    assert "landing" not in told
    assert failed.value.__suppress_context__, "what Beam logs of it quotes nothing"


def told(wanted: Job, root: Path, *failures: Exception) -> str:
    """Fail so, one after the other; returns the code that is told."""
    for failure in failures:
        with pytest.raises(StepFailed), telling(wanted):
            raise failure
    content = json.loads((root / "work/things/batch/attempt-1/failure.json").read_text())
    return str(content["error"]["code"])


def test_the_last_failure_is_told_unless_an_earlier_one_was_for_good(tmp_path: Path) -> None:
    wanted = job(CSV["one key"], numbered(10), tmp_path)
    away, full = Unavailable("storage_unavailable", "away"), Unavailable("out_of_space", "full")
    assert told(wanted, tmp_path, away, full) == "out_of_space"
    assert told(wanted, tmp_path, Unworkable("bad_rule", "no")) == "bad_rule"
    assert told(wanted, tmp_path, away) == "bad_rule"


def test_a_worker_without_its_keys_says_so(tmp_path: Path) -> None:
    from include.dataflow.pipeline import Step

    def no_key(_mask: str, _raw: str) -> Secrets:
        raise Unworkable("missing_secret", "the secret cannot be read", "projects/p/secrets/mask/versions/3")

    wanted = dataclasses.replace(job(CSV["one key"], numbered(10), tmp_path), keys=no_key)
    with pytest.raises(StepFailed, match="missing_secret"):
        list(Step(wanted, lambda doing, _: doing.whole()).process(""))
    assert "projects/p/secrets/mask" in (tmp_path / "work/things/batch/attempt-1/failure.json").read_text()


def test_a_file_that_is_read_whole_twice_is_published_once(tmp_path: Path) -> None:
    wanted = job(CSV["one key"], numbered(100), tmp_path)
    one, other = Worker(wanted), Worker(wanted)
    one.whole()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    other.whole()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    # Two at once: whoever publishes second has written nothing below the other's path.
    manifest = FolderStore(tmp_path).path(one.request.manifest)
    published = manifest.read_bytes()
    manifest.unlink()
    other.whole()
    assert all(path.read_bytes() == content for path, content in before.items() if path != manifest)
    assert json.loads(manifest.read_bytes())["good"] != json.loads(published)["good"]


@pytest.mark.parametrize(("keep", "stays"), [("first", "row 0"), ("last", "row 2999")])
def test_a_key_that_all_rows_have_is_one_row_of_each_shard_to_the_others(keep: str, stays: str, tmp_path: Path) -> None:
    spec = dataset(ID, NAME, load={"table": "a.things", "mode": "append", "keep": keep}, **MORE)
    content = lines("id,name", *(f"7,row {number}" for number in range(3000)))
    wanted = job(spec, content, tmp_path, shard_bytes=len(content) // 4)
    doing = Worker(wanted)
    results = {number: doing.read(number, shard) for number, shard in doing.resolve(map(doing.scout, doing.ranges()))}
    hashes = [told for number, result_ in results.items() for told in doing.hashes(number, result_, 4)]
    assert [len(data) for _, (_, data) in hashes] == [4] * len(results)
    assert [result_.duplicates for result_ in results.values()] == [result_.good - 1 for result_ in results.values()]
    by_steps(wanted, doing.ranges())
    found = result(wanted, tmp_path)
    assert ([row["name"] for row in found.good], found.manifest.duplicates) == ([stays], 2999)


@pytest.mark.parametrize("name", ["the last stays", "a masked key"])
def test_a_row_that_was_written_before_its_twin_came_is_taken_out_of_its_shard(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.dataflow.work.Limits", lambda: Limits(block=1024))
    ids = [*range(1000), *range(500), *range(2000, 3000), *range(2500, 3000), *range(400, 600)]
    content = lines("id,name", *(f"{number},name {number:04}" for number in ids))
    wanted = job(CSV[name], content, tmp_path, shard_bytes=len(content) // 2)
    doing = Worker(wanted)
    by_steps(wanted, doing.ranges(), doing)
    parts = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    assert sum(part["duplicates"] for part in parts) == 1000
    assert len(list(tmp_path.rglob("parts.json"))) == 1, "and of those of another shard"
    same(result(wanted, tmp_path), run(CSV[name], tmp_path / "whole", content))


def test_shards_of_another_length_are_not_taken_for_these(tmp_path: Path) -> None:
    content = numbered(400)
    for length in (len(content) // 4, len(content) // 7):
        wanted = job(CSV["one key"], content, tmp_path, shard_bytes=length)
        doing = Worker(wanted)
        shards = doing.resolve(map(doing.scout, doing.ranges()))
        assert [doing.read(*shard).records for shard in shards] == [shard.records for _, shard in shards]


def test_a_shard_that_is_not_what_was_found_there_is_never_an_answer(tmp_path: Path) -> None:
    content = numbered(400)
    doing = Worker(job(CSV["one key"], content, tmp_path, shard_bytes=len(content) // 4))
    (number, shard), *_ = doing.resolve(map(doing.scout, doing.ranges()))
    with pytest.raises(AccountingError):
        doing.read(number, dataclasses.replace(shard, records=shard.records + 1))

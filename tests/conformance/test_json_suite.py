"""JSONTestSuite: what is well-formed is never called malformed, what is not always is; no crash, no hang."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from include.engine.frame import LineFramer
from include.engine.frame_json import ArrayFramer
from include.engine.json_text import Defect, Reader
from include.engine.parse_json import JsonParser
from tests.engine.builder import column, dataset, run

SUITE = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "JSONTestSuite"
FILES = sorted(SUITE.rglob("*.json"))
pytestmark = pytest.mark.skipif(not FILES, reason="JSONTestSuite is not here")


def defect(path: Path) -> Defect | None:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return Defect("encoding", "not UTF-8")
    value = Reader().read(text)
    return value if isinstance(value, Defect) else None


@pytest.mark.parametrize("path", [p for p in FILES if p.name.startswith("y_")], ids=lambda p: p.stem)
def test_well_formed_json_is_never_malformed(path: Path) -> None:
    found = defect(path)
    assert found is None or found.rule not in ("malformed", "encoding")


@pytest.mark.parametrize("path", [p for p in FILES if p.name.startswith("n_")], ids=lambda p: p.stem)
def test_malformed_json_is_refused(path: Path) -> None:
    found = defect(path)
    assert found is not None
    assert found.rule in ("malformed", "encoding")


def places(path: Path, block: int) -> list[tuple[int, int]]:
    with path.open("rb") as file:
        frames = list(ArrayFramer(file.read, block=block, limit=1000).frames())
    return [(int(frame.offsets[n]), int(frame.lengths[n])) for frame in frames for n in range(len(frame))]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_any_file_framed_as_an_array_gives_one_answer_whatever_the_block(path: Path) -> None:
    assert places(path, 7) == places(path, 1_000_000)


@pytest.mark.parametrize("place", ['"a": {}, "b": ["x"]', '"a": {{"x": 1}}, "b": {}', '"a": {{"x": 1}}, "d": {}'])
def test_every_file_as_a_value_of_a_line_is_split_as_if_it_were_read_alone(place: str) -> None:
    texts = [path.read_bytes().replace(b"\n", b" ") for path in FILES if path.stat().st_size < 50_000]
    usual = [b'{"a": {"x": 1}, "b": ["x"]}'] * 20
    data = b"\n".join(usual + [place.format("%").encode().replace(b"%", text).join((b"{", b"}")) for text in texts])
    spec = dataset(column("a", "object"), column("b", "array", items={"logicalType": "string"}),
                   format={"type": "ndjson", "unexpected_columns": "ignore"})  # fmt: skip
    quick, alone = JsonParser(spec), JsonParser(spec)
    alone._splitter._accepts = lambda _: False
    (frame,) = LineFramer(io.BytesIO(data).read, block=len(data) + 1, limit=1 << 20).frames()
    ours, theirs = quick.parse(frame), alone.parse(frame)
    assert ours[0].to_pydict() == theirs[0].to_pydict()
    assert ours[1].tolist() == theirs[1].tolist()
    assert ours[2] == theirs[2]


def is_good(path: Path) -> bool:
    """Whether a file is JSON as the suite says, and has no NUL, which a warehouse does not store."""
    return path.name.startswith("y_") and path.stem not in ("y_object_escaped_null_in_key", "y_string_null_escape")


def decided(files: list[Path]) -> list[Path]:
    """Those that the suite does not leave open, and that have a record."""
    return [path for path in files if path.name[:2] in ("y_", "n_") and path.read_bytes().strip()]


REFUSED = {"malformed", "encoding", "nul_byte"}
SPEC = {"tolerate": {"quarantined": "100%"}}


def test_every_file_as_a_line_is_read_or_refused_as_its_name_says(tmp_path: Path) -> None:
    files = [path for path in decided(FILES) if b"\n" not in path.read_bytes().strip()]
    # As the value of a field, for a record is an object.
    data = b"\n".join(b'{"a": ' + path.read_bytes().strip() + b"}" for path in files)
    spec = dataset(column("a", "object"), format={"type": "ndjson", "unexpected_columns": "ignore"}, **SPEC)
    result = run(spec, tmp_path, data)
    rules = {row["record"]: {reason["rule"] for reason in row["reasons"]} for row in result.records}
    refused = {path.name for number, path in enumerate(files) if rules.get(number, set()) & REFUSED}
    assert result.file.records == len(files)
    assert refused == {path.name for path in files if not is_good(path)}


@pytest.mark.parametrize("path", random.Random(1).sample(decided(FILES), min(20, len(FILES))), ids=lambda p: p.stem)
def test_a_file_of_the_suite_is_read_or_refused_as_its_name_says(tmp_path: Path, path: Path) -> None:
    spec = dataset(column("a"), format={"type": "ndjson", "unexpected_columns": "ignore"}, **SPEC)
    result = run(spec, tmp_path, path.read_bytes())
    found = {reason["rule"] for row in result.records for reason in row["reasons"]}
    if is_good(path):
        assert not found & REFUSED
        assert result.code in ("", "over_tolerance")
    else:
        assert found & REFUSED or result.code
        assert result.file.loaded == 0

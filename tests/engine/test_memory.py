"""Hostile sizes: a line of 100 MB costs neither memory nor time beyond a few blocks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.engine.builder import column, dataset
from include.engine.run import Input, Limits, transform

class Long:
    def __init__(self, megabytes):
        self.left = megabytes
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def read(self, size):
        self.left, give = self.left - 1, self.left
        if give == {megabytes} + 1:
            return {first!r}
        return {body!r} * 1_000_000 if give > 0 else {last!r} if give == 0 else b""

spec = dataset(column("a"), format={form!r})
long = Input("f", "gs://a/b", lambda: Long({megabytes} + 1))
made = transform(spec, [long], Path({out!r}), limits=Limits(threads=1))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([made.records, made.loaded, made.quarantined, peak]))
"""


def peak(out: Path, form: dict[str, str], parts: tuple[bytes, bytes, bytes], megabytes: int) -> list[float]:
    first, body, last = parts
    script = SCRIPT.format(
        root=str(ROOT), form=form, first=first, body=body, last=last, megabytes=megabytes, out=str(out)
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    found: list[float] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "parts", "loaded"),
    [
        ({"type": "csv"}, (b"a\nx\n", b"y", b"\nz\n"), 2),
        ({"type": "csv"}, (b'a\nx\n"', b"y", b'"\nz\n'), 2),
        ({"type": "ndjson"}, (b'{"a": 1}\n{"a": "', b"y", b'"}\n{"a": 1}\n'), 2),
        ({"type": "json"}, (b'[{"a": 1}, {"a": "', b"y", b'"}, {"a": 1}]'), 2),
    ],
    ids=["csv", "csv quoted", "ndjson", "json"],
)
def test_a_line_of_100_mb_is_skipped_in_bounded_memory(
    tmp_path: Path, form: dict[str, str], parts: tuple[bytes, bytes, bytes], loaded: int
) -> None:
    small = peak(tmp_path / "a", form, parts, 1)
    large = peak(tmp_path / "b", form, parts, 100)
    assert large[:3] == [3, loaded, 1]
    assert large[3] - small[3] < 100

"""The XML bombs and external entities of defusedxml are refused at once and in little memory; plain files are read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, SHARED
from tests.engine.builder import column, dataset, run

FILES = SHARED / "conformance" / "xml"
pytestmark = [
    pytest.mark.skipif(not FILES.is_dir(), reason="the XML conformance files are not here"),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell a process's memory"),
]

# The bounds are the product's promise for hostile files; a process of its own, so that nothing else counts.
SECONDS, MEGABYTES = 1.0, 64

_PROBE = """
import json, sys, time
from include.engine.decompress import Source
from include.engine.frame_xml import XmlFramer
start = time.process_time()
with open(sys.argv[1], "rb") as raw:
    framer = XmlFramer(Source(raw).read, block=4 << 20, limit=16_000_000, path=(sys.argv[2],))
    values = [value for frame in framer.frames() for value in frame.values]
with open("/proc/self/status") as status:  # a process's maxrss counts what its parent held when it began
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
print(json.dumps({
    "seconds": time.process_time() - start,
    "megabytes": peak / 1024,
    "code": framer.damage.code if framer.damage else "",
    "values": values,
}))
"""


def read(name: str, element: str) -> dict[str, Any]:
    command = [sys.executable, "-c", _PROBE, str(FILES / name), element]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "name",
    ["cyclic.xml", "dtd.xml", "external.xml", "external_file.xml", "quadratic.xml", "xmlbomb.xml", "xmlbomb2.xml"],
)
def test_a_bomb_or_an_external_entity_is_refused(name: str) -> None:
    found = read(name, "bomb")
    assert (found["code"], found["values"]) == ("forbidden_xml", [])
    assert found["seconds"] < SECONDS
    assert found["megabytes"] < MEGABYTES


@pytest.mark.parametrize("name", ["simple.xml", "simple-ns.xml"])
def test_a_plain_file_is_read(name: str) -> None:
    found = read(name, "element")
    assert (found["code"], found["values"]) == ("", [{"@key": "value", "#text": "text"}, {"#text": "text"}])


@pytest.mark.parametrize("path", sorted(FILES.glob("*.xml")), ids=lambda path: path.stem)
def test_a_file_with_a_bomb_or_an_external_entity_is_held(path: Path, tmp_path: Path) -> None:
    is_plain = path.stem.startswith("simple")
    form = {"type": "xml", "records": "element" if is_plain else "bomb", "unexpected_columns": "ignore"}
    result = run(dataset(column("key"), format=form), tmp_path, path.read_bytes())
    assert (result.code, result.file.records) == (("", 2) if is_plain else ("forbidden_xml", 0))


def test_every_file_of_the_suite_is_decided_here() -> None:
    assert len(list(FILES.glob("*.xml"))) == 9

"""A file that gets a new version while the function reads the old one."""

from __future__ import annotations

import asyncio
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from tests.faults.cloud import FaultyCloud
from tests.faults.faults import Line
from tests.faults.schedules import new_world
from tests.faults.script import Rule
from tests.faults.site import Site
from tests.faults.world import Version, World

# The function fetches 8 MiB at a time: the first version takes two fetches, of which the first one is answered well.
_LONG, _ROWS = 1 << 20, 10


@dataclass(frozen=True, slots=True)
class Overwrite:
    """The service answers, and somebody writes the object anew before the client hears of it.

    Args:
        url: where its new content is posted.
        content: the new bytes.
    """

    url: str
    content: bytes

    async def happen(self, line: Line) -> None:
        """Let it happen to a request."""
        answer = await line.ask()
        await asyncio.to_thread(self._write)
        await line.tell(answer)

    def _write(self) -> None:
        with urllib.request.urlopen(urllib.request.Request(self.url, self.content, method="POST"), timeout=30) as said:
            said.read()


def test_a_file_overwritten_in_the_middle_of_a_read_is_loaded_in_its_new_version_alone(
    here: Site, behind_proxies: FaultyCloud, tmp_path: Path
) -> None:
    world = new_world(here, "append", tmp_path, "overwritten")
    old, new = written(world, "a" * _LONG, _ROWS), written(world, "b", 3)
    blob = here.bucket.blob(old.name)
    blob.upload_from_string(old.content)
    url = f"{behind_proxies.cloud.url('storage')}/upload/storage/v1/b/{here.bucket.name}/o"
    fault = Overwrite(f"{url}?uploadType=media&name={quote(old.name, safe='')}", new.content)
    here.proxies.play(Rule(fault=fault, call="storage.get_media", door="function_storage", path=r"a\.csv"))

    run = world.new_run()
    run.finish()
    [struck] = here.proxies.injected()
    assert struck.answers == [206], "the first part of the old version was read well"
    assert (run.states["transform"], run.xcom["transform"]) == ("failed", [])

    newest = here.bucket.get_blob(new.name).generation
    world.versions += [replace(old, generation=blob.generation), replace(new, generation=newest)]
    world.settle()
    assert not world.problems(), world.story()


def written(world: World, tag: str, rows: int) -> Version:
    """A version of an object that has not landed yet."""
    good = tuple((row, tag) for row in range(rows))
    lines = "".join(f"{key},2026-01-01,{tag}\n" for key, tag in good)
    return Version(f"{world.name}/a.csv", 0, tag, good, (), f"id,day,version\n{lines}".encode())

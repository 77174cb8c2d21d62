"""Looks at what vouches for landed files, and tells which of them count."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from include.ledger.completeness import Arrived, Remembered, Terms, Vouched, unchanged_for, voucher_of
from include.ledger.landing import Landed
from include.ledger.queries import sets_sql
from include.ledger.set_manifest import MAX_BYTES, BrokenManifest, ListedFile, read_manifest
from include.ledger.sets import Scene, judge_sets

if TYPE_CHECKING:
    from include.ledger.taking import Known, Taken
    from landfall.gcp.landing import Site


def find_vouchers(site: Site) -> list[Landed]:
    """List the markers or manifests that lie where the dataset's files do; none where it has no sets."""
    base = site.dataset.pipeline.source.completeness.voucher
    if not base:
        return []
    bucket, glob = site.source
    folder, _, last = glob.rpartition("/")
    # `**` reaches into folders below; the marker's own name is looked for there too.
    name = f"**{base}" if "**" in last else base
    found = site.storage.find(bucket, f"{folder}/{name}" if folder else name)
    return [item for item in found if item.name.rpartition("/")[2] == base]


def judge(
    site: Site,
    landed: Sequence[Landed],
    vouchers: Sequence[Landed],
    *,
    taken: Taken,
    known: Sequence[Known],
    wanted: Callable[[str], bool],
    force: bool,
) -> Arrived:
    """Tell which landed files count, which are to be held, and what the others wait for.

    Args:
        landed: the files that lie there, without markers and manifests.
        vouchers: these.
        taken: what the run may do with each of the files.
        known: what the ledger says of files and vouchers.
        wanted: whether a person wants the file of this name.
        force: take again what is loaded or held.
    """
    complete = site.dataset.pipeline.source.completeness
    clock = functools.cache(site.now)
    if not complete.by_set:
        return _each(site, [item for item in taken.open if wanted(item.name)], clock, taken.released, force=force)
    lists = _lists(site, vouchers) if complete.kind == "manifest" else {}
    scene = Scene(
        terms=Terms(complete, site.dataset.pipeline.load),
        vouchers={item.folder: item for item in vouchers},
        lists=lists,
        opened=frozenset(item.file_id for item in taken.open),
        states={item.file_id: item.state for item in known},
        released=taken.released,
        known=_remembered(site, landed, vouchers, lists),
        clock=clock,
        force=force,
        wanted=wanted,
    )
    return judge_sets(scene, landed)


def _each(
    site: Site, opened: Sequence[Landed], clock: Callable[[], datetime], released: Collection[str], *, force: bool
) -> Arrived:
    """Judge files that belong to no set."""
    span = site.dataset.pipeline.source.completeness.unchanged
    free = [item for item in opened if span is None or force or item.file_id in released]
    bound = [item for item in opened if item not in free]
    unchanged, waiting = unchanged_for(bound, span, clock) if span else ([], [])
    taken = sorted((*free, *unchanged), key=lambda item: item.name)
    return Arrived(taken, {item.file_id: Vouched() for item in taken}, waiting=waiting)


def _lists(site: Site, vouchers: Sequence[Landed]) -> dict[str, dict[str, ListedFile] | str]:
    """Read manifests; one that cannot be used gives the reason instead of what it lists."""

    def read(item: Landed) -> dict[str, ListedFile] | str:
        if item.size > MAX_BYTES:
            return f"it holds {item.size:,} bytes, more than the {MAX_BYTES:,} that are read"
        content = site.storage.read_version(item)
        if content is None:
            return "it was replaced while it was read; the next run reads the new one"
        try:
            return read_manifest(content, item)
        except BrokenManifest as broken:
            return str(broken)

    return dict(zip(map(voucher_of, vouchers), site.storage.at_once(read, vouchers), strict=True))


def _remembered(
    site: Site,
    landed: Sequence[Landed],
    vouchers: Sequence[Landed],
    lists: Mapping[str, dict[str, ListedFile] | str],
) -> Remembered:
    """Ask the ledger what it knows of the sets at hand, in one query."""
    from landfall.gcp.landing import ask_ledger

    listed = {name for files in lists.values() if not isinstance(files, str) for name in files}
    parameters = {
        "dataset": site.dataset.name,
        "bucket": site.source[0],
        "vouchers": sorted(map(voucher_of, vouchers)),
        "folders": sorted({item.folder for item in landed}),
        "names": sorted({*listed, *(item.name for item in landed)}),
    }
    return Remembered.of(ask_ledger(site, sets_sql(site.ledger), parameters))

"""Which sets are complete: a set is a folder for which a marker or manifest vouches, each generation of it once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from include.engine.promised import Promised, mismatch
from include.ledger.completeness import (
    BAD_MANIFEST,
    INCOMPLETE,
    LATE,
    Arrived,
    Held,
    Remembered,
    Terms,
    Vouched,
    listing,
    shown,
    voucher_of,
)
from include.ledger.landing import Landed
from include.ledger.set_manifest import ListedFile
from include.ledger.states import OPEN, FileState

# What a set holds no more, though it may lie there still.
_GONE = frozenset({FileState.LOADED, FileState.SUPERSEDED, FileState.REJECTED})


@dataclass(frozen=True, slots=True)
class Scene:
    """What sets are judged by.

    Args:
        terms: the dataset's.
        vouchers: folder to the marker or manifest in it.
        lists: of a manifest, by `voucher_of`: names to what it lists, or why it cannot be read.
        opened: ids of the files that this run may take.
        states: file id to its state in the ledger.
        released: ids of files that wait for no set, because a person released them.
        known: what the ledger knows of the sets.
        clock: the store's time; asked only where it counts.
        force: take again what is loaded or held.
        wanted: whether a person wants the file of this name; a set with one such file is wanted.
    """

    terms: Terms
    vouchers: Mapping[str, Landed]
    lists: Mapping[str, dict[str, ListedFile] | str]
    opened: frozenset[str]
    states: Mapping[str, str]
    known: Remembered
    clock: Callable[[], datetime]
    released: frozenset[str] = frozenset()
    force: bool = False
    wanted: Callable[[str], bool] = lambda _: True

    def state(self, file: Landed) -> str | None:
        """Return a file's state; None where the ledger never saw it."""
        return self.states.get(file.file_id)

    def is_released(self, file: Landed) -> bool:
        """Whether a person wants a file in spite of its set."""
        return file.file_id in self.released

    def is_open(self, file: Landed, voucher: str = "") -> bool:
        """Whether a file is to be loaded; one that came late is, as soon as another set has it."""
        if self.state(file) == FileState.HELD and not self.force:
            return self.known.held_late.get(file.file_id, voucher) != voucher
        return file.file_id in self.opened


def judge_sets(scene: Scene, landed: Iterable[Landed]) -> Arrived:
    """Tell which files count, which are to be held, and what the others wait for.

    Args:
        scene: what is known.
        landed: the files that lie there, without markers and manifests.
    """
    arrived = Arrived()
    folders: dict[str, list[Landed]] = defaultdict(list)
    for item in landed:
        folders[item.folder].append(item)
    for folder in sorted({*folders, *scene.vouchers}):
        _Folder(scene, folder, arrived).judge(folders.get(folder, []))
    for item in arrived.taken:
        if scene.state(item) == FileState.HELD:
            arrived.vouched[item.file_id] = replace(arrived.vouched[item.file_id], again=True)
    arrived.taken.sort(key=lambda item: (item.name, item.generation))
    return arrived


class _Folder:
    def __init__(self, scene: Scene, folder: str, arrived: Arrived) -> None:
        self._scene, self._folder, self._arrived = scene, folder, arrived
        self._voucher = scene.vouchers.get(folder)
        self._name = voucher_of(self._voucher) if self._voucher else ""
        self._base = scene.terms.complete.voucher
        self._listed = scene.lists.get(self._name)
        self._spent = frozenset[str]() if scene.force else scene.known.spent.get(self._name, frozenset())
        self._is_spent = not scene.force and self._name in scene.known.spent

    def judge(self, files: list[Landed]) -> None:
        scene = self._scene
        live = [item for item in files if scene.force or scene.state(item) not in _GONE]
        if self._voucher is None:
            self._without(live)
        elif isinstance(self._listed, str):
            self._broken(self._voucher, self._listed, live)
        elif scene.terms.whole and self._is_spent:
            self._arrived.left.append(self._voucher)
            self._late(live)
        else:
            members = [item for item in live if self._is_member(item)]
            self._rest([item for item in live if not self._is_member(item)])
            if self._is_there(members):
                (self._whole if scene.terms.whole else self._each)(members)

    def _without(self, live: list[Landed]) -> None:
        scene = self._scene
        if scene.terms.whole and self._folder in scene.known.closed:
            self._late(live)
            return
        taken = [item for item in live if self._needs_no_voucher(item, live) and self._may(item)]
        self._arrived.take(taken, lambda _: Vouched())
        waits = [item for item in live if scene.is_open(item) and not self._needs_no_voucher(item, live)]
        self._arrived.wait(self._folder, waits, f"for {self._base}")

    def _needs_no_voucher(self, item: Landed, live: list[Landed]) -> bool:
        scene = self._scene
        if item.file_id not in scene.opened:
            return False
        if scene.terms.whole:
            return any(map(scene.is_released, live))
        # A marker that has done its work may be gone; what a run had taken on it still counts.
        planned = scene.terms.complete.kind == "marker" and scene.state(item) == FileState.PLANNED
        return planned or scene.is_released(item)

    def _broken(self, voucher: Landed, why: str, live: list[Landed]) -> None:
        if self._scene.state(voucher) != FileState.HELD:
            reason = f"{BAD_MANIFEST}: {why}. Write it anew; until then nothing of its folder is loaded."
            self._arrived.held.append(Held(voucher, reason))
        waits = [item for item in live if self._scene.is_open(item)]
        self._arrived.wait(self._folder, waits, f"for a {self._base} that can be used: {why}")

    def _is_member(self, item: Landed) -> bool:
        if item.name in self._spent:
            return False
        if self._scene.is_released(item):
            return True
        if isinstance(self._listed, dict):
            return item.name in self._listed
        if self._scene.force:
            return True
        at = self._voucher.created if self._voucher else None
        return at is None or item.created is None or item.created <= at

    def _rest(self, files: list[Landed]) -> None:
        waits = [item for item in files if self._scene.is_open(item)]
        why = " that lists them" if self._listed is not None else "; they landed after the one that is there"
        self._arrived.wait(self._folder, waits, f"for a new {self._base}{why}")

    def _is_there(self, members: list[Landed]) -> bool:
        """Whether all is there that the manifest lists."""
        if not isinstance(self._listed, dict) or any(map(self._scene.is_released, members)):
            return True
        missing = set(self._listed) - {item.name for item in members} - self._spent
        if missing:
            text = f"for {listing(missing)}: {len(missing)} of {len(self._listed)} files in {self._base} are not there"
            self._arrived.wait(self._folder, [item for item in members if self._scene.is_open(item)], text)
        return not missing

    def _each(self, members: list[Landed]) -> None:
        """Take files each by itself."""
        assert self._voucher is not None
        if self._is_spent and not members:
            self._arrived.left.append(self._voucher)
        taken = [item for item in members if item.file_id in self._scene.opened and self._may(item)]
        wrong = self._wrong(taken)
        self._arrived.held += [Held(item, wrong[item.name], self._name) for item in taken if item.name in wrong]
        self._arrived.take([item for item in taken if item.name not in wrong], self._why)

    def _whole(self, members: list[Landed]) -> None:
        """Take all or nothing."""
        scene = self._scene
        fresh = [item for item in members if scene.is_open(item, self._name)]
        if not fresh or not any(map(self._may, members)):
            return
        busy = [item for item in members if scene.state(item) in OPEN and item.file_id not in scene.opened]
        if busy:
            self._arrived.wait(self._folder, fresh, f"for another run, which has {listing(i.name for i in busy)}")
            return
        reasons = self._reasons(members)
        if reasons is None:
            self._arrived.take(members, self._why)
        else:
            self._arrived.held += [Held(item, reasons(item), self._name) for item in fresh]

    def _reasons(self, members: list[Landed]) -> Callable[[Landed], str] | None:
        """Return what says of each file why its set is held; None where it is not."""
        if any(map(self._scene.is_released, members)):
            return None
        wrong = self._wrong(members)
        if wrong:
            text = f"{listing(wrong)} of its set is not as {self._base} says; the set is loaded as a whole"
            return lambda item: wrong.get(item.name, f"{INCOMPLETE}: {text}")
        alone = self._scene.known.alone.get(self._folder, frozenset()) - {item.name for item in members}
        if alone and not self._scene.force:
            text = f"{listing(alone)} of its folder came late and was loaded by itself; the set would replace its rows"
            advice = f"Land it again, and {self._base} anew; or release the files of the set, if they hold its rows."
            return lambda _: f"{INCOMPLETE}: {text}. {advice}"
        return None

    def _wrong(self, files: Iterable[Landed]) -> dict[str, str]:
        """Return what is wrong with files that are not as their manifest says, by name."""
        if not isinstance(self._listed, dict):
            return {}
        found: dict[str, str] = {}
        for item in files:
            listed = None if self._scene.is_released(item) else self._listed.get(item.name)
            given = (("size", listed.size, item.size), ("crc32c", listed.crc32c, item.checksum)) if listed else ()
            if listed and item.md5:
                given = (*given, ("md5", listed.md5, item.md5))
            for what, expected, actual in given:
                if expected is not None and expected != actual:
                    reason = mismatch(self._base, what, expected, actual)
                    found.setdefault(item.name, f"{reason.code}: {reason.message}")
        return found

    def _why(self, item: Landed) -> Vouched:
        assert self._voucher is not None
        listed = self._listed.get(item.name) if isinstance(self._listed, dict) else None
        if self._scene.is_released(item):
            listed = None
        promised = None
        if listed is not None:
            md5 = "" if item.md5 else listed.md5 or ""
            promised = Promised(self._base, (listed.sha256 or "").lower(), md5, listed.records)
        checked = promised is not None and (promised.sha256 or promised.md5 or promised.records is not None)
        return Vouched(self._name, self._voucher.created, promised=promised if checked else None)

    def _may(self, item: Landed) -> bool:
        return self._scene.wanted(item.name)

    def _late(self, live: list[Landed]) -> None:
        """Judge files of a folder whose set is loaded."""
        scene, load = self._scene, self._scene.terms.load
        early = []
        for item in live:
            if not self._may(item) or item.file_id not in scene.opened:
                continue
            if scene.force or scene.is_released(item):
                self._arrived.take([item], lambda _: Vouched(late=True))
            elif scene.state(item) == FileState.HELD:
                continue
            elif item.created is not None and scene.clock() - item.created < load.grace:
                early.append(item)
            elif load.late == "load":
                self._arrived.take([item], lambda _: Vouched(late=True))
            else:
                text = "it came after the set of its folder was loaded"
                advice = f"Deliver the whole folder again, with a new {self._base}; or release it to add its rows."
                self._arrived.held.append(Held(item, f"{LATE}: {text}. {advice}"))
        text = f"for a new {self._base}: the set is loaded, and after {shown(load.grace)} they are late"
        self._arrived.wait(self._folder, early, text)

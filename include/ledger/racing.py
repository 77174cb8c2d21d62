"""What is left of a commit after another run was faster with a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from include.ledger.plan import PlannedBatch, PlannedFile
from include.ledger.states import LASTING, FileState
from include.ledger.taking import Known


def settled(file: PlannedFile, versions: Iterable[Known], *, skip: bool) -> bool:
    """Whether a commit must not bring a file any more.

    It is loaded, held or rejected; a newer version is loaded; or, under `skip`, any is. What the commit's guards say.

    Args:
        file: one version.
        versions: what the ledger says of all versions of the object.
        skip: the policy for redelivered files is `skip`.
    """
    versions = list(versions)
    turned = {v.state for v in versions if v.file_id == file.file_id} & {FileState.HELD, FileState.REJECTED}
    if turned:
        return not (file.released or (file.again and FileState.HELD in turned))
    lasting = [item for item in versions if item.state in LASTING]
    return any(item.file_id == file.file_id or item.generation > file.generation or skip for item in lasting)


def brought_by(run_id: str, batch: PlannedBatch, known: Sequence[Known]) -> bool:
    """Whether a run has committed a batch: in an earlier try of its load task."""
    runs = {item.file_id: item.run_id for item in known if item.state in (FileState.LOADED, FileState.HELD)}
    return all(runs.get(file.file_id) == run_id for file in batch.files)


def untouched(batches: Iterable[PlannedBatch], known: Sequence[Known], *, skip: bool) -> list[int]:
    """Return the numbers of the batches none of whose files is settled: they can be committed as they are.

    A batch with settled files cannot: its duplicates were looked for among all of its files. What is left of it is
    planned anew.
    """
    versions = _by_name(known)
    return [
        batch.number
        for batch in batches
        if not any(settled(file, versions.get(file.name, ()), skip=skip) for file in batch.files)
    ]


def unsettled(files: Iterable[PlannedFile], known: Sequence[Known], *, skip: bool) -> list[PlannedFile]:
    """Return the files that still have to be loaded by somebody."""
    versions = _by_name(known)
    return [file for file in files if not settled(file, versions.get(file.name, ()), skip=skip)]


def _by_name(known: Iterable[Known]) -> Mapping[str, list[Known]]:
    versions: dict[str, list[Known]] = {}
    for item in known:
        versions.setdefault(item.name, []).append(item)
    return versions

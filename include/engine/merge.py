"""Makes one answer of the parts of a file that were read apart: the one that reading it whole would have given."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from include.engine.account import Manifest, assert_balanced, total
from include.engine.admit import account_of, admit
from include.engine.files import FileState, Input, note_unexpected
from include.engine.mask import Secrets
from include.engine.parse_csv import too_wide
from include.engine.promised import Witness
from include.engine.quarantine import Quarantine
from include.engine.shard_result import ShardPart, ShardResult
from include.engine.version import ENGINE_VERSION
from include.spec.dataset import Dataset


def merge(
    dataset: Dataset,
    item: Input,
    results: Sequence[ShardResult],
    parts: Sequence[ShardPart],
    *,
    batch_id: str,
    secrets: Secrets,
    held: Path,
) -> Manifest:
    """Decide on a file and account for its records.

    Args:
        dataset: contract and pipeline.
        item: the file.
        results: of its shards, in order, with the names of their files as the manifest is to have them.
        parts: the good rows without the duplicates, likewise.
        batch_id: identity of the batch.
        secrets: the keys that the shards were read with.
        held: where the file's own quarantine row is written, if it is held; the manifest has it last, by its name.

    Raises:
        AccountingError: the counts do not add up.
    """
    state = _summed(item, results)
    state.hold(too_wide(state.wide, state.records, dataset))
    note_unexpected(state, state.unexpected, dataset.pipeline.format)
    state.hold(Witness(io.BytesIO(), item.promised).verdict(state.records))
    admit(state, dataset)
    good: tuple[ShardPart, ...] = ()
    duplicates = 0
    quarantine = [name for result in results for name in result.quarantine]
    if state.reason is None:
        good = tuple(part for part in parts if part.rows)
        duplicates = sum(result.good for result in results) - sum(part.rows for part in good)
    else:
        row = Quarantine(held, secrets, secret=bool(dataset.pipeline.mask))
        row.add_file((item.file_id, item.uri), state.bytes, state.reason)
        quarantine += row.close()
    loaded = sum(part.rows for part in good)
    accounts = (account_of(state, dataset, secrets, loaded=loaded, duplicates=duplicates),)
    rules = sum((Counter(result.rules) for result in results), Counter())
    manifest = Manifest(
        dataset=dataset.name,
        batch_id=batch_id,
        files=accounts,
        good=tuple(part.name for part in good),
        quarantine=tuple(quarantine),
        rules=dict(sorted(rules.items())),
        engine_version=ENGINE_VERSION,
        evolved=(),
        **total(accounts),
    )
    assert_balanced(manifest, written=loaded)
    return manifest


def _summed(item: Input, results: Sequence[ShardResult]) -> FileState:
    state = FileState(0, item, bytes=item.size or 0)
    for result in results:
        state.records += result.records
        state.failed += result.failed
        state.unreadable += result.unreadable
        state.filtered += result.filtered
        state.wide += result.wide
        state.notes += [note for note in result.notes if note not in state.notes]
        state.unexpected.update(result.unexpected)
        state.opening = state.opening or result.opening
    return state

"""Decides on a file once all of its records are known, and accounts for them."""

from __future__ import annotations

from include.engine.account import FileAccount, Reason
from include.engine.files import FileState
from include.engine.mask import Secrets
from include.spec.dataset import Dataset


def admit(state: FileState, dataset: Dataset) -> None:
    """Hold a file that is in another encoding, or of whose records too many failed."""
    share = dataset.pipeline.tolerate
    if state.unreadable * 2 > state.records:
        name = dataset.pipeline.format.encoding.upper()
        message = f"{state.unreadable:,} of {state.records:,} records are not {name}. Send the file as {name}."
        state.hold(Reason("wrong_encoding", message))
    if state.failed > share.share * state.records and not state.input.released:
        part = f"{state.failed:,} of {state.records:,} records failed ({state.failed / state.records:.1%})"
        state.hold(Reason("over_tolerance", f"{part}; `tolerate.quarantined` allows {share.quarantined}"))


def account_of(state: FileState, dataset: Dataset, secrets: Secrets, *, loaded: int, duplicates: int) -> FileAccount:
    """Return what became of a file's records.

    Args:
        loaded, duplicates: of an accepted file.
    """
    is_held = state.reason is not None
    if state.failed and dataset.pipeline.mask and not secrets.raw_key:
        state.notes.append("raw bytes of quarantined records were not kept: LANDFALL_RAW_KEY is not set")
    return FileAccount(
        file_id=state.input.file_id,
        uri=state.input.uri,
        state="held" if is_held else "accepted",
        records=state.records,
        loaded=loaded,
        filtered=0 if is_held else state.filtered,
        duplicates=duplicates,
        quarantined=state.records if is_held else state.failed,
        bytes=state.bytes,
        reason=state.reason,
        failed=state.failed,
        notes=tuple(state.notes),
        left_out=tuple(state.left_out),
        missing=state.input.chosen.missing if state.input.chosen else (),
        lost=tuple(sorted(state.lost.items())),
        opening=state.opening if state.failed and not is_held and state.input.chosen is None else None,
    )

"""What became of every record, per file and in all; plain data that the plugins read without the engine's libraries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from include.engine.errors import AccountingError

_COUNTS = ("records", "loaded", "filtered", "duplicates", "quarantined")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a whole file is held: a stable code, and a sentence that a person can act on."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What a record of a file needs of it to be read by itself, once the file is gone.

    Args:
        encoding: of its characters, byte order said.
        header: bytes of its CSV header, in base64; empty: it has none, or none that is short enough to be kept.
    """

    encoding: str
    header: str = ""


@dataclass(frozen=True, slots=True)
class FileAccount:
    """What became of one file's records.

    Args:
        file_id: identity of the file version.
        uri: where it lay.
        state: accepted: its good records are among the good rows; held: none of them is.
        records: physical records found by the framer; a header and blank lines are none.
        loaded, filtered, duplicates, quarantined: what became of them; of a held file all are quarantined.
        bytes: size after decompression, as far as it was read.
        reason: why it is held.
        failed: records that have reasons of their own.
        notes: what a person should know though nothing is wrong.
        left_out: where only some records were wanted, which of them the filter left out.
        missing: which of them today's format does not find.
        lost: where the file is gone and only its quarantined records are there, which of them cannot be read, and why.
        opening: of an accepted file with quarantined records, what these need to be read without it.
    """

    file_id: str
    uri: str
    state: Literal["accepted", "held"]
    records: int
    loaded: int
    filtered: int
    duplicates: int
    quarantined: int
    bytes: int
    reason: Reason | None = None
    failed: int = 0
    notes: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    lost: tuple[tuple[int, str], ...] = ()
    opening: Opening | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FileAccount:
        """Read what `dataclasses.asdict` and JSON made of an account; what a newer engine tells beyond is left out."""
        data = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        reason = Reason(**data["reason"]) if data.get("reason") else None
        listed = {name: tuple(data.get(name, ())) for name in ("notes", "left_out", "missing")}
        lost = tuple((number, why) for number, why in data.get("lost", ()))
        opening = Opening(**data["opening"]) if data.get("opening") else None
        return cls(**{**data, "reason": reason, **listed, "lost": lost, "opening": opening})


@dataclass(frozen=True, slots=True)
class EvolvedColumn:
    """A column that accepted files bring and the contract does not know; see `unexpected_columns: evolve`.

    Args:
        name: in the parts and in the warehouse.
        type: JSON where a value is an object or an array; the parts hold text either way.
        sources: what the files call it.
        files: ids of the files that bring it.
    """

    name: str
    type: Literal["STRING", "JSON"]
    sources: tuple[str, ...]
    files: tuple[str, ...]

    def joined(self, other: EvolvedColumn) -> EvolvedColumn:
        """Return this column as brought by both files."""
        return EvolvedColumn(
            self.name,
            "JSON" if "JSON" in (self.type, other.type) else "STRING",
            tuple(dict.fromkeys((*self.sources, *other.sources))),
            tuple(dict.fromkeys((*self.files, *other.files))),
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> EvolvedColumn:
        """Read what `dataclasses.asdict` and JSON made of a column."""
        return cls(data["name"], data["type"], tuple(data["sources"]), tuple(data["files"]))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one batch gave: counts, files, and the names of the Parquet parts beside the manifest.

    Args:
        good, quarantine: names of the parts, relative to the manifest.
        rules: failures per rule, as `rule.column`; a record with two failures counts in both.
        evolved: columns of the good parts that the contract does not know.
    """

    dataset: str
    batch_id: str
    records: int
    loaded: int
    filtered: int
    duplicates: int
    quarantined: int
    files: tuple[FileAccount, ...]
    good: tuple[str, ...]
    quarantine: tuple[str, ...]
    rules: dict[str, int] = field(default_factory=dict)
    engine_version: str = ""
    evolved: tuple[EvolvedColumn, ...] = ()

    def to_json(self) -> str:
        """Return the manifest as JSON text, its keys in a fixed order."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text is no JSON.
            TypeError, KeyError: it is no manifest.
        """
        data = json.loads(text)
        files = tuple(FileAccount.from_json(item) for item in data["files"])
        evolved = tuple(EvolvedColumn.from_json(item) for item in data.get("evolved", ()))
        parts = {name: tuple(data[name]) for name in ("good", "quarantine")}
        return cls(**{**data, **parts, "files": files, "evolved": evolved})


def total(files: Iterable[FileAccount]) -> dict[str, int]:
    """Return the sums of the five counts over files."""
    sums = dict.fromkeys(_COUNTS, 0)
    for account in files:
        for name in _COUNTS:
            sums[name] += getattr(account, name)
    return sums


def assert_balanced(manifest: Manifest, *, written: int) -> None:
    """Check that every record is accounted for.

    Args:
        manifest: what is about to be published.
        written: rows in the good Parquet parts.

    Raises:
        AccountingError: a file's or the batch's counts do not add up, or rows were written that are not counted.
    """
    for account in manifest.files:
        _assert_adds_up(f"file {account.uri}", account)
        if account.state == "held" and account.quarantined != account.records:
            raise AccountingError(
                f"file {account.uri} is held, yet {account.records - account.quarantined} records left it"
            )
    _assert_adds_up(f"batch {manifest.batch_id}", manifest)
    for name, value in total(manifest.files).items():
        if value != getattr(manifest, name):
            raise AccountingError(f"the files' {name} add up to {value}, the batch says {getattr(manifest, name)}")
    if written != manifest.loaded:
        raise AccountingError(f"{written} rows were written, {manifest.loaded} are counted as loaded")


def _assert_adds_up(what: str, counts: FileAccount | Manifest) -> None:
    parts = counts.loaded + counts.filtered + counts.duplicates + counts.quarantined
    if parts != counts.records or min(getattr(counts, name) for name in _COUNTS) < 0:
        shown = ", ".join(f"{name} {getattr(counts, name)}" for name in _COUNTS)
        raise AccountingError(
            f"{what}: records are not accounted for ({shown}). This is a defect of the engine; report it."
        )

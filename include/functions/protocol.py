"""What a caller sends to the transform function of any cloud, and what it answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from include.spec.model import Model

MAX_BODY = 8_000_000
MAX_INPUTS = 10_000
MANIFEST = "manifest.json"

ObjectUri = Annotated[str, Field(pattern=r"^(gs|s3)://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/[^\r\n]{1,1024}$")]


def bucket_of(uri: str) -> str:
    """Return the bucket of an object's address."""
    return uri.split("/", 3)[2]


class PinnedPromise(Model):
    """What the manifest of a set promises of a file; a file that is not so is held.

    Args:
        by: the manifest's name.
        sha256: of the stored bytes, hexadecimal; empty: not promised.
        md5: of the stored bytes, base64; empty: not promised.
        records: physical records; None: not promised.
    """

    by: str = Field(min_length=1, max_length=1024)
    sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    md5: str = Field("", max_length=24)
    records: int | None = Field(None, ge=0)


class PinnedInput(Model):
    """One landed file, in exactly one version.

    Args:
        file_id: identity of the version.
        generation: the store's number of the version.
        size: bytes as stored.
        crc32c: of the stored bytes, in base64; empty where the store has none.
        promised: what the manifest of its set says of it.
        released: a person released it: the tolerance does not hold it.
    """

    file_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")
    uri: ObjectUri
    generation: int = Field(ge=0)
    size: int = Field(ge=0)
    crc32c: str = Field("", max_length=64)
    promised: PinnedPromise | None = None
    released: bool = False


class PinnedReference(Model):
    """A reference file or a table's snapshot, in exactly one version."""

    uri: ObjectUri
    generation: int = Field(ge=0)


class KeptRecord(Model):
    """A record as the quarantine has it.

    Args:
        line: the line on which it began.
        raw: its bytes in base64, encrypted where a key is named.
        key: name of the key under which they are.
    """

    number: int
    line: int
    raw: str
    key: str | None = None


class KeptOpening(Model):
    """What the ledger kept of a file's beginning; see `include.engine.account.Opening`."""

    encoding: str
    header: str = ""


class KeptRecords(Model):
    """What is left of a file that is gone: some of its records."""

    records: tuple[KeptRecord, ...] = Field(strict=False)
    opening: KeptOpening | None = None


class Selection(Model):
    """Some records of some files: what the object holds that `TransformRequest.chosen` names.

    Args:
        files: file id to the records wanted of it: number and byte offset of each.
        kept: those of them that are gone, and what is read in their place.
    """

    files: dict[str, tuple[tuple[int, int], ...]] = Field(strict=False)
    kept: dict[str, KeptRecords] = Field({})


class TransformRequest(Model):
    """One batch.

    Args:
        dataset: what `Dataset.to_wire` gave.
        batch_id: identity of the batch: of all that can change its answer.
        attempt: number of the try; each try writes below a path of its own.
        inputs: the files, in the order in which their records count as first and last.
        references: by the name that the pipeline gives them: ``reference/customers.csv``, ``table:crm.customers``.
        output: prefix under which parts and manifest are written; ends in ``<batch_id>/attempt-<attempt>/``.
        engine: the engine's version that went into the batch id; empty: any.
        keys: `mask` and `raw` to the names of the keys that went into it; empty: any.
        chosen: address of a selection, where only some records of the files are wanted; empty: all.
    """

    dataset: dict[str, Any]
    batch_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")
    attempt: int = Field(ge=1)
    inputs: tuple[PinnedInput, ...] = Field(min_length=1, max_length=MAX_INPUTS, strict=False)
    references: dict[str, PinnedReference] = Field({}, max_length=100)
    output: ObjectUri
    engine: str = Field("", max_length=64)
    keys: dict[str, str] = Field({}, max_length=10)
    chosen: ObjectUri | None = None

    @property
    def idempotency_key(self) -> str:
        """What the header ``Idempotency-Key`` says, where it is sent."""
        return f"{self.batch_id}-{self.attempt}"

    @property
    def manifest(self) -> str:
        """Where the manifest is written, last of all: its presence means that the batch is complete."""
        return self.output + MANIFEST

    @model_validator(mode="after")
    def _own_path(self) -> TransformRequest:
        if not self.output.endswith(f"/{self.batch_id}/attempt-{self.attempt}/") or "/../" in self.output:
            raise ValueError("output must end in <batch_id>/attempt-<attempt>/, so that no two tries share a path")
        return self


class TransformResponse(Model):
    """What became of the batch: the manifest's address, and the manifest's counts."""

    manifest: str
    records: int
    loaded: int
    filtered: int
    duplicates: int
    quarantined: int
    held: int = Field(description="files of which nothing is loaded")
    files: int


class ErrorBody(Model):
    """Why a batch could not be transformed.

    Args:
        code: stable; callers may decide by it.
        message: for a person; holds no data.
        retryable: whether the same request can succeed later.
        where: what it is about: an object's address, a field of the request, or nothing.
    """

    code: str
    message: str
    retryable: bool
    where: str = ""


class ErrorResponse(Model):
    """The body of every answer that is no success."""

    error: ErrorBody

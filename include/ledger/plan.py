"""A run's plan: which file versions are loaded, in which batches, under which names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from pydantic import Field

from include.engine.promised import Promised
from include.engine.version import ENGINE_VERSION
from include.ledger.choice import Replay
from include.ledger.completeness import Vouched
from include.ledger.identity import batch_id, content_hash
from include.ledger.landing import Landed, pack
from include.ledger.runner import Runner, choose, is_large
from include.spec.dataset import Dataset
from include.spec.model import Model

# A function has a gigabyte and minutes, a mapped task 1,024 instances, a load job 10,000 URIs. A larger file is a batch
# of its own; above the dataset's `dataflow_above` it goes to Dataflow.
MAX_BATCH_BYTES = 256_000_000
MAX_BATCH_FILES = 1_000
MAX_BATCHES = 1_000


class ObjectVersion(Protocol):
    """One version of one object: landed, archived, or as the ledger has it."""

    @property
    def file_id(self) -> str:
        """Its identity."""

    @property
    def bucket(self) -> str:
        """Where it lies."""

    @property
    def name(self) -> str:
        """What it is called there."""

    @property
    def generation(self) -> int:
        """The store's number of it."""

    @property
    def size(self) -> int:
        """Bytes as stored."""

    @property
    def checksum(self) -> str:
        """What the store says of the content."""


class PlannedFile(Model):
    """One file version, pinned.

    Args:
        voucher: name and generation of the marker or manifest of its set; empty where no set counts.
        vouched_at: when that landed.
        late: it comes after its set; its rows are added to the partition.
        again: it was held, and goes along with its set.
        promised: what the manifest says of it that only reading can tell.
        released: a person released it: the tolerance does not hold it.
    """

    file_id: str
    bucket: str
    name: str
    generation: int
    size: int
    checksum: str
    voucher: str = ""
    vouched_at: datetime | None = None
    late: bool = False
    again: bool = False
    promised: Promised | None = None
    released: bool = False

    @property
    def uri(self) -> str:
        """The object's address, without its generation."""
        return f"gs://{self.bucket}/{self.name}"


class PlannedBatch(Model):
    """Files that one call of the function, or one job on Dataflow, transforms.

    Args:
        chosen: address of a selection, where only some records of the files are replayed: by the function, always.
        runner: what transforms them; Dataflow takes one file.
        reason: why that, in one sentence.
    """

    number: int
    batch_id: str
    files: tuple[PlannedFile, ...] = Field(strict=False)
    chosen: str | None = None
    runner: Runner = "function"
    reason: str = ""

    @property
    def late(self) -> bool:
        """Whether its files come after their sets; a batch never holds both kinds."""
        return self.files[0].late


class Reference(Model):
    """A reference file, or a table's snapshot, as uploaded for the function: its address names its content."""

    uri: str
    generation: int


class Plan(Model):
    """What one run does.

    Args:
        dataset: the dataset as `Dataset.to_wire` gives it, so that every task of the run sees the same contract.
        force: files are loaded again that are loaded already, in place of their rows.
        left_behind: loaded and rejected files that an earlier run did not move to the archive.
        later: files that did not fit into this run; the next one takes them.
        engine: version of the function's engine, which is in the batches' ids.
        keys: names of the function's keys, likewise; none where no column is masked.
        replay: what is replayed, where the run does that.
    """

    run_id: str
    dataset: dict[str, Any]
    batches: tuple[PlannedBatch, ...] = Field(strict=False)
    references: dict[str, Reference] = Field({})
    force: bool = False
    left_behind: tuple[PlannedFile, ...] = Field((), strict=False)
    later: int = 0
    engine: str = ""
    keys: dict[str, str] = Field({})
    replay: Replay | None = None

    @property
    def files(self) -> tuple[PlannedFile, ...]:
        """Every file of every batch."""
        return tuple(file for batch in self.batches for file in batch.files)


def plan_name(run_id: str) -> str:
    """Return what a run's plan is called in the work bucket, below its dataset's folder."""
    return f"plans/{content_hash(run_id.encode())}.json"


def make_plan(
    dataset: Dataset,
    landed: Sequence[Landed],
    *,
    run_id: str,
    references: dict[str, Reference],
    force: bool,
    left_behind: Sequence[Landed] = (),
    engine: str = ENGINE_VERSION,
    keys: Mapping[str, str] | None = None,
    vouched: Mapping[str, Vouched] | None = None,
    released: Collection[str] = (),
    alone: Collection[str] = (),
) -> Plan:
    """Pack landed files into batches and name them; the same input gives the same plan.

    Args:
        dataset: the files' dataset.
        landed: the files.
        run_id: the run that takes them.
        references: by the name that the pipeline gives them.
        force: files are loaded again that are loaded already.
        left_behind: loaded and rejected files that an earlier run did not move to the archive.
        engine: version of the engine that transforms them.
        keys: `mask` and `raw` to the names of the keys that the engine has; they count where columns are masked.
        vouched: file id to why the file counts.
        released: ids of files that a person released.
        alone: ids of files that get a batch of their own, because they have failed before.
    """
    why = vouched or {}
    own = own_keys(dataset, keys or {})
    packed = _packed(dataset, landed, {name for name, reason in why.items() if reason.late}, alone)
    kept = [(files, choose(dataset, files)) for files in packed[:MAX_BATCHES]]
    return Plan(
        run_id=run_id,
        dataset=dataset.to_wire(),
        batches=tuple(
            PlannedBatch(
                number=number,
                batch_id=batch_id(
                    (item.file_id for item in files),
                    fingerprint=dataset.fingerprint,
                    references=[reference.uri for reference in references.values()],
                    engine=engine,
                    keys=own,
                    epoch=run_id if force else "",
                    vouchers={why[item.file_id].voucher for item in files if item.file_id in why},
                    released=[item.file_id for item in files if item.file_id in released],
                ),
                files=tuple(pinned(item, why.get(item.file_id), released=item.file_id in released) for item in files),
                runner=chosen.runner,
                reason=chosen.reason,
            )
            for number, (files, chosen) in enumerate(kept)
        ),
        references=references,
        force=force,
        left_behind=tuple(pinned(item) for item in left_behind),
        later=sum(len(files) for files in packed[MAX_BATCHES:]),
        engine=engine,
        keys=own,
    )


def _packed(
    dataset: Dataset, landed: Iterable[Landed], late: Collection[str], alone: Collection[str]
) -> list[list[Landed]]:
    """Pack files; those that come late are no part of a set, and a large one is a batch of its own.

    A set stays one batch with a large file in it too. A batch is what is transformed, held, left out where it failed
    and given up in a race as a whole, and within which duplicates are looked for; a commit knows nothing of sets. Of a
    set in several batches a part could replace the days of the whole, with rows of one key from two of its files.
    """
    by_folder = dataset.pipeline.load.mode == "replace_partition"
    parts: tuple[list[Landed], list[Landed]] = ([], [])
    single = set(alone)
    for item in landed:
        parts[item.file_id in late].append(item)
        if is_large(dataset, item):
            single.add(item.file_id)
    most: dict[str, Any] = {"max_bytes": MAX_BATCH_BYTES, "max_files": MAX_BATCH_FILES, "alone": single}
    return [*pack(parts[0], by_folder=by_folder, **most), *pack(parts[1], by_folder=False, **most)]


def own_keys(dataset: Dataset, keys: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the engine's keys that can change a dataset's answers: none where no column is masked."""
    return dict(keys) if dataset.pipeline.mask else {}


def pinned(
    version: ObjectVersion, why: Vouched | None = None, *, released: bool = False, file_id: str = ""
) -> PlannedFile:
    """Return a version of an object as a plan holds it.

    Args:
        version: as it landed, or where it lies now.
        why: why it counts, where a set says so.
        released: a person released it.
        file_id: its identity, where it lies elsewhere than it landed.
    """
    why = why or Vouched()
    return PlannedFile(
        file_id=file_id or version.file_id,
        bucket=version.bucket,
        name=version.name,
        generation=version.generation,
        size=version.size,
        checksum=version.checksum,
        voucher=why.voucher,
        vouched_at=why.at,
        late=why.late,
        again=why.again,
        promised=why.promised,
        released=released,
    )

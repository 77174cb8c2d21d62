"""Which sample files are new, and how they get into the landing bucket."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.drop import Dropped, upload
from cli.names import Place
from include.spec.arrival import MARKER
from include.spec.dataset import Dataset

if TYPE_CHECKING:
    from google.cloud.storage import Client

    from cli.ledger import LedgerReader

_DONE = ("loaded", "held")


@dataclass(frozen=True)
class Sample:
    """A sample file, and the object that it becomes.

    Args:
        checksum: CRC32C of the content, base64, as Cloud Storage gives it.
    """

    path: Path
    name: str
    checksum: str


@dataclass(frozen=True)
class SampleSet:
    """The sample files of one dataset, in the order of their names."""

    dataset: Dataset
    place: Place
    samples: tuple[Sample, ...]

    @classmethod
    def of(cls, dataset: Dataset, roots: Iterable[Path], landing: str) -> SampleSet:
        """Find a dataset's sample files.

        Args:
            dataset: its `source.uri` decides on the objects' names.
            roots: each holds <dataset>/samples, or <dataset> itself with the files.
            landing: name of the landing bucket.
        """
        place = Place.of(dataset.pipeline.source.uri, landing)
        found = []
        for root in roots:
            folder = root / dataset.name / "samples"
            if not folder.is_dir():
                folder = root / dataset.name
            for path in sorted(folder.rglob("*")):
                name = place.folder + path.relative_to(folder).as_posix()
                if path.is_file() and path.name != MARKER and place.matches(name):
                    found.append(Sample(path, name, checksum_of(path)))
        return cls(dataset, place, tuple(found))

    def new(self, known: Mapping[str, set[str]]) -> list[Sample]:
        """Return the samples that are neither loaded nor waiting with the same content.

        Args:
            known: object name to the checksums of its content that are.

        Where a folder is one delivery (replace_partition), a changed file brings its whole folder along: the
        rest of the day would be missing from what replaces the day.
        """
        changed = [sample for sample in self.samples if sample.checksum not in known.get(sample.name, ())]
        if self.dataset.pipeline.load.mode != "replace_partition":
            return changed
        folders = {_folder(sample.name) for sample in changed}
        return [sample for sample in self.samples if _folder(sample.name) in folders]

    def known(self, reader: LedgerReader, client: Client) -> dict[str, set[str]]:
        """Return object name to the checksums that are loaded as its latest version, or lie in the bucket."""
        names = [sample.name for sample in self.samples]
        latest = {}
        if names and reader.exists():
            versions = reader.versions(self.dataset.name, self.place.bucket, names)
            latest = {file.name: file for file in sorted(versions, key=lambda file: file.generation)}
        known = {name: {file.checksum} for name, file in latest.items() if file.state in _DONE}
        for blob in client.list_blobs(self.place.bucket, prefix=self.place.folder):
            known.setdefault(blob.name, set()).add(str(blob.crc32c))
        return known

    def drop(self, samples: Iterable[Sample], client: Client) -> list[Dropped]:
        """Upload sample files, and the markers of their folders where the dataset waits for one."""
        wants_marker = self.dataset.pipeline.source.complete == "marker"
        files = {sample.name: sample.path for sample in samples}
        return upload(client, self.place.bucket, files, wants_marker) if files else []


def checksum_of(path: Path) -> str:
    """Return the CRC32C of a file's content, base64."""
    import google_crc32c

    digest: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
    with path.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return base64.b64encode(bytes(digest.digest())).decode()


def _folder(name: str) -> str:
    return name.rpartition("/")[0]

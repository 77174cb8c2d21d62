"""`landfall drop`: puts local files where a dataset looks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import exit_codes
from cli.errors import CliError, reported

if TYPE_CHECKING:
    from google.cloud.storage import Bucket, Client

    from cli.names import Place
    from include.spec.dataset import Dataset

_CHUNK = 8 * 1024 * 1024


@dataclass(frozen=True)
class Dropped:
    """A file version that now lies in the landing bucket."""

    bucket: str
    name: str
    generation: int
    size: int

    @property
    def uri(self) -> str:
        """The object's address."""
        return f"gs://{self.bucket}/{self.name}"


@reported
def drop(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset.")],
    files: Annotated[list[Path], typer.Argument(help="Local files.")],
    named: Annotated[
        str | None, typer.Option("--as", help="Name of the object, for a single file.", metavar="NAME")
    ] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="Then mark the folder as complete (datasets with a marker).")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Upload files to where the dataset's pipeline.yaml looks for them.

    A file under a name that the dataset would not find is refused before anything is uploaded.
    """
    from cli.folders import read_dataset
    from cli.show import console, plain, print_json

    made = drop_files(read_dataset(dataset), files, named=named, complete=complete)
    if json:
        print_json({"dropped": [{"uri": f.uri, "generation": f.generation, "size": f.size} for f in made]})
        return
    out = console()
    for file in made:
        out.print(f"dropped {plain(file.uri)} ({file.size:,} bytes)", soft_wrap=True)


def drop_files(
    dataset: Dataset, files: Sequence[Path], *, named: str | None = None, complete: bool = False
) -> list[Dropped]:
    """Upload files to a dataset's place in the landing bucket, and mark their folders as complete if told to.

    Args:
        dataset: whose `source.uri` says where.
        files: local files; a marker among them counts as `complete`.
        named: name of the object, for a single file.
        complete: write the marker into each folder once its files are there.

    Raises:
        CliError: a file is missing or misnamed (nothing is uploaded then), or Cloud Storage gives no answer.
    """
    from cli.clients import storage_client
    from cli.folders import settings
    from cli.names import Place
    from include.spec.arrival import MARKER

    deployment = settings()
    source = dataset.pipeline.source
    place = Place.of(source.uri, deployment.landing)
    data = [file for file in files if file.name != MARKER]
    wants_marker = complete or len(data) < len(files)
    _check_usage(dataset, data, named, wants_marker)
    names = [_object_name(place, file, named) for file in data]
    return upload(storage_client(deployment), place.bucket, dict(zip(names, data, strict=True)), wants_marker)


def _check_usage(dataset: Dataset, data: Sequence[Path], named: str | None, wants_marker: bool) -> None:
    for file in data:
        if not file.is_file():
            raise CliError(f"{file}: is no file that could be read", exit_codes.USAGE)
    if not data:
        raise CliError("no data file is named; a marker alone says nothing", exit_codes.USAGE)
    if named and len(data) > 1:
        raise CliError("--as names one object, and there are several files", exit_codes.USAGE)
    if wants_marker and dataset.pipeline.source.complete != "marker":
        message = f"the dataset {dataset.name!r} waits for no marker (`complete: marker` in its pipeline.yaml)"
        raise CliError(message, exit_codes.USAGE)


def _object_name(place: Place, file: Path, named: str | None) -> str:
    from include.ledger.landing import is_temporary

    name = place.object_name(file, named)
    if is_temporary(name):
        message = f"{file}: {name!r} reads like a hidden or half-written file, which every dataset leaves alone"
        raise CliError(f"{message}; give another name with --as", exit_codes.USAGE)
    return name


def upload(client: Client, bucket_name: str, files: dict[str, Path], wants_marker: bool) -> list[Dropped]:
    """Upload local files under these object names, then their folders' markers; shows a bar on a terminal.

    An object appears once it is whole, so no temporary name is needed.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from cli.clients import answering
    from cli.show import console
    from include.spec.arrival import MARKER

    bucket = client.bucket(bucket_name)
    made = []
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    shown = console(error=True)
    with (
        answering("Cloud Storage"),
        Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bar,
    ):
        total = sum(file.stat().st_size for file in files.values())
        task = bar.add_task("uploading", total=total)
        for name, file in files.items():
            made.append(_upload_one(bucket, name, file))
            bar.advance(task, made[-1].size)
        for folder in sorted({name.rpartition("/")[0] for name in files} if wants_marker else ()):
            bucket.blob(f"{folder}/{MARKER}".lstrip("/")).upload_from_string(b"")
    return made


def _upload_one(bucket: Bucket, name: str, file: Path) -> Dropped:
    blob = bucket.blob(name, chunk_size=_CHUNK if file.stat().st_size > _CHUNK else None)
    blob.upload_from_filename(str(file), content_type="application/octet-stream", checksum="crc32c")
    return Dropped(bucket.name, name, int(blob.generation), int(blob.size))

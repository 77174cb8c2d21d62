"""One request of the transform function, whatever the cloud: check, read, transform, write, publish."""

from __future__ import annotations

import json
import tempfile
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from include.crashpoints import boundary
from include.engine.version import ENGINE_VERSION
from include.functions.failures import BadRequest, InputChanged, InputMissing
from include.functions.protocol import (
    KeptRecords,
    PinnedInput,
    PinnedReference,
    Selection,
    TransformRequest,
    TransformResponse,
    bucket_of,
)
from include.spec.settings import Settings

if TYPE_CHECKING:
    from include.engine.account import Manifest
    from include.engine.files import Input
    from include.engine.kept import KeptFile
    from include.engine.mask import Secrets
    from include.spec.dataset import Dataset


class Store(Protocol):
    """What the function needs of an object store; failures are FunctionFailure."""

    def check(self, inputs: Sequence[PinnedInput]) -> None:
        """Raise InputMissing or InputChanged unless every input is there in its version."""

    def open(self, pinned: PinnedInput) -> BinaryIO:
        """Open an input in its version; it can be sought in, and raises where it ends too early."""

    def fetch(self, reference: PinnedReference, target: Path) -> None:
        """Write a reference file to a path."""

    def read(self, uri: str) -> bytes | None:
        """Return an object's content; None if there is none."""

    def write(self, uri: str, source: Path) -> None:
        """Write a file to an object."""

    def publish(self, uri: str, content: bytes) -> bytes:
        """Write an object unless it exists; return what it holds."""


def run_job(request: TransformRequest, store: Store, settings: Settings, secrets: Secrets) -> TransformResponse:
    """Transform one batch, or return what an earlier call with the same path published.

    Args:
        request: the batch.
        store: where it is read from and written to.
        settings: which buckets may be read and written.
        secrets: the keys of masks and of quarantined raw bytes.

    Raises:
        FunctionFailure: it cannot be done; says whether trying again can help.
        SpecError: the dataset is not valid.
        EngineError: the engine cannot run it.
    """
    from include.spec.dataset import Dataset

    dataset = Dataset.from_wire(request.dataset)
    check_places(request, dataset, settings)
    check_identity(request, secrets)
    published = store.read(request.manifest)
    if published is None:
        published = transform_batch(request, dataset, store, secrets)
    return response_of(request, published)


def check_places(request: TransformRequest, dataset: Dataset, settings: Settings) -> None:
    """Refuse to read or write where this deployment's datasets do not lie.

    Raises:
        BadRequest: an address is in a bucket that is not among them.
    """
    own = bucket_of(dataset.pipeline.source.uri.replace("{landing}", settings.landing))
    readable = {settings.landing, settings.archive, own}
    for number, pinned in enumerate(request.inputs):
        _check_place(pinned.uri, readable, f"inputs.{number}.uri")
    for name, reference in request.references.items():
        _check_place(reference.uri, {settings.work, *readable}, f"references.{name}.uri")
    _check_place(request.output, {settings.work}, "output")
    if request.chosen:
        _check_place(request.chosen, {settings.work}, "chosen")


def check_identity(request: TransformRequest, secrets: Secrets) -> None:
    """Refuse to answer for a batch that was named for another engine or other keys: its answer would not be this one.

    Raises:
        InputChanged: the function was deployed anew since the batch was planned.
    """
    found = {"mask": secrets.mask_key_id, "raw": secrets.raw_key_id}
    keys = {name: named for name, named in found.items() if named}
    if (request.engine and request.engine != ENGINE_VERSION) or (request.keys and request.keys != keys):
        message = (
            "the function has another engine or other keys than when the batch was planned; the next run plans it anew"
        )
        raise InputChanged("redeployed", message, "batch_id")


def _check_place(uri: str, buckets: set[str], where: str) -> None:
    if bucket_of(uri) not in buckets:
        message = f"{where} is in bucket {bucket_of(uri)}; it must be in {' or '.join(sorted(buckets))}"
        raise BadRequest("bad_request", message, where)


def transform_batch(
    request: TransformRequest, dataset: Dataset, store: Store, secrets: Secrets, output: str = ""
) -> bytes:
    """Transform one batch, file after file, and return the manifest that was published.

    Args:
        output: where its parts go; below the request's path, unless somebody else may be writing there.
    """
    from include.engine.run import transform

    output = output or request.output
    chosen = _selection(request.chosen, store)
    there = [pinned for pinned in request.inputs if chosen is None or pinned.file_id not in chosen.kept]
    store.check(there)
    with tempfile.TemporaryDirectory(prefix="landfall-") as scratch:
        out = Path(scratch) / "out"
        inputs = [_input(store, pinned, chosen, dataset, secrets) for pinned in request.inputs]
        references = fetch_references(request.references, store, Path(scratch))
        with discreet(dataset):
            manifest = transform(
                dataset, inputs, out, batch_id=request.batch_id, references=references, secrets=secrets
            )
        # A store that does not honour versions would have let a file change under our hands.
        store.check(there)
        for name in (*manifest.good, *manifest.quarantine):
            with boundary("function.part"):
                store.write(output + name, out / name)
        with boundary("function.manifest"):
            return store.publish(request.manifest, published_manifest(manifest, output))


@contextmanager
def discreet(dataset: Dataset) -> Iterator[None]:
    """Keep the values of masked columns out of what the engine says of rules and references."""
    from include.engine.errors import TerminalReferenceError, TerminalRuleError

    try:
        yield
    except (TerminalRuleError, TerminalReferenceError) as error:
        # DuckDB quotes values; so may what is said of a line of the reference file.
        if not dataset.pipeline.mask or (isinstance(error, TerminalRuleError) and error.__cause__ is None):
            raise
        place = str(error).partition(": ")[0]
        raise type(error)(f"{place}: cannot be run; the dataset has masked columns, so no more is shown") from error


def _selection(uri: str | None, store: Store) -> Selection | None:
    if uri is None:
        return None
    content = store.read(uri)
    if content is None:
        raise InputMissing("input_missing", "the selection of records is gone; replay them again", uri)
    return Selection.model_validate_json(content)


def _input(store: Store, pinned: PinnedInput, selection: Selection | None, dataset: Dataset, secrets: Secrets) -> Input:
    from include.engine.chosen import Chosen
    from include.engine.files import Input
    from include.engine.promised import Promised

    promised = Promised(**pinned.promised.model_dump()) if pinned.promised else None
    places = dict(selection.files.get(pinned.file_id, ())) if selection else {}
    chosen = Chosen(places) if selection else None
    left = selection.kept.get(pinned.file_id) if selection else None
    kept = _kept(left, places, dataset, secrets) if left else None
    opener, size = _opener(store, pinned), pinned.size
    return Input(pinned.file_id, pinned.uri, opener, size, pinned.released, promised, chosen, kept)


def _kept(left: KeptRecords, places: Mapping[int, int], dataset: Dataset, secrets: Secrets) -> KeptFile:
    """Decrypt what the quarantine kept of a file; a record that cannot be read is told with its reason."""
    from include.engine.account import Opening
    from include.engine.kept import Around, Kept, KeptFile, around
    from include.engine.raw_keys import decrypt_raw

    found = around(dataset, Opening(left.opening.encoding, left.opening.header) if left.opening else None)
    records = []
    for record in left.records:
        raw: bytes | None = None
        why = found if isinstance(found, str) else ""
        try:
            raw = b64decode(record.raw)
            if record.key is not None:
                raw = decrypt_raw(raw, secrets.raw_key or b"", record.key)
        except LookupError as error:
            raw, why = None, str(error)
        records.append(Kept(record.number, places[record.number], record.line, None if why else raw, why))
    return KeptFile(Around(b"", b"") if isinstance(found, str) else found, records)


def _opener(store: Store, pinned: PinnedInput) -> Callable[[], BinaryIO]:
    return lambda: store.open(pinned)


def fetch_references(pinned: Mapping[str, PinnedReference], store: Store, folder: Path) -> dict[str, Path]:
    """Write a batch's references to a folder; returns where each lies, by the name that the pipeline gives it."""
    paths = {}
    for number, (name, reference) in enumerate(sorted(pinned.items())):
        # The name in the request is a key, never a path.
        paths[name] = folder / f"reference-{number}"
        store.fetch(reference, paths[name])
    return paths


def published_manifest(manifest: Manifest, output: str = "") -> bytes:
    """Return a manifest as it is published: its parts are named by their addresses.

    Args:
        output: where they lie, unless they are named so already.
    """
    content = asdict(manifest)
    for parts in ("good", "quarantine"):
        content[parts] = [output + name for name in content[parts]]
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


def response_of(request: TransformRequest, published: bytes) -> TransformResponse:
    """Return what the caller is told of a manifest.

    Args:
        request: the batch.
        published: what lies at `request.manifest`.

    Raises:
        InputChanged: it is no manifest, or another batch's.
    """
    from include.engine.account import Manifest

    try:
        manifest = Manifest.from_json(published)
    except (ValueError, TypeError, KeyError) as error:
        raise InputChanged("output_taken", "what lies there is no manifest", request.manifest) from error
    if manifest.batch_id != request.batch_id:
        raise InputChanged("output_taken", "the manifest there is another batch's", request.manifest)
    return TransformResponse(
        manifest=request.manifest,
        records=manifest.records,
        loaded=manifest.loaded,
        filtered=manifest.filtered,
        duplicates=manifest.duplicates,
        quarantined=manifest.quarantined,
        held=sum(account.state == "held" for account in manifest.files),
        files=len(manifest.files),
    )

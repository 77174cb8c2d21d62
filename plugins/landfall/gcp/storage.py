"""Cloud Storage through the provider's hook: each call one small method."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from include.breaker import Breaker
from include.crashpoints import boundary
from include.ledger.landing import Landed
from landfall.errors import Changed, Missing
from landfall.gcp.calls import TIMEOUT, Calls
from landfall.gcp.classify.storage import classify_storage

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.storage import Blob, Client

# The library's own retry, two minutes of it, would multiply with that of `Calls`.
_ONE_TRY: dict[str, Any] = {"timeout": TIMEOUT, "retry": None}
# Small requests, or copies that the service makes by itself: eight at once keep well below its rate limits.
_AT_ONCE = 8

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Storage:
    """The objects of Cloud Storage.

    Every method raises TerminalFailure or TransientFailure, and nothing of the client library.

    Args:
        connection: Airflow connection id.
        breaker: of the service; one for this object alone if left out.
    """

    def __init__(self, connection: str, breaker: Breaker | None = None) -> None:
        self.connection = connection
        self._call = Calls(classify_storage, breaker or Breaker("Cloud Storage"))

    @functools.cached_property
    def client(self) -> Client:
        """The provider hook's own client."""
        from airflow.providers.google.cloud.hooks.gcs import GCSHook

        return GCSHook(gcp_conn_id=self.connection).get_conn()

    def at_once(self, call: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
        """Make a call for each of some items, several at a time; returns the answers in the items' order.

        Raises:
            Exception: what the first call raised that failed; calls that have not begun are not made.
        """
        _ = self.client  # made once, here: the threads share it
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(call, items))

    def find(self, bucket: str, glob: str) -> list[Landed]:
        """List the objects that match a glob; the server does the matching."""
        prefix = glob[: min((glob.index(char) for char in "*?[{" if char in glob), default=len(glob))]

        def listed() -> list[Landed]:
            return [_landed(b) for b in self.client.list_blobs(bucket, prefix=prefix, match_glob=glob, **_ONE_TRY)]

        return self._call(f"list gs://{bucket}/{glob}", listed)

    def read(self, uri: str) -> bytes:
        """Return an object's content.

        Raises:
            Missing: there is no such object.
        """
        content: bytes = self._call(f"read {uri}", lambda: self._blob(uri).download_as_bytes(**_ONE_TRY))
        return content

    def read_version(self, item: Landed) -> bytes | None:
        """Return an object's content in exactly one version; None where that version is no longer there."""
        blob = self.client.bucket(item.bucket).blob(item.name)

        def read() -> bytes:
            content: bytes = blob.download_as_bytes(if_generation_match=item.generation, **_ONE_TRY)
            return content

        try:
            return self._call(f"read gs://{item.bucket}/{item.name}", read)
        except (Missing, Changed):
            return None

    def now(self, uri: str) -> datetime:
        """Return the store's time, by which it says when objects landed; writes an empty object to learn it."""

        def put() -> datetime:
            blob = self._blob(uri)
            blob.upload_from_string(b"", **_ONE_TRY)
            created: datetime = blob.time_created
            return created

        return self._call(f"write {uri}", put)

    def write(
        self, uri: str, content: bytes, content_type: str = "application/json", *, if_generation: int | None = None
    ) -> int:
        """Write an object and return its generation.

        A write whose answer got lost is made again. Without a generation that puts the same content in place of itself.

        Args:
            uri: where to.
            content: all of it.
            content_type: its media type.
            if_generation: write only over this generation; 0: only where there is no object.

        Raises:
            Changed: the object is in another generation, and its content another.
        """

        def put() -> int:
            blob = self._blob(uri)
            blob.upload_from_string(
                content, content_type=content_type, if_generation_match=if_generation, checksum="crc32c", **_ONE_TRY
            )
            return int(blob.generation)

        try:
            return self._call(f"write {uri}", put)
        except Changed:
            # The first of two tries may have arrived although its answer did not: the content tells.
            current = self._call(f"look at {uri}", lambda: self._get(uri))
            if current is None or current.crc32c != _crc32c(content):
                raise
            return int(current.generation)

    def find_one(self, uri: str) -> Landed | None:
        """Return an object in its current version, or None where there is none."""
        blob = self._call(f"look at {uri}", lambda: self._get(uri))
        return None if blob is None else _landed(blob)

    def generation(self, uri: str) -> int | None:
        """Return an object's current generation, or None where there is none."""
        found = self.find_one(uri)
        return None if found is None else found.generation

    def move(self, uri: str, generation: int, destination: str) -> bool:
        """Copy one generation elsewhere and delete it; False where it is no longer there to move."""
        try:
            with boundary("move.copy"):
                self._copy(uri, generation, destination)
        except (Missing, Changed):
            return False
        with boundary("move.delete"):
            return self._delete(uri, generation)

    def move_back(self, uri: str, destination: str, checksum: str) -> int:
        """Move an object to where there is none; returns its new generation. It can be done again where it broke off.

        Args:
            checksum: of its content.

        Raises:
            Missing: there is no object to move.
            Changed: another object is in its place.
        """
        source = self._call(f"look at {uri}", lambda: self._get(uri))
        there = self._call(f"look at {destination}", lambda: self._get(destination))
        if source is None:
            if there is None or there.crc32c != checksum:
                raise Missing(f"{uri}: there is no such object")
            return int(there.generation)
        if there is None:
            with boundary("move.copy"):
                self._copy(uri, int(source.generation), destination, only_new=True)
            there = self._call(f"look at {destination}", lambda: self._get(destination))
        if there is None or there.crc32c != source.crc32c:
            raise Changed(f"{destination} is another object by now; {uri} stays where it is")
        with boundary("move.delete"):
            self._delete(uri, int(source.generation))
        return int(there.generation)

    def delete(self, uri: str) -> None:
        """Delete an object, if it is there."""
        generation = self.generation(uri)
        if generation is not None:
            self._delete(uri, generation)

    def _copy(self, uri: str, generation: int, destination: str, *, only_new: bool = False) -> None:
        source, target = self._blob(uri), self._blob(destination)
        token: str | None = None

        def step() -> str | None:
            rewritten: str | None
            rewritten, _, _ = target.rewrite(
                source, token=token, if_source_generation_match=generation,
                if_generation_match=0 if only_new else None, **_ONE_TRY,
            )  # fmt: skip
            return rewritten

        while True:  # large objects are copied in several calls, each of which can be made again
            token = self._call(f"copy {uri} to {destination}", step)
            if token is None:
                return

    def _delete(self, uri: str, generation: int) -> bool:
        """Delete a generation that was copied; False where a newer one is in its place."""

        def delete() -> None:
            self._blob(uri).delete(if_generation_match=generation, **_ONE_TRY)

        try:
            self._call(f"delete {uri}", delete)
        except Missing:
            return True  # by an earlier try whose answer got lost
        except Changed:
            return False
        return True

    def _get(self, uri: str) -> Blob | None:
        bucket, name = split_uri(uri)
        return self.client.bucket(bucket).get_blob(name, **_ONE_TRY)

    def _blob(self, uri: str) -> Blob:
        bucket, name = split_uri(uri)
        return self.client.bucket(bucket).blob(name)


def split_uri(uri: str) -> tuple[str, str]:
    """Split gs://bucket/name into bucket and name.

    Raises:
        ValueError: it is no such address.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, name = rest.partition("/")
    if scheme != "gs" or not bucket or not name:
        raise ValueError(f"{uri!r} is not of the form gs://bucket/name")
    return bucket, name


def _landed(blob: Blob) -> Landed:
    return Landed(
        bucket=blob.bucket.name,
        name=blob.name,
        generation=int(blob.generation),
        size=int(blob.size or 0),
        checksum=blob.crc32c or blob.md5_hash or "",
        md5=blob.md5_hash or "",
        created=blob.time_created,
    )


def _crc32c(content: bytes) -> str:
    """Return what the store says of this content."""
    import base64

    import google_crc32c

    checksum: int = google_crc32c.value(content)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()

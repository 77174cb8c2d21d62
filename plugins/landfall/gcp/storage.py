"""Cloud Storage through the provider's hook: each call one small method."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from include.ledger.landing import Landed

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.storage import Blob, Client

_TIMEOUT_SECONDS = 60


class Storage:
    """The objects of Cloud Storage.

    Args:
        connection: Airflow connection id.
    """

    def __init__(self, connection: str) -> None:
        self.connection = connection

    @functools.cached_property
    def client(self) -> Client:
        """The provider hook's own client."""
        from airflow.providers.google.cloud.hooks.gcs import GCSHook

        return GCSHook(gcp_conn_id=self.connection).get_conn()

    def find(self, bucket: str, glob: str) -> list[Landed]:
        """List the objects that match a glob; the server does the matching."""
        prefix = glob[: min((glob.index(char) for char in "*?[{" if char in glob), default=len(glob))]
        blobs = self.client.list_blobs(bucket, prefix=prefix, match_glob=glob, timeout=_TIMEOUT_SECONDS)
        return [_landed(blob) for blob in blobs]

    def read(self, uri: str) -> bytes:
        """Return an object's content.

        Raises:
            google.cloud.exceptions.NotFound: there is no such object.
        """
        content: bytes = self._blob(uri).download_as_bytes(timeout=_TIMEOUT_SECONDS)
        return content

    def read_version(self, item: Landed) -> bytes | None:
        """Return an object's content in exactly one version; None where that version is no longer there."""
        from google.cloud.exceptions import NotFound, PreconditionFailed

        blob = self.client.bucket(item.bucket).blob(item.name)
        try:
            content: bytes = blob.download_as_bytes(if_generation_match=item.generation, timeout=_TIMEOUT_SECONDS)
        except (NotFound, PreconditionFailed):
            return None
        return content

    def now(self, uri: str) -> datetime:
        """Return the store's time, by which it says when objects landed; writes an empty object to learn it."""
        blob = self._blob(uri)
        blob.upload_from_string(b"", timeout=_TIMEOUT_SECONDS)
        created: datetime = blob.time_created
        return created

    def write(self, uri: str, content: bytes, content_type: str = "application/json") -> int:
        """Write an object and return its generation."""
        blob = self._blob(uri)
        blob.upload_from_string(content, content_type=content_type, timeout=_TIMEOUT_SECONDS)
        return int(blob.generation)

    def generation(self, uri: str) -> int | None:
        """Return an object's current generation, or None where there is none."""
        bucket, name = split_uri(uri)
        blob = self.client.bucket(bucket).get_blob(name, timeout=_TIMEOUT_SECONDS)
        return None if blob is None else int(blob.generation)

    def move(self, uri: str, generation: int, destination: str) -> bool:
        """Copy one generation elsewhere and delete it; False where it is no longer there to move."""
        from google.cloud.exceptions import NotFound, PreconditionFailed

        source, target = self._blob(uri), self._blob(destination)
        try:
            token = None
            while True:  # large objects are copied in several calls
                token, _, _ = target.rewrite(
                    source, token=token, if_source_generation_match=generation, timeout=_TIMEOUT_SECONDS
                )
                if token is None:
                    break
            source.delete(if_generation_match=generation, timeout=_TIMEOUT_SECONDS)
        except (NotFound, PreconditionFailed):
            return False
        return True

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

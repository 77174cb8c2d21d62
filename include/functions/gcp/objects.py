"""Cloud Storage as the function uses it: versions pinned, whole or not at all, failures told apart."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from include.functions.failures import Forbidden, FunctionFailure, InputChanged, InputMissing, Unavailable
from include.functions.protocol import PinnedInput, PinnedReference, bucket_of

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client

_CHUNK = 8 << 20
_TIMEOUT = (10, 120)
_THREADS = 8
_CRC32C_LENGTH = 8


class Objects:
    """The objects of the deployment's buckets.

    Args:
        client: of google-cloud-storage.
        patience: seconds for which a call is tried again while the store does not work.
        chunk: bytes fetched at a time.
    """

    def __init__(self, client: Client, *, patience: float = 60, chunk: int = _CHUNK) -> None:
        from google.cloud.storage.retry import DEFAULT_RETRY

        self._client = client
        self._chunk = chunk
        self._calls: dict[str, Any] = {"timeout": _TIMEOUT, "retry": DEFAULT_RETRY.with_timeout(patience)}

    def check(self, inputs: Sequence[PinnedInput]) -> None:
        """Raise unless every input is there in its version.

        Raises:
            InputMissing, InputChanged: one is not.
            Unavailable: the store does not work.
        """
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(self._check, inputs):
                pass

    def _check(self, pinned: PinnedInput) -> None:
        blob = self._blob(pinned.uri)
        with _told(pinned.uri):
            blob.reload(**self._calls)
        same_bytes = blob.size == pinned.size and pinned.crc32c in ("", blob.crc32c, blob.md5_hash)
        if blob.generation != pinned.generation or not same_bytes:
            message = f"generation {pinned.generation} was planned, generation {blob.generation} is there"
            raise InputChanged("input_changed", f"{message}; the next run plans it anew", pinned.uri)

    def open(self, pinned: PinnedInput) -> BinaryIO:
        """Open an input in its version; it can be sought in.

        Reading raises Unavailable if the store gives fewer or (where it is read from start to end) other bytes than it
        said, InputMissing or InputChanged if the version is no longer there.
        """
        blob = self._blob(pinned.uri, pinned.generation)
        return io.BufferedReader(_Whole(blob, pinned, self._chunk, self._calls), buffer_size=1 << 16)

    def fetch(self, reference: PinnedReference, target: Path) -> None:
        """Write a reference file in its version to a path.

        Raises:
            InputMissing, InputChanged: it is not there.
            Unavailable: the store does not work.
        """
        blob = self._blob(reference.uri)
        with _told(reference.uri):
            blob.reload(**self._calls)
            if blob.generation != reference.generation:
                raise InputChanged("input_changed", "the reference file is another version", reference.uri)
            blob.download_to_filename(str(target), if_generation_match=reference.generation, **self._calls)
        if target.stat().st_size != blob.size:
            raise Unavailable("short_read", "the store gave fewer bytes than it holds", reference.uri)

    def read(self, uri: str) -> bytes | None:
        """Return an object's content; None if there is none."""
        try:
            with _told(uri):
                return bytes(self._blob(uri).download_as_bytes(**self._calls))
        except InputMissing:
            return None

    def write(self, uri: str, source: Path) -> None:
        """Write a file to an object; writing it twice does no harm."""
        with _told(uri, writing=True):
            self._blob(uri).upload_from_filename(str(source), **self._calls)

    def publish(self, uri: str, content: bytes) -> bytes:
        """Write an object unless it exists; return what it holds."""
        try:
            with _told(uri, writing=True):
                self._blob(uri).upload_from_string(
                    content, content_type="application/json", if_generation_match=0, **self._calls
                )
        except InputChanged:
            return self.read(uri) or content
        return content

    def _blob(self, uri: str, generation: int | None = None) -> Blob:
        return self._client.bucket(bucket_of(uri)).blob(uri.split("/", 3)[3], generation=generation)


class _Whole(io.RawIOBase):
    """An object's bytes as stored, one version of it; the end is only believed once size and checksum are right."""

    def __init__(self, blob: Blob, pinned: PinnedInput, chunk: int, calls: dict[str, Any]) -> None:
        self._blob, self._pinned, self._chunk, self._calls = blob, pinned, chunk, calls
        self._sum: int | None = 0  # None: parts were left out
        self._fetched = 0
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be sought in."""
        return True

    def tell(self) -> int:
        """Return the place of what is read next."""
        return self._fetched - len(self._left)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place, counted from the start."""
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("places are counted from the start")
        if offset != self.tell():
            self._fetched, self._left, self._sum = offset, memoryview(b""), None
        return offset

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer, as io has it
        """Fill the buffer with what comes next; returns how many bytes, 0 at the end."""
        if not self._left and self._fetched < self._pinned.size:
            self._fetch()
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _fetch(self) -> None:
        import google_crc32c

        end = min(self._fetched + self._chunk, self._pinned.size)
        with _told(self._pinned.uri):
            found = self._blob.download_as_bytes(
                start=self._fetched, end=end - 1, if_generation_match=self._pinned.generation,
                # As stored: the store would unpack what was uploaded with Content-Encoding gzip.
                raw_download=True, checksum=None, **self._calls,
            )  # fmt: skip
        if len(found) != end - self._fetched:
            raise Unavailable("short_read", "the store gave fewer bytes than it holds", self._pinned.uri)
        self._fetched, self._left = end, memoryview(found)
        if self._sum is not None:
            self._sum = google_crc32c.extend(self._sum, found)
            if end == self._pinned.size:
                self._check_sum(self._sum)

    def _check_sum(self, found: int) -> None:
        wanted = self._pinned.crc32c
        if len(wanted) == _CRC32C_LENGTH and base64.b64encode(found.to_bytes(4, "big")).decode() != wanted:
            raise Unavailable("wrong_checksum", "the bytes read are not those that were planned", self._pinned.uri)


@contextmanager
def _told(uri: str, *, writing: bool = False) -> Iterator[None]:
    """Turn what the client raises into failures that say whether trying again can help."""
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError, TransportError
    from requests import RequestException

    try:
        from google.cloud.storage.exceptions import DataCorruption
    except ImportError:  # the library's version 2, beside Airflow 3.1, where a laptop's Beam job runs this
        from google.resumable_media.common import DataCorruption

    try:
        yield
    except api.NotFound as error:
        raise (_refused(error, uri) if writing else InputMissing("input_missing", "the object is gone", uri)) from error
    except api.PreconditionFailed as error:
        raise InputChanged("input_changed", "the object is no longer the planned version", uri) from error
    except (api.TooManyRequests, api.ServerError, api.RetryError, DataCorruption) as error:
        raise Unavailable("storage_unavailable", f"{type(error).__name__} from Cloud Storage", uri) from error
    except GoogleAuthError as error:
        if not (isinstance(error, TransportError) or error.retryable):
            raise _refused(error, uri) from error
        raise Unavailable("storage_unavailable", "no token for Cloud Storage could be had", uri) from error
    except (RequestException, ConnectionError, TimeoutError) as error:
        raise Unavailable(
            "storage_unavailable", f"no answer from Cloud Storage: {type(error).__name__}", uri
        ) from error
    except api.GoogleAPICallError as error:
        if error.code == HTTPStatus.REQUEST_TIMEOUT:
            raise Unavailable("storage_unavailable", "Cloud Storage ran out of time", uri) from error
        raise _refused(error, uri) from error


def _refused(error: Exception, uri: str) -> FunctionFailure:
    hint = "give the function's service account access to the bucket"
    return Forbidden("storage_refused", f"Cloud Storage refused with {type(error).__name__}; {hint}", uri)

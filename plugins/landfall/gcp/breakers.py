"""The breakers of the services that a run calls, their state in the work bucket where all workers see it."""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from include.breaker import Breaker, State, StoreUnavailableError
from include.spec.dataset import Dataset
from include.spec.settings import Settings

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client

# What guards the calls must not be what they wait for: one try, and a short one. Seconds to connect and to answer.
_TIMEOUT = (2, 5)
_KNOWN = {field.name for field in fields(State)}


class ObjectStore:
    """A breaker's state as an object of Cloud Storage, written under a precondition on its generation.

    Args:
        client: returns the storage client.
        bucket: the work bucket.
        name: the object's name.
    """

    def __init__(self, client: Callable[[], Client], bucket: str, name: str) -> None:
        self._client, self.bucket, self.name = client, bucket, name

    def _blob(self) -> Blob:
        return self._client().bucket(self.bucket).blob(self.name)

    def read(self) -> tuple[State, int]:
        """Return the state and its generation; closed and 0 where there is no object, as there is while all is well.

        Raises:
            StoreUnavailableError: it cannot be read, or is none of ours.
        """
        from google.api_core.exceptions import NotFound

        try:
            blob = self._blob()
            content = blob.download_as_bytes(timeout=_TIMEOUT, retry=None)
            found = json.loads(content)
            return State(**{name: value for name, value in found.items() if name in _KNOWN}), int(blob.generation)
        except NotFound:
            return State(), 0
        except Exception as error:
            message = f"gs://{self.bucket}/{self.name}: {type(error).__name__}"
            raise StoreUnavailableError(message) from error

    def write(self, state: State, version: int) -> bool:
        """Write the state over that generation; False where another was written meanwhile, or it could not be told."""
        # Two writers may have the same to say, and only one of them has said it.
        content = json.dumps({**asdict(state), "written": uuid.uuid4().hex})
        try:
            self._blob().upload_from_string(
                content, "application/json", if_generation_match=version, timeout=_TIMEOUT, retry=None
            )
        except Exception:  # noqa: BLE001 - a lost race and a lost answer are alike: what lies there now tells
            return False
        return True


class Breakers:
    """One breaker a service; made once in a task's process.

    Args:
        settings: of the deployment; its work bucket holds the states, which all datasets share.
        dataset: its channels are told when one of its tasks opens or closes a breaker.
        client: returns the storage client.
    """

    def __init__(self, settings: Settings, dataset: Dataset, client: Callable[[], Client]) -> None:
        self._settings, self._dataset, self._client = settings, dataset, client

    @functools.cached_property
    def storage(self) -> Breaker:
        """Of Cloud Storage. Where all of it is down its state cannot be read either, and each process keeps its own."""
        return self._made("Cloud Storage", "storage")

    @functools.cached_property
    def warehouse(self) -> Breaker:
        """Of BigQuery."""
        return self._made("BigQuery", "bigquery")

    @functools.cached_property
    def function(self) -> Breaker:
        """Of the transform function."""
        return self._made("the transform function", "function")

    def _made(self, service: str, name: str) -> Breaker:
        store = ObjectStore(self._client, self._settings.work, f"_landfall/breakers/{name}.json")
        return Breaker(service, store, changed=self._tell)

    def _tell(self, service: str, state: State, up: bool) -> None:
        from landfall.notifiers.breaker import tell_breaker

        tell_breaker(self._dataset, service, state, up=up)

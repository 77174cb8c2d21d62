"""A batch that a Beam job transforms, and what its jobs left in the work bucket.

The jobs of a batch are numbered from 1, over all tries and runs that take it. Job n has the path
`<dataset>/dataflow/<batch id>/attempt-<n>/` for itself: `request.json` before it begins; then `manifest.json` where it
went well, or `failure.json` where it says why not. So no job reads what an earlier one left, and none shares a path
with a call of the function.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from include.crashpoints import boundary
from landfall.errors import Failure, Missing, TransientFailure

if TYPE_CHECKING:
    from include.functions.protocol import TransformRequest
    from include.ledger.plan import Plan, PlannedBatch
    from landfall.gcp.landing import Site

REQUEST, FAILURE = "request.json", "failure.json"


@dataclass(frozen=True)
class LargeBatch:
    """One batch of a run's plan, in one deployment."""

    site: Site
    plan: Plan
    batch: PlannedBatch

    @property
    def uris(self) -> tuple[str, ...]:
        """Addresses of its files."""
        return tuple(file.uri for file in self.batch.files)

    def place(self, number: int) -> str:
        """Return the path below which a job writes, with a slash at its end."""
        return self.site.work_uri("dataflow", self.batch.batch_id, f"attempt-{number}", "")

    def is_taken(self, number: int) -> bool:
        """Whether a job of that number was ever asked for."""
        return self.site.storage.find_one(self.place(number) + REQUEST) is not None

    def last(self) -> int:
        """Return the number of the newest job that was asked for; 1 where none was."""
        return next(number for number in count(1) if not self.is_taken(number + 1))

    def ask(self, number: int) -> str:
        """Write the request of a job; returns its address."""
        uri = self.place(number) + REQUEST
        with boundary("transform.request"):
            self.site.storage.write(uri, self._request(number).model_dump_json(indent=1).encode())
        return uri

    def result(self, number: int) -> dict[str, Any] | None:
        """Return what `load` wants to know of what a job published; None where it published nothing.

        Raises:
            TerminalFailure: what lies there is no manifest of this batch.
        """
        from include.functions.failures import FunctionFailure
        from include.functions.job import response_of
        from landfall.gcp.classify.function import failure_told

        request = self._request(number)
        try:
            published = self.site.storage.read(request.manifest)
        except Missing:
            return None
        try:
            return response_of(request, published).model_dump()
        except FunctionFailure as error:
            raise self._blamed(failure_told(error.body.model_dump(), f"{request.manifest}:")) from error

    def answer(self, number: int, otherwise: str, *, has_failed: bool = True) -> dict[str, Any]:
        """Return what a job published that has ended.

        Args:
            number: the job's.
            otherwise: what is known of its end, for the failure where the job itself says nothing.
            has_failed: what it says in `failure.json` is why it ended.

        Raises:
            TerminalFailure, TransientFailure: it published nothing; as the job says in `failure.json`.
        """
        result = self.result(number)
        if result is None:
            raise self._failure(number, otherwise, has_failed=has_failed)
        return result

    def _failure(self, number: int, otherwise: str, *, has_failed: bool) -> Failure:
        from landfall.gcp.classify.function import failure_told

        uri = self.place(number) + FAILURE
        told = None
        if has_failed:
            with suppress(Missing, ValueError):  # it was killed, or never came so far
                told = failure_told(json.loads(self.site.storage.read(uri)), f"job {number} of the batch failed:")
        return self._blamed(told or TransientFailure(f"job {number} of the batch left no manifest: {otherwise}"))

    def _blamed(self, failure: Failure | None) -> Failure:
        found = failure or TransientFailure(f"job of batch {self.batch.batch_id} failed without a reason")
        found.files = self.uris
        return found

    def _request(self, number: int) -> TransformRequest:
        from include.functions.protocol import TransformRequest
        from landfall.gcp.transform import request_of

        return TransformRequest.model_validate(request_of(self.plan, self.batch, number, self.place(number)))

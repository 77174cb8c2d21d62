"""Runs the engine over one batch in the Cloud Function."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseOperator

from landfall.errors import TerminalFailure, TransientFailure

if TYPE_CHECKING:
    from airflow.sdk import Context
    from requests import Response

    from include.ledger.plan import Plan, PlannedBatch, PlannedFile

# A second-generation function may run for an hour; past that the platform has ended it.
_CONNECT_SECONDS, _ANSWER_SECONDS = 10, 3_600


class TransformBatch(BaseOperator):
    """Send one batch to the function and return where its manifest lies.

    A retry writes below a path of its own: a try that timed out may still be writing, and must not get in the way.

    Args:
        dataset: the dataset's name.
        batch: what `plan` returned for the batch: the plan's address and the batch's number.
    """

    template_fields = ("dataset", "batch")
    ui_color = "#fff2cc"

    def __init__(self, *, dataset: str, batch: dict[str, Any], **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dataset = dataset
        self.batch = batch

    def execute(self, context: Context) -> dict[str, Any]:
        """Post the batch; returns the manifest's address, the batch's number and the counts."""
        from include.ledger.plan import Plan
        from landfall.gcp.landing import Site

        site = Site.of(self.dataset)
        plan = Plan.model_validate_json(site.storage.read(self.batch["plan"]))
        batch = plan.batches[self.batch["batch"]]
        attempt = context["ti"].try_number
        output = site.work_uri("batches", batch.batch_id, f"attempt-{attempt}", "")
        body = _request(plan, batch, attempt, output)
        answer = self._post(site.settings.function_url, body, f"{batch.batch_id}-{attempt}")
        result = _read(answer, [file.uri for file in batch.files])
        self.log.info(
            "batch %d: %s records = %s loaded + %s filtered + %s duplicates + %s quarantined (%s of %s files held)",
            batch.number, result["records"], result["loaded"], result["filtered"], result["duplicates"],
            result["quarantined"], result["held"], result["files"],
        )  # fmt: skip
        return {"batch": batch.number, **result}

    def _post(self, url: str, body: dict[str, Any], key: str) -> Response:
        import requests

        if not url:
            raise TerminalFailure("LANDFALL_FUNCTION_URL is not set; give it the transform function's address")
        headers = {"Idempotency-Key": key, **authorization(url)}
        try:
            return requests.post(url, json=body, headers=headers, timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS))
        except (requests.ConnectionError, requests.Timeout) as error:
            raise TransientFailure(f"the function at {url} did not answer: {type(error).__name__}") from error


def _request(plan: Plan, batch: PlannedBatch, attempt: int, output: str) -> dict[str, Any]:
    return {
        "dataset": plan.dataset,
        "batch_id": batch.batch_id,
        "attempt": attempt,
        "inputs": [_input(file) for file in batch.files],
        "references": {name: ref.model_dump() for name, ref in plan.references.items()},
        "output": output,
        "engine": plan.engine,
        "keys": plan.keys,
    }


def _input(file: PlannedFile) -> dict[str, Any]:
    pinned: dict[str, Any] = {
        "file_id": file.file_id,
        "uri": file.uri,
        "generation": file.generation,
        "size": file.size,
        "crc32c": file.checksum,
        "released": file.released,
    }
    if file.promised:
        pinned["promised"] = asdict(file.promised)
    return pinned


def authorization(url: str) -> dict[str, str]:
    """An identity token for the function's address; none on the loopback, where nobody could give one."""
    if is_loopback(url):
        return {}
    from airflow.providers.google.common.utils.id_token_credentials import get_default_id_token_credentials
    from google.auth.transport.requests import Request

    credentials = get_default_id_token_credentials(target_audience=url)
    credentials.refresh(Request())
    return {"Authorization": f"Bearer {credentials.token}"}


def is_loopback(url: str) -> bool:
    """Whether an address is of the machine itself, or of a host of the local compose network."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or "." not in host


def _read(answer: Response, files: list[str]) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        content = {}
    if answer.status_code == 200 and isinstance(content, dict) and "manifest" in content:
        return content
    error = content.get("error", {}) if isinstance(content, dict) else {}
    code, message = (
        error.get("code", f"http_{answer.status_code}"),
        error.get("message", "no reason was given"),
    )
    text = f"the function answered {answer.status_code} {code}: {message}"
    # Without our own word on it: 429 and 5xx come from the platform and pass, other 4xx do not.
    if error.get("retryable", answer.status_code >= 500 or answer.status_code == 429):
        raise TransientFailure(text, files=files)
    raise TerminalFailure(text, files=files)

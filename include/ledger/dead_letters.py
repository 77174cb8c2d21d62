"""When a file that fails again and again is put aside, so that nothing waits for it; and what goes with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from include.ledger.plan import ObjectVersion, PlannedFile
    from include.ledger.taking import Known

FOLDER = "dead-letter"
# Codes of the reasons for which a run let go of a file, that count: alone in its batch, or with others, of which any
# may have been the cause.
FAILED = "failed"
FAILED_TOGETHER = "failed_together"
RETRIED = "retried"
_SHOWN = 1_000


def is_due(known: Known | None, attempts: int) -> bool:
    """Whether a file has failed so often that no run tries it again.

    It takes one failure alone in its batch: of several files in a batch nobody knows which is the cause.

    Args:
        known: what the ledger says of it.
        attempts: runs in which a file may fail; 0: any number.
    """
    return known is not None and 0 < attempts <= known.failures and known.failures_alone > 0


def failure_reason(message: str, *, tries: int, alone: bool) -> str:
    """Return what the ledger says of a failure that counts.

    Args:
        message: what the last try said.
        tries: number of that try.
        alone: the batch held nothing that could have failed in the file's place.
    """
    said = " ".join(message.split())[:_SHOWN]
    return f"{FAILED if alone else FAILED_TOGETHER}: at try {tries}: {said}"


def dead_letter_uri(bucket: str, dataset: str, file: ObjectVersion) -> str:
    """Return where a dead letter lies; its envelope lies beside it, under the same name and `.json`."""
    return f"gs://{bucket}/{dataset}/{FOLDER}/{file.generation}/{file.name}"


def retry_command(dataset: str, file_id: str) -> str:
    """Return the command that brings a dead letter back."""
    return f"landfall retry {file_id} --dataset {dataset}"


def envelope(
    dataset: str, file: PlannedFile, failures: Iterable[Mapping[str, Any]], *, uri: str, when: datetime
) -> bytes:
    """Write the letter's envelope: why, when, what was tried and how to try again, as JSON.

    Args:
        dataset: the dataset's name.
        file: the version.
        failures: rows of `failures_sql`, in the order of time.
        uri: where the version lies from now on.
        when: the moment.
    """
    tried = [
        {"run_id": row["run_id"], "batch_id": row["batch_id"], "at": row["at"].isoformat(), "message": row["reason"]}
        for row in failures
    ]
    content = {
        "dataset": dataset,
        "file": file.model_dump(include={"file_id", "bucket", "name", "generation", "size", "checksum"}),
        "lies_at": uri,
        "why": tried[-1]["message"] if tried else "",
        "when": when.isoformat(),
        "tried": tried,
        "how_to_retry": {
            "first": "mend what `why` names: the dataset's folder or the function; a file that is wrong itself is"
            " mended by its sender, who lands it again",
            "command": retry_command(dataset, file.file_id),
            "form": f"trigger ingest_{dataset} with Retry: {file.file_id}",
        },
    }
    return json.dumps(content, ensure_ascii=False, indent=1).encode()

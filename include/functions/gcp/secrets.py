"""The keys of masks and of quarantined raw bytes, read where they are needed: a job's parameters are shown to many."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from include.functions.failures import FunctionFailure, Unavailable, Unworkable

if TYPE_CHECKING:
    from include.engine.mask import Secrets

_FILE = "file:"
_PATIENCE = 60.0  # seconds


def read_keys(mask: str = "", raw: str = "", environ: Mapping[str, str] = os.environ) -> Secrets:
    """Read the keys that are named; one that is not is taken from LANDFALL_MASK_KEY or LANDFALL_RAW_KEY, if set.

    Args:
        mask: a secret's version, as projects/…/secrets/…/versions/…; on a laptop file:PATH#NAME, a field of JSON.
        raw: the same, of the keys of raw bytes.
        environ: what is taken for a key that is not named.

    Raises:
        FunctionFailure: a key that is named cannot be read; says whether trying again can help.
    """
    from include.engine.mask import Secrets

    named = {"MASK": mask, "RAW": raw}
    found = {
        kind: _read(name) if name else environ.get(f"LANDFALL_{kind}_KEY", "").encode() for kind, name in named.items()
    }
    return Secrets(mask_key=found["MASK"] or None, raw_key=found["RAW"] or None)


def _read(name: str) -> bytes:
    return _of_file(name) if name.startswith(_FILE) else _of_manager(name)


def _of_file(name: str) -> bytes:
    path, _, field = name.removeprefix(_FILE).rpartition("#")
    try:
        return str(json.loads(Path(path).read_text())[field]).encode()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _missing(name, type(error).__name__) from error


def _of_manager(name: str) -> bytes:
    from google.api_core import exceptions
    from google.cloud.secretmanager import SecretManagerServiceClient

    try:
        answer = SecretManagerServiceClient().access_secret_version(name=name, timeout=_PATIENCE)
    except (exceptions.ServerError, exceptions.RetryError, exceptions.TooManyRequests) as error:
        message = f"the secret could not be read now ({type(error).__name__})"
        raise Unavailable("missing_secret", message, name) from error
    except exceptions.GoogleAPICallError as error:
        raise _missing(name, type(error).__name__) from error
    return bytes(answer.payload.data).strip()


def _missing(name: str, why: str) -> FunctionFailure:
    message = f"the secret cannot be read ({why}); name a version that is there, and let the account read it"
    return Unworkable("missing_secret", message, name)

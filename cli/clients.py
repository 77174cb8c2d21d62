"""Google's clients, on the cloud or on the embedded one, and what to say when they get no answer."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cli import exit_codes
from cli.errors import CliError

if TYPE_CHECKING:
    from google.cloud.bigquery import Client as BigQuery
    from google.cloud.storage import Client as Storage

    from include.spec.settings import Settings
    from landfall.gcp.landing import Site

LOCAL = "For the embedded cloud: `source local/env.sh`, or `make ui` in another terminal."
_CONNECT_SECONDS = 3.0


def storage_client(settings: Settings) -> Storage:
    """Return a Cloud Storage client.

    Raises:
        CliError: the emulator does not answer, or there are no credentials.
    """
    with answering("Cloud Storage"):
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        if _emulated("STORAGE_EMULATOR_HOST", "Cloud Storage"):
            return Client(project=settings.project, credentials=AnonymousCredentials())
        return Client(project=settings.project)


def bigquery_client(settings: Settings) -> BigQuery:
    """Return a BigQuery client.

    Raises:
        CliError: the emulator does not answer, or there are no credentials.
    """
    with answering("BigQuery"):
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.bigquery import Client

        if _emulated("BIGQUERY_EMULATOR_HOST", "BigQuery"):
            anonymous = AnonymousCredentials()
            return Client(project=settings.project, location=settings.location, credentials=anonymous)
        return Client(project=settings.project, location=settings.location)


def looking_site(name: str) -> Site:
    """Return a dataset's site that changes nothing, with clients that need no Airflow connection.

    Its breakers are its own: what does not work from here is no news for the runs.

    Raises:
        CliError: an emulator does not answer, or there are no credentials.
        SpecError: the dataset's folder is wrong.
    """
    from dataclasses import replace

    from landfall.gcp.landing import Site
    from landfall.gcp.storage import Storage
    from landfall.gcp.warehouse import Warehouse

    site = Site.of(name)
    settings = site.settings
    storage = Storage(settings.connection)
    storage.client = storage_client(settings)
    warehouse = Warehouse(settings.connection, settings.project, settings.location)
    warehouse.client = bigquery_client(settings)
    return replace(site, storage=storage, warehouse=warehouse, read_only=True)


@contextmanager
def answering(service: str) -> Iterator[None]:
    """Turn a service's refusal or silence into a `CliError`."""
    from google.api_core.exceptions import GoogleAPIError, RetryError
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
    from requests.exceptions import RequestException

    try:
        yield
    except DefaultCredentialsError as error:
        cloud = "For Google Cloud: `gcloud auth application-default login`."
        raise CliError(f"{service}: no credentials found. {LOCAL} {cloud}", exit_codes.UNREACHABLE) from error
    except (RetryError, GoogleAuthError, RequestException, GoogleAPIError) as error:
        what = str(getattr(error, "message", None) or error).partition("\n")[0]
        raise CliError(f"{service}: {what}. {LOCAL}", exit_codes.UNREACHABLE) from error


def _emulated(variable: str, service: str) -> bool:
    """Whether an emulator is named; one that is down is found here, before a client tries for minutes."""
    address = os.environ.get(variable)
    if not address:
        return False
    parts = urlsplit(address if "//" in address else f"//{address}")
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), _CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        message = f"{service}: nothing answers at {address} ({variable}). {LOCAL}"
        raise CliError(message, exit_codes.UNREACHABLE) from error
    return True

"""What an error means for the task: by its reason, and for every method of every service."""

from __future__ import annotations

import http.client
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3
from google.api_core.exceptions import from_http_status  # noqa: TID253 - what is classified
from google.auth import exceptions as auth  # noqa: TID253

from include.ledger.commit import COUNT_DIFFERS, DONE_BEFORE, OVERTAKEN
from include.ledger.landing import Landed
from landfall.errors import (
    Changed,
    CountDiffers,
    LoadedBefore,
    LostRace,
    Missing,
    Overtaken,
    RefusedData,
    TerminalFailure,
    TransientFailure,
)
from landfall.gcp.classify.storage import classify_storage
from landfall.gcp.classify.transport import classify_transport
from landfall.gcp.classify.warehouse import classify_job, classify_warehouse
from landfall.gcp.function import ask_function, post_batch
from landfall.gcp.storage import Storage
from landfall.gcp.warehouse import Warehouse

try:
    from google.cloud.storage.exceptions import DataCorruption
except ImportError:  # google-cloud-storage 2, of Airflow 3.1
    from google.resumable_media.common import DataCorruption


TRIES = 3  # as in conftest.py


def answer(status: int, message: str = "said so", reason: str = "", **headers: str) -> Exception:
    response = requests.Response()
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return from_http_status(status, message, errors=[{"reason": reason}] if reason else (), response=response)


RACE = "Transaction is aborted due to concurrent update"
# Each: the error, the kind of failure, whether it is an outage, and seconds to wait.
TRANSPORT = [
    (requests.ConnectionError("reset"), TransientFailure, True),
    (requests.ReadTimeout("slow"), TransientFailure, True),
    (requests.exceptions.ChunkedEncodingError("half"), TransientFailure, True),
    (requests.exceptions.JSONDecodeError("half", "{", 1), TransientFailure, True),
    (urllib3.exceptions.ProtocolError("broken"), TransientFailure, True),
    (http.client.IncompleteRead(b""), TransientFailure, True),
    (ConnectionResetError(), TransientFailure, True),
    (requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"), TerminalFailure, None),
    (requests.exceptions.InvalidURL("no"), TerminalFailure, None),
    (requests.exceptions.TooManyRedirects("round"), TerminalFailure, None),
    (auth.TransportError("metadata server away"), TransientFailure, False),
    (auth.RefreshError(auth.TransportError("away")), TransientFailure, False),
    (auth.RefreshError("invalid_grant"), TerminalFailure, None),
    (auth.DefaultCredentialsError("none"), TerminalFailure, None),
]
STORAGE = [
    *TRANSPORT,
    (answer(408), TransientFailure, False),
    (answer(429), TransientFailure, False),
    (answer(500), TransientFailure, True),
    (answer(503), TransientFailure, True),
    (answer(501), TerminalFailure, None),
    (answer(404), Missing, None),
    (answer(412), Changed, None),
    (answer(401), TerminalFailure, None),
    (answer(403), TerminalFailure, None),
    (answer(400), TerminalFailure, None),
    (DataCorruption(None, "crc32c differs"), TransientFailure, True),
]
WAREHOUSE = [
    *TRANSPORT,
    (answer(503, "try later"), TransientFailure, True),
    (answer(500, "oops", "backendError"), TransientFailure, True),
    (answer(400, "oops", "jobInternalError"), TransientFailure, True),
    (answer(400, "oops", "jobBackendError"), TransientFailure, True),
    (answer(429, "slow down"), TransientFailure, False),
    (answer(403, "Exceeded rate limits", "rateLimitExceeded"), TransientFailure, False),
    (answer(400, "moved", "tableUnavailable"), TransientFailure, False),
    (answer(403, "too many concurrent queries", "quotaExceeded"), TransientFailure, False),
    (answer(403, "100 requests per minute", "quotaExceeded"), TransientFailure, False),
    (answer(403, "1,500 load jobs per table per day", "quotaExceeded"), TerminalFailure, None),
    (answer(403, "Permission denied", "accessDenied"), TerminalFailure, None),
    (answer(400, f"{RACE} against table x"), TransientFailure, False),
    (answer(400, "Failed to commit"), TransientFailure, False),
    (answer(400, "Syntax error", "invalidQuery"), TerminalFailure, None),
    (answer(400, "cancelled", "stopped"), TerminalFailure, None),
    (answer(400, "too large", "resourcesExceeded"), TerminalFailure, None),
    (answer(404, "no such table", "notFound"), Missing, None),
    (answer(400, f"Query error: {DONE_BEFORE} at [3:1]", "invalidQuery"), LoadedBefore, None),
    (answer(400, f"Query error: {OVERTAKEN} at [3:1]", "invalidQuery"), Overtaken, None),
    (answer(400, f"Query error: {COUNT_DIFFERS} at [3:1]", "invalidQuery"), CountDiffers, None),
]  # fmt: skip


def named(cases: list[Any]) -> list[str]:
    return [f"{number}-{type(case[0]).__name__}-{case[1].__name__}" for number, case in enumerate(cases)]


def check(failure: Any, kind: type[Exception], outage: bool | None) -> None:
    assert type(failure) is kind
    assert getattr(failure, "outage", None) is outage
    assert str(failure).startswith("read gs://b/n: ")


@pytest.mark.parametrize(("error", "kind", "outage"), STORAGE, ids=named(STORAGE))
def test_an_error_of_storage_is_told_by_what_it_is(error: Exception, kind: Any, outage: bool | None) -> None:
    check(classify_storage(error, "read gs://b/n"), kind, outage)


@pytest.mark.parametrize(("error", "kind", "outage"), WAREHOUSE, ids=named(WAREHOUSE))
def test_an_error_of_bigquery_is_told_by_its_reason(error: Exception, kind: Any, outage: bool | None) -> None:
    check(classify_warehouse(error, "read gs://b/n"), kind, outage)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(answer(400, "Failed to commit"), LostRace), (answer(400, "oops", "jobInternalError"), TransientFailure),
     (answer(400, "Required field day cannot be null", "invalidQuery"), RefusedData),
     (answer(400, "Provided Parquet file is wrong", "invalid"), RefusedData),
     (answer(403, "Permission denied", "accessDenied"), TerminalFailure),
     (answer(400, "cancelled", "stopped"), TerminalFailure), (answer(404, "no table", "notFound"), Missing)],
    ids=["race", "defect", "row", "file", "permission", "cancelled", "gone"],
)  # fmt: skip
def test_a_job_that_failed_is_no_outage_for_the_service_told_of_it(error: Exception, kind: Any) -> None:
    failure = classify_job(error, "job")
    assert type(failure) is kind
    assert not getattr(failure, "outage", False)


def test_a_jobs_own_reason_counts_before_those_of_its_errors() -> None:
    error = answer(403, "Permission denied", "invalidQuery")
    assert type(classify_job(error, "job", "accessDenied")) is TerminalFailure
    assert type(classify_job(error, "job", "invalidQuery")) is RefusedData


def test_what_the_service_asks_for_is_carried_along() -> None:
    failure = classify_storage(answer(503, Retry_After="120"), "read")
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == 120.0
    failure = classify_warehouse(answer(429, Retry_After="7"), "query")
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == 7.0


def test_an_error_of_our_own_code_is_left_alone() -> None:
    for classify in (classify_storage, classify_warehouse, classify_transport):
        assert classify(KeyError("x"), "read") is None


def test_a_connection_that_never_was_is_told_from_one_that_broke() -> None:
    with pytest.raises(requests.ConnectionError) as caught:
        requests.get("http://127.0.0.1:9", timeout=5)
    refused, broke = classify_transport(caught.value, "x"), classify_transport(requests.ConnectionError("reset"), "x")
    assert isinstance(refused, TransientFailure)
    assert isinstance(broke, TransientFailure)
    assert (refused.delivered, broke.delivered) == (False, True)


def test_an_address_is_not_quoted_for_it_may_be_signed() -> None:
    failure = classify_transport(requests.ConnectionError("https://x/y?X-Goog-Signature=5ec2e7"), "read")
    assert "5ec2e7" not in str(failure)


class Failing:
    """A client of which every call, however deep, raises one error."""

    def __init__(self, error: Exception) -> None:
        self.error, self.calls = error, 0
        self.location = "US"

    def raise_it(self, *_: Any, **given: Any) -> Any:
        assert given["timeout"], "it may hang"
        self.calls += 1
        raise self.error

    def __getattr__(self, name: str) -> Any:
        if name in ("bucket", "blob"):
            return lambda *_: self

        def call(*_: Any, **given: Any) -> Any:
            assert given["retry"] is None, f"{name} has a retry of its own"
            return self.raise_it(**given)

        return call


ARGUMENTS: dict[type, dict[str, tuple[Any, ...]]] = {
    Storage: {
        "find": ("b", "x/*.csv"), "read": ("gs://b/n",), "write": ("gs://b/n", b"x"), "generation": ("gs://b/n",),
        "move": ("gs://b/n", 1, "gs://c/n"), "_copy": ("gs://b/n", 1, "gs://c/n"), "_delete": ("gs://b/n", 1),
        "move_back": ("gs://b/n", "gs://c/n", "AAAAAA=="), "delete": ("gs://b/n",), "now": ("gs://b/n",),
        "read_version": (Landed("b", "n", 1, 1, ""),), "find_one": ("gs://b/n",),
    },
    Warehouse: {
        "query": ("SELECT 1",), "run_once": ("SELECT 1", {}, "n"), "load_parquet": (["gs://b/n"], "p.d.t", (), "n"),
        "columns": ("d.t",), "ensure_dataset": ("d",), "row_count": ("d.t",), "rows": ("d.t", ["c"]),
        "change": ("UPDATE t SET c = 1 WHERE TRUE",),
    },
}  # fmt: skip
# It makes the calls that it is given, and none of its own.
GIVEN = {"at_once"}
NAMED: dict[str, dict[str, Any]] = {"rows": {"limit": 1}}
MADE: dict[type, Callable[[], Any]] = {
    Storage: lambda: Storage("c"), Warehouse: lambda: Warehouse("c", "p", "US"),
}  # fmt: skip


@pytest.mark.parametrize("service", ARGUMENTS)
def test_no_method_is_left_out_of_the_table(service: type) -> None:
    public = {name for name, _ in inspect.getmembers(service, inspect.isfunction) if not name.startswith("_")}
    assert public - GIVEN == {name for name in ARGUMENTS[service] if not name.startswith("_")}


def test_of_calls_at_once_a_failure_is_told_and_answers_keep_their_order() -> None:
    caller = Storage("c")
    caller.client = Failing(ConnectionError("reset"))
    with pytest.raises(FAILURES):
        caller.at_once(caller.generation, ["gs://b/n"] * 3)
    assert caller.at_once(len, ["a", "bb", ""]) == [1, 2, 0]


METHODS = [(service, method) for service, methods in ARGUMENTS.items() for method in methods]
FAILURES = (TerminalFailure, TransientFailure)


@pytest.mark.parametrize(("service", "method"), METHODS, ids=[f"{s.__name__}.{m}" for s, m in METHODS])
def test_nothing_of_the_client_library_escapes_and_its_own_retry_is_off(service: type, method: str) -> None:
    def run(client: Failing) -> None:
        caller = MADE[service]()
        caller.client = client
        getattr(caller, method)(*ARGUMENTS[service][method], **NAMED.get(method, {}))

    for error, kind, outage in {Storage: STORAGE, Warehouse: WAREHOUSE}[service]:
        client = Failing(error)
        if method in ("move", "_delete", "read_version") and kind in (Missing, Changed):
            run(client)  # another try moved it, or a newer one is in its place
            assert client.calls == 1
            continue
        with pytest.raises(FAILURES) as caught:
            run(client)
        assert type(caught.value) is kind
        assert caught.value.__cause__ is error or kind is Changed
        # A write that met another version looks whose it is.
        looks = method == "write" and kind is Changed
        assert client.calls == (TRIES if outage is not None else 2 if looks else 1)


ASKED = {
    "ask_function": lambda: ask_function("http://127.0.0.1:9"),
    "post_batch": lambda: post_batch("http://127.0.0.1:9", {}, "key", ["gs://l/a.csv"]),
}


@pytest.mark.parametrize("name", ASKED)
def test_nothing_of_requests_escapes_a_call_of_the_function(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, kind, _ in TRANSPORT:
        calls = Failing(error)
        monkeypatch.setattr(requests, "get", calls.raise_it)
        monkeypatch.setattr(requests, "post", calls.raise_it)
        with pytest.raises(FAILURES) as caught:
            ASKED[name]()
        assert type(caught.value) is kind


def test_a_batch_that_may_have_arrived_is_not_posted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = requests.ConnectTimeout("nobody there")
    for error, again in ((refused, True), (requests.ReadTimeout("an hour"), False)):
        calls = Failing(error)
        monkeypatch.setattr(requests, "post", calls.raise_it)
        with pytest.raises(TransientFailure) as caught:
            ASKED["post_batch"]()
        assert calls.calls == (TRIES if again else 1)
        assert caught.value.files == ("gs://l/a.csv",)

"""Every request that our clients make has a name."""

from __future__ import annotations

import pytest

from tests.faults.calls import call_of, calls

NAMED = [
    ("storage", "GET", "/storage/v1/b/x/o?prefix=a%2F&maxResults=3", "storage.list"),
    ("storage", "GET", "/storage/v1/b/x/o/a%2Fb.csv?projection=noAcl", "storage.get"),
    ("storage", "GET", "/storage/v1/b/x/o/rewriteTo", "storage.get"),
    ("storage", "GET", "/download/storage/v1/b/x/o/a%2Fb?alt=media", "storage.get_media"),
    ("storage", "GET", "/storage/v1/b/x/o/a?alt=media&generation=7", "storage.get_media"),
    ("storage", "POST", "/upload/storage/v1/b/x/o?uploadType=multipart&ifGenerationMatch=0", "storage.insert"),
    ("storage", "POST", "/upload/storage/v1/b/x/o?uploadType=media&name=uploadType%3Dresumable", "storage.insert"),
    ("storage", "POST", "/upload/storage/v1/b/x/o?ifGenerationMatch=0&uploadType=resumable", "storage.begin_upload"),
    ("storage", "PUT", "/upload/storage/v1/b/x/o?uploadType=resumable&upload_id=1", "storage.upload_chunk"),
    ("storage", "POST", "/storage/v1/b/x/o/a%2Fb/rewriteTo/b/y/o/c", "storage.rewrite"),
    ("storage", "POST", "/storage/v1/b/x/o/a/copyTo/b/y/o/c", "storage.copy"),
    ("storage", "POST", "/storage/v1/b/x/o/a/compose?ifGenerationMatch=0", "storage.compose"),
    ("storage", "DELETE", "/storage/v1/b/x/o/a?generation=1", "storage.delete"),
    ("storage", "PATCH", "/storage/v1/b/x/o/a", "storage.patch"),
    ("storage", "POST", "/batch/storage/v1", "storage.batch"),
    ("storage", "GET", "/storage/v1/b/x", "storage.get_bucket"),
    ("storage", "OPTIONS", "/storage/v1/b/x/o", "storage.other"),
    ("bigquery", "POST", "/bigquery/v2/projects/p/jobs?prettyPrint=false", "bigquery.insert_job"),
    ("bigquery", "GET", "/bigquery/v2/projects/p/jobs/j-1?location=US", "bigquery.get_job"),
    ("bigquery", "GET", "/bigquery/v2/projects/p/queries/j-1?maxResults=0", "bigquery.query_results"),
    ("bigquery", "POST", "/bigquery/v2/projects/p/queries", "bigquery.query"),
    ("bigquery", "POST", "/bigquery/v2/projects/p/jobs/j/cancel", "bigquery.cancel_job"),
    ("bigquery", "GET", "/bigquery/v2/projects/p/datasets/d/tables/t/data?startIndex=0", "bigquery.list_rows"),
    ("bigquery", "GET", "/bigquery/v2/projects/p/datasets/d/tables/t", "bigquery.get_table"),
    ("bigquery", "POST", "/bigquery/v2/projects/p/datasets", "bigquery.insert_dataset"),
    ("bigquery", "GET", "/discovery/v1/apis", "bigquery.other"),
    ("function", "POST", "/", "function.transform"),
    ("function", "GET", "", "function.about"),
    ("function", "POST", "/elsewhere", "function.other"),
]


@pytest.mark.parametrize(("service", "method", "path", "name"), NAMED)
def test_a_request_has_a_name(service: str, method: str, path: str, name: str) -> None:
    assert call_of(service, method, path) == name


def test_the_names_can_be_enumerated() -> None:
    named = {name for *_, name in NAMED if not name.endswith(".other")}
    assert named <= {*calls("storage"), *calls("bigquery"), *calls("function")}
    assert calls("function") == ["function.transform", "function.about"]

"""Stable names for the requests of our clients, such as `storage.insert`, so that faults and calls can be paired."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

# Path, then method and what tells requests apart that share both, to the call's name. The first that fits counts.
_OBJECT = r"/b/[^/]+/o/[^/]+"
_BIGQUERY = r"(/bigquery/v2)?/projects/[^/]+"
_TABLE = rf"{_BIGQUERY}/datasets/[^/]+/tables/[^/]+"
_Row = tuple[str, str, str, str]
_TABLES: dict[str, tuple[_Row, ...]] = {
    "storage": (
        ("batch", "POST", r"/batch/storage/v1", ""),
        ("upload_chunk", "PUT", r"/upload/storage/v1/b/[^/]+/o", "upload_id="),
        ("begin_upload", "POST", r"/upload/storage/v1/b/[^/]+/o", "uploadType=resumable"),
        ("insert", "POST", r"/upload/storage/v1/b/[^/]+/o", ""),
        ("get_media", "GET", rf"/download/storage/v1{_OBJECT}", ""),
        ("get_media", "GET", rf"/storage/v1{_OBJECT}", "alt=media"),
        ("get", "GET", rf"/storage/v1{_OBJECT}", ""),
        ("patch", "PATCH", rf"/storage/v1{_OBJECT}", ""),
        ("delete", "DELETE", rf"/storage/v1{_OBJECT}", ""),
        ("rewrite", "POST", rf"/storage/v1{_OBJECT}/rewriteTo{_OBJECT}", ""),
        ("copy", "POST", rf"/storage/v1{_OBJECT}/copyTo{_OBJECT}", ""),
        ("compose", "POST", rf"/storage/v1{_OBJECT}/compose", ""),
        ("restore", "POST", rf"/storage/v1{_OBJECT}/restore", ""),
        ("list", "GET", r"/storage/v1/b/[^/]+/o", ""),
        ("get_bucket", "GET", r"/storage/v1/b/[^/]+", ""),
        ("list_buckets", "GET", r"/storage/v1/b", ""),
        ("insert_bucket", "POST", r"/storage/v1/b", ""),
    ),
    "bigquery": (
        ("insert_job", "POST", rf"{_BIGQUERY}/jobs", ""),
        ("upload_job", "POST", rf"(/resumable)?/upload{_BIGQUERY}/jobs", ""),
        ("upload_job_chunk", "PUT", rf"(/resumable)?/upload{_BIGQUERY}/jobs", ""),
        ("get_job", "GET", rf"{_BIGQUERY}/jobs/[^/]+", ""),
        ("cancel_job", "POST", rf"{_BIGQUERY}/jobs/[^/]+/cancel", ""),
        ("list_jobs", "GET", rf"{_BIGQUERY}/jobs", ""),
        ("query", "POST", rf"{_BIGQUERY}/queries", ""),
        ("query_results", "GET", rf"{_BIGQUERY}/queries/[^/]+", ""),
        ("list_rows", "GET", rf"{_TABLE}/data", ""),
        ("insert_rows", "POST", rf"{_TABLE}/insertAll", ""),
        ("get_table", "GET", _TABLE, ""),
        ("patch_table", "PATCH", _TABLE, ""),
        ("update_table", "PUT", _TABLE, ""),
        ("delete_table", "DELETE", _TABLE, ""),
        ("list_tables", "GET", rf"{_BIGQUERY}/datasets/[^/]+/tables", ""),
        ("insert_table", "POST", rf"{_BIGQUERY}/datasets/[^/]+/tables", ""),
        ("get_dataset", "GET", rf"{_BIGQUERY}/datasets/[^/]+", ""),
        ("delete_dataset", "DELETE", rf"{_BIGQUERY}/datasets/[^/]+", ""),
        ("list_datasets", "GET", rf"{_BIGQUERY}/datasets", ""),
        ("insert_dataset", "POST", rf"{_BIGQUERY}/datasets", ""),
    ),
    "function": (("transform", "POST", r"/", ""), ("about", "GET", r"/", "")),
}
_COMPILED = {
    service: [(name, method, re.compile(path), marker) for name, method, path, marker in rows]
    for service, rows in _TABLES.items()
}


def call_of(service: str, method: str, path: str) -> str:
    """Return the name of a request's call; `<service>.other` where it has none.

    Args:
        service: `storage`, `bigquery` or `function`.
        method: GET, POST, ...
        path: as sent, with its query.
    """
    parts = urlsplit(path)
    query = [f"{name}={values[0]}" for name, values in parse_qs(parts.query).items()]
    for name, wanted, pattern, marker in _COMPILED[service]:
        marked = not marker or any(pair.startswith(marker) for pair in query)
        if wanted == method and marked and pattern.fullmatch(parts.path or "/"):
            return f"{service}.{name}"
    return f"{service}.other"


def calls(service: str) -> list[str]:
    """Return the names of all calls of a service that have one."""
    return list(dict.fromkeys(f"{service}.{row[0]}" for row in _TABLES[service]))

"""What a person chose in the trigger form, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landfall.errors import TerminalFailure

if TYPE_CHECKING:
    from airflow.sdk import Context

    from landfall.gcp.landing import Site


def selection(context: Context, site: Site) -> dict[str, Any]:
    """Return the arguments for `landfall.gcp.landing.look`: names, prefix and force.

    Raises:
        TerminalFailure: a file named in the form is not in the dataset's landing bucket.
    """
    params = context.get("params") or {}
    bucket, _ = site.source
    names = []
    for given in params.get("files") or ():
        scheme, separator, rest = str(given).partition("://")
        if not separator:
            names.append(scheme)
            continue
        if scheme != "gs" or rest.partition("/")[0] != bucket:
            raise TerminalFailure(f"{given} does not lie in gs://{bucket}; name files of that bucket")
        names.append(rest.partition("/")[2])
    return {"names": names, "prefix": str(params.get("prefix") or ""), "force": bool(params.get("force"))}

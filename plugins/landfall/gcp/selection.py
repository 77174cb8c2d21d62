"""Which run looks for files, and what a person chose in its trigger form, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landfall.errors import TerminalFailure
from landfall.runs import has_ended

if TYPE_CHECKING:
    from airflow.sdk import Context

    from landfall.gcp.landing import Site


def selection(context: Context, site: Site) -> dict[str, Any]:
    """Return the arguments for `landfall.gcp.landing.look`: the run and how to ask for others, names, prefix, force.

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
    return {
        "run_id": context["run_id"],
        "ended": lambda run_id: has_ended(context, run_id),
        "names": names,
        "prefix": str(params.get("prefix") or ""),
        "force": bool(params.get("force")),
    }

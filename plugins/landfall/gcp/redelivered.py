"""New versions of files that are loaded, where the dataset's policy is to skip them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from landfall.notifiers.redelivered import tell_redelivered

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.landing import Landed
    from landfall.gcp.landing import Site

log = logging.getLogger(__name__)


def turn_away(context: Context, site: Site, files: Sequence[Landed]) -> None:
    """Record files as rejected, tell about them, and move them to the archive as if they were loaded.

    In this order: a file that was recorded and not moved is moved by a later run, as loaded ones are.
    """
    from include.ledger.plan import pinned
    from include.ledger.states import FileState
    from include.ledger.taking import REDELIVERED
    from landfall.gcp.archive import move_to_archive
    from landfall.gcp.events import write_events

    turned = [pinned(item) for item in files]
    reason = f"{REDELIVERED}: another version of it, or of a file of its set, is loaded; `load.redelivered` is `skip`"
    write_events(site, context["run_id"], FileState.REJECTED, ((file, None, reason) for file in turned))
    for file in turned:
        log.warning("%s, generation %d, is not loaded. %s", file.uri, file.generation, reason)
    tell_redelivered(context, site.dataset, [file.uri for file in turned])
    move_to_archive(site, turned)

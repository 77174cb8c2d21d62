"""What a person decides of files that wait: held ones are released or rejected, dead letters are tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from landfall.errors import Changed, Missing, TerminalFailure

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.choosing import Version, Wish
    from landfall.gcp.landing import Site


def decide_by_form(context: Context, site: Site) -> None:
    """Do what a person wants of files in the DAG's trigger form; a task that is tried again does not do it twice.

    Raises:
        TerminalFailure: a file is unknown or not in a state that allows it, or it is to be rejected without a reason.
    """
    from include.ledger.choosing import Wish

    params = context.get("params") or {}
    run_id = context["run_id"]
    given = {wish: list(map(str, params.get(wish.name.lower()) or ())) for wish in Wish}
    reason = str(params.get("reason") or "").strip()
    if given[Wish.REJECT] and not reason:
        raise TerminalFailure("files are to be rejected without a reason; say why in the form's Reason")
    # All are found before anything is done: a form with one wrong name changes nothing.
    chosen = {wish: find(site, wish, names, run_id=run_id) for wish, names in given.items() if names}
    release(site, run_id, chosen.get(Wish.RELEASE, ()))
    reject(context, site, run_id, chosen.get(Wish.REJECT, ()), reason)
    retry(site, run_id, chosen.get(Wish.RETRY, ()))


def find(site: Site, wish: Wish, given: Sequence[str], *, run_id: str = "") -> list[Version]:
    """Return the file versions that a person means.

    Args:
        wish: what is wanted of them.
        given: names of objects, addresses or file ids.
        run_id: the run that asks; what it has done in an earlier try is left out.

    Raises:
        TerminalFailure: a file is unknown, or not in a state that allows it.
    """
    from include.ledger.choosing import ChoiceError, Version, choose, name_of
    from include.ledger.queries import names_sql, versions_sql

    dataset = {"dataset": site.dataset.name}
    rows = site.warehouse.query(versions_sql(site.ledger), {**dataset, "wanted": sorted(map(name_of, given))})
    names = site.warehouse.query(names_sql(site.ledger), {**dataset, "states": sorted(wish.starts)})
    try:
        return choose(wish, given, map(Version.of, rows), [row["name"] for row in names], run_id=run_id)
    except ChoiceError as error:
        raise TerminalFailure(str(error)) from error


def release(site: Site, run_id: str, versions: Sequence[Version]) -> None:
    """Let held files be loaded by the next run.

    Args:
        run_id: the run that says so, or what stands for a person at a terminal.

    Raises:
        TerminalFailure: one of them does not lie where it landed any more; nothing is changed.
    """
    from include.ledger.states import FileState
    from landfall.gcp.events import decide

    for version in versions:
        there = site.storage.generation(version.uri)
        if there != version.generation:
            found = f"generation {there} does" if there else "nothing does"
            raise TerminalFailure(
                f"{version.uri} does not lie there in generation {version.generation} any more, {found}. Land it again;"
                " nothing was changed."
            )
    decide(site, run_id, FileState.RELEASED, {v.file_id: f"released: it was held: {v.reason}" for v in versions})


def reject(context: Mapping[str, Any], site: Site, run_id: str, versions: Sequence[Version], reason: str) -> None:
    """Have held files never loaded: record it, tell about it, and move them to the archive as if they were loaded.

    In this order: a file that was recorded and not moved is moved by a later run, as loaded ones are.

    Args:
        context: of the task that does it; nothing at a terminal.
        run_id: as in `release`.
        reason: why, for whoever looks later.
    """
    from include.ledger.plan import pinned
    from include.ledger.states import FileState
    from landfall.gcp.archive import move_to_archive
    from landfall.gcp.events import decide
    from landfall.notifiers.settled import tell_rejected

    if not versions:
        return
    reasons = {v.file_id: f"rejected: {' '.join(reason.split())}. It was held: {v.reason}" for v in versions}
    decide(site, run_id, FileState.REJECTED, reasons)
    tell_rejected(context, site.dataset, {v.uri: reasons[v.file_id] for v in versions})
    move_to_archive(site, map(pinned, versions))


def retry(site: Site, run_id: str, versions: Sequence[Version]) -> list[int]:
    """Move dead letters back to where they landed; returns their new generations.

    Each becomes a new version of its object, which the next run takes and guards as any that is delivered again.

    Args:
        run_id: as in `release`.

    Raises:
        TerminalFailure: one is not among the dead letters any more, or another object is in its place.
    """
    from include.crashpoints import boundary
    from include.ledger.dead_letters import RETRIED, dead_letter_uri
    from landfall.gcp.events import note_retried

    generations = []
    for version in versions:
        uri = dead_letter_uri(site.settings.archive, site.dataset.name, version)
        try:
            with boundary("retry.move"):
                generation = site.storage.move_back(uri, version.uri, version.checksum)
        except Missing as error:
            text = f"{uri}: there is no such dead letter. The ledger says of it: {version.reason}"
            raise TerminalFailure(f"{text}. Where it was just put aside, let the DAG run once more.") from error
        except Changed as error:
            text = f"{version.uri} holds another delivery by now, which is taken instead. The dead letter stays"
            raise TerminalFailure(f"{text} at {uri}.") from error
        note_retried(site, run_id, {version.file_id: f"{RETRIED}: moved back as generation {generation}"})
        with boundary("retry.envelope"):
            site.storage.delete(f"{uri}.json")
        generations.append(generation)
    return generations

"""Replays quarantined records: chooses them, has them transformed under today's contract, and settles each once."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from include.crashpoints import boundary
from landfall.errors import TerminalFailure

if TYPE_CHECKING:
    from include.engine.account import Manifest
    from include.ledger.choice import Choice
    from include.ledger.landing import Landed
    from include.ledger.left_over import Left
    from include.ledger.plan import Plan
    from include.ledger.replay import ReplayCommit
    from include.ledger.replay_plan import OpenFile
    from landfall.gcp.landing import Site

log = logging.getLogger(__name__)

# Bytes of records that are read from the quarantine in one replay: they pass through a task's and a function's memory.
_MOST_KEPT = 32_000_000
# Such records: the function reads each as a file by itself.
_MOST_KEPT_RECORDS = 10_000
# A run of the same replay is content with what an earlier one did, whatever run that was.
_ANY_RUN = "replay"
# Numbers of records in a sentence.
_SHOWN = 10


def plan_replay(site: Site, choice: Choice, *, run_id: str, dry_run: bool) -> Plan | None:
    """Choose open records and plan how they are read again; None where there is none, or another replay took them.

    Raises:
        TerminalFailure: the dataset cannot be used.
    """
    from include.ledger.choice import open_sql
    from include.ledger.replay_plan import make_replay_plan, open_files
    from landfall.gcp.function import ask_function
    from landfall.gcp.landing import ask_ledger
    from landfall.gcp.plan import refuse_broken
    from landfall.gcp.references import pin_references

    refuse_broken(site)
    files = open_files(ask_ledger(site, open_sql(site.ledger, choice), choice.parameters()))
    if not files:
        return None
    deployed = ask_function(site.settings.function_url, site.breakers.function)
    where = _locate(site, files)
    plan = make_replay_plan(
        site.dataset,
        files,
        where,
        run_id=run_id,
        dry_run=dry_run,
        choice=choice,
        references=pin_references(site),
        engine=deployed.engine,
        keys=deployed.keys,
        keep=lambda content: _keep(site, content),
        left=_left(site, choice, [file for file in files if file.landed.file_id not in where]),
    )
    assert plan.replay is not None
    return plan if plan.batches or plan.replay.lost else None


def _keep(site: Site, content: bytes) -> str:
    """Write a selection of records where the function reads it; its address names its content."""
    from include.ledger.identity import content_hash

    uri = site.work_uri("replays", f"{content_hash(content)}.selection.json")
    with boundary("replay.selection"):
        site.storage.write(uri, content)
    return uri


def _locate(site: Site, files: Sequence[OpenFile]) -> dict[str, Landed]:
    """Find where files lie now: in the archive, or still where they landed; file id to the object."""

    def find(file: OpenFile) -> Landed | None:
        from landfall.gcp.archive import archive_uri

        landed = file.landed
        archived = archive_uri(site.settings.archive, site.dataset.name, landed)
        for uri in (archived, file.uri, archived):  # it may be moved between two looks
            found = site.storage.find_one(uri)
            if found is None or (found.size, found.checksum) != (landed.size, landed.checksum):
                continue
            if uri == archived or found.generation == landed.generation:
                return found
        return None

    found = zip(files, site.storage.at_once(find, files), strict=True)
    return {file.landed.file_id: item for file, item in found if item is not None}


def _left(site: Site, choice: Choice, gone: Sequence[OpenFile]) -> dict[str, Left]:
    """Ask the quarantine what it kept of records whose files are gone."""
    from include.engine.kept import has_bytes, needed_opening
    from include.ledger.choice import kept_sql
    from include.ledger.left_over import left_over
    from landfall.gcp.landing import ask_ledger

    numbers = {file.landed.file_id: list(file.records) for file in gone}
    if not numbers:
        return {}
    for file in gone:
        log.warning("%s is neither in the archive nor where it landed: its quarantined records are read", file.uri)
    if not has_bytes(site.dataset):
        return left_over(site.dataset, numbers, ())
    room = {"most": _MOST_KEPT, "most_records": _MOST_KEPT_RECORDS}
    sql = kept_sql(site.ledger, choice, needed_opening(site.dataset))
    rows = ask_ledger(site, sql, {**choice.parameters(), "ids": sorted(numbers), **room})
    return left_over(site.dataset, numbers, rows)


def settle_replay(site: Site, plan: Plan, uris: Mapping[int, str]) -> dict[str, Any]:
    """Decide what becomes of the records that were transformed, and commit it unless it is a dry run.

    Args:
        plan: of the replay.
        uris: batch number to the manifest's address, of the batches that were transformed.

    Returns:
        The report; see `include.ledger.replay_report`.

    Raises:
        TerminalFailure, TransientFailure: nothing is changed.
    """
    from include.ledger.choice import outcomes_sql, samples_sql, whole_files_sql
    from include.ledger.identity import commit_id
    from include.ledger.replay_report import file_rows, make_report, with_texts
    from landfall.gcp.staging import read_manifest

    assert plan.replay is not None
    manifests = {number: read_manifest(site, uri) for number, uri in sorted(uris.items())}
    files = file_rows(plan, manifests)
    name = commit_id((plan.batches[number].batch_id for number in manifests), _ANY_RUN)
    decided: list[dict[str, Any]] = []
    if files:
        commit, parameters = _prepare(site, plan, uris, manifests, files, name)
        if plan.replay.dry_run:
            kept = {key: parameters[key] for key in ("dataset", "files")}
            decided = site.warehouse.query(commit.preview_sql(), kept)
        else:
            with boundary("replay.commit"):
                site.warehouse.run_once(commit.sql(), parameters, f"landfall-{site.dataset.name}-{name}-replay")
            known = {"dataset": site.dataset.name, "replay_id": name}
            decided = site.warehouse.query(outcomes_sql(site.ledger), known)
    dataset = {"dataset": site.dataset.name}
    wanted = {**dataset, "file": plan.replay.file, "rule": plan.replay.rule}
    whole = site.warehouse.query(whole_files_sql(site.ledger), wanted)
    report = make_report(plan, name, manifests, decided, whole)
    ids = [f"{sample['file_id']}:{sample['record']}" for sample in report["samples"]]
    return with_texts(report, site.warehouse.query(samples_sql(site.ledger), {**dataset, "ids": ids}) if ids else ())


def _prepare(
    site: Site,
    plan: Plan,
    uris: Mapping[int, str],
    manifests: Mapping[int, Manifest],
    files: list[dict[str, Any]],
    name: str,
) -> tuple[ReplayCommit, dict[str, Any]]:
    """Stage what was transformed; returns the commit and its parameters."""
    from include.ledger.accounts import BATCH_TYPES, batch_rows
    from include.ledger.drift import joined
    from include.ledger.replay import FILE_TYPES, ReplayCommit
    from landfall.gcp.staging import stage, stage_rows
    from landfall.gcp.target import compare_target, ready_target
    from landfall.gcp.warehouse import Structs

    assert plan.replay is not None
    ready = compare_target if plan.replay.dry_run else ready_target
    drift = ready(site, joined(manifests, [file["file_id"] for file in files]))
    table = f"{site.dataset.name}_{name}"
    commit = ReplayCommit(
        dataset=site.dataset,
        ledger=site.ledger,
        rows=stage_rows(site, manifests, f"{table}_rows", drift),
        quarantine=stage(site, _parts(manifests.values()), f"{table}_quarantine"),
        evolved=drift.evolved,
        cleared=drift.cleared,
    )
    # Their counts are what the transaction decides.
    batches = [{**row, "mode": "replay"} for row in batch_rows(plan, manifests, uris, name, [], drift)]
    return commit, {
        "dataset": site.dataset.name,
        "run_id": plan.run_id,
        "replay_id": name,
        "files": Structs(FILE_TYPES, files),
        "batches": Structs(BATCH_TYPES, batches),
        "expected": sum(manifest.loaded for manifest in manifests.values()),
    }


def _parts(manifests: Iterable[Manifest]) -> list[str]:
    return [uri for manifest in manifests for uri in manifest.quarantine]


def free_whole_files(site: Site, choice: Choice, run_id: str) -> int:
    """Release the held files that are as chosen, and retry the dead-lettered ones; the next run takes them.

    Returns:
        How many there were; none where a column is chosen, for what is wrong with a whole file is about none.

    Raises:
        TerminalFailure: one of them does not lie where it should.
    """
    from include.ledger.choice import whole_files_sql
    from include.ledger.choosing import Wish
    from include.ledger.states import FileState
    from landfall.gcp import decisions
    from landfall.gcp.landing import ask_ledger

    if choice.column:
        return 0
    wanted = {"dataset": choice.dataset, "file": choice.file, "rule": choice.rule}
    rows = ask_ledger(site, whole_files_sql(site.ledger), wanted)
    for state, wish, act in (
        (FileState.HELD, Wish.RELEASE, decisions.release),
        (FileState.DEAD_LETTERED, Wish.RETRY, decisions.retry),
    ):
        ids = [row["file_id"] for row in rows if row["state"] == state]
        if ids:
            act(site, run_id, decisions.find(site, wish, ids, run_id=run_id))
    return len(rows)


def write_report(site: Site, report: Mapping[str, Any]) -> str:
    """Write a replay's report; returns its address."""
    from include.ledger.identity import content_hash

    uri = site.work_uri("replays", f"{content_hash(report['run_id'].encode())}.report.json")
    with boundary("replay.report"):
        site.storage.write(uri, json.dumps(report, ensure_ascii=False, indent=1).encode())
    return uri


def complaints(report: Mapping[str, Any]) -> list[str]:
    """Return what of a replay did not come about, a sentence each with what to do."""
    said = []
    if report["failed"]:
        shown = ", ".join(report["failed"][:5])
        said.append(f"{len(report['failed'])} files could not be transformed; replay them again: {shown}")
    said += [f"{uri} would be held under today's contract, so nothing of it is replayed: {reason}"
             for uri, reason in sorted(report["held"].items())]  # fmt: skip
    said += [
        f"{lost['uri']} is neither in the archive nor where it landed, and {len(lost['records'])} records of it"
        f" ({_numbers(lost['records'])}) cannot be read from the quarantine: {lost['why']}. Land the file again, as a"
        " new version."
        for lost in report["lost"]
    ]
    return said


def refuse_if_all_gone(plan: Plan) -> None:
    """Refuse a replay of which nothing can be read.

    Raises:
        TerminalFailure: no file is there; the message names some.
    """
    assert plan.replay is not None
    if plan.batches:
        return
    uris = sorted(plan.replay.gone)
    message = f"the files of all {sum(plan.replay.gone.values())} chosen records are neither in the archive nor where"
    reasons = "; ".join(sorted({why for lost in plan.replay.lost.values() for why in lost}))
    raise TerminalFailure(
        f"{message} they landed: {', '.join(uris[:5])}. Nor can these be read from the quarantine: {reasons}. Land the"
        " files again, as new versions.",
        files=uris,
    )


def _numbers(records: Sequence[int]) -> str:
    return ", ".join(map(str, records[:_SHOWN])) + (" and others" if len(records) > _SHOWN else "")

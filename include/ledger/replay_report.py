"""What is told of a replay: what became, or would become, of the records, by rule, with some to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from include.engine.account import Manifest
from include.ledger.outcomes import Outcome
from include.ledger.plan import Plan
from include.ledger.replay_plan import rule_names

_SAMPLES = 5

Record = tuple[str, int]
"""A file's id and a record's number in it."""


def file_rows(plan: Plan, manifests: Mapping[int, Manifest]) -> list[dict[str, Any]]:
    """Return the parameter @files of a replay's commit: the files that were transformed and are not held.

    Args:
        manifests: batch number to manifest, of the batches that were transformed.
    """
    assert plan.replay is not None
    asked = {file.file_id: file for file in plan.replay.files}
    rows: list[dict[str, Any]] = []
    for number, manifest in sorted(manifests.items()):
        for account in manifest.files:
            if account.state == "held":
                continue
            file = asked[account.file_id]
            lost = {number for number, _ in account.lost}
            numbers = [number for number in file.records if number not in lost]
            if not numbers:
                continue
            rows.append({
                "file_id": file.file_id, "uri": file.uri, "batch_id": plan.batches[number].batch_id,
                "of_batch": file.of_batch, "place": len(rows), "records": _listed(numbers),
                "left_out": _listed(account.left_out), "missing": _listed(account.missing),
            })  # fmt: skip
    return rows


def make_report(
    plan: Plan,
    replay_id: str,
    manifests: Mapping[int, Manifest],
    decided: Sequence[Mapping[str, Any]],
    whole_files: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the report as JSON holds it; `samples` are still without their texts.

    Args:
        manifests: batch number to manifest, of the batches that were transformed.
        decided: rows of `outcomes_sql`.
        whole_files: files that are held or dead-lettered.
    """
    assert plan.replay is not None
    uris = {file.file_id: file.uri for file in plan.replay.files}
    broke: dict[Record, tuple[str, ...]] = {
        (file.file_id, record): rules
        for file in plan.replay.files
        for record, rules in zip(file.records, file.rules, strict=True)
    }
    outcomes = Counter(row["outcome"] for row in decided)
    rules: dict[str, Counter[str]] = {}
    for row in decided:
        for rule in broke[row["file_id"], row["record"]]:
            rules.setdefault(rule, Counter())[row["outcome"]] += 1
    again = Counter(
        rule for row in decided if row["outcome"] == Outcome.QUARANTINED for rule in rule_names(row["reasons"])
    )
    held = [account for manifest in manifests.values() for account in manifest.files if account.state == "held"]
    return {
        "dataset": plan.dataset["name"],
        "replay_id": replay_id,
        "run_id": plan.run_id,
        "dry_run": plan.replay.dry_run,
        "chosen": len(broke) + sum(plan.replay.gone.values()) + plan.replay.later,
        "outcomes": {outcome.value: outcomes[outcome.value] for outcome in Outcome},
        "rules": {rule: dict(sorted(counts.items())) for rule, counts in sorted(rules.items())},
        "rules_now": dict(sorted(again.items())),
        "samples": _samples(decided, uris),
        "held": {uris[account.file_id]: account.reason.message if account.reason else "" for account in held},
        "restored": _restored(plan, manifests),
        "lost": _lost(plan, manifests),
        "later": plan.replay.later,
        "failed": [uris[f.file_id] for b in plan.batches if b.number not in manifests for f in b.files],
        "whole_files": [
            {"uri": f"gs://{row['bucket']}/{row['name']}", "state": row["state"], "reason": row["reason"]}
            for row in whole_files
        ],
    }


def _restored(plan: Plan, manifests: Mapping[int, Manifest]) -> dict[str, int]:
    """Return the addresses of files that are gone, to how many records were read from what the quarantine kept."""
    assert plan.replay is not None
    gone = {file.file_id: file for file in plan.replay.files if file.gone}
    restored: Counter[str] = Counter()
    for manifest in manifests.values():
        for account in manifest.files:
            file = gone.get(account.file_id)
            if file and len(account.lost) < len(file.records):
                restored[file.uri] += len(file.records) - len(account.lost)
    return dict(sorted(restored.items()))


def _lost(plan: Plan, manifests: Mapping[int, Manifest]) -> list[dict[str, Any]]:
    """Return which records cannot be read, because their file is gone and what the quarantine has is not enough."""
    assert plan.replay is not None
    uris = {file.file_id: file.uri for file in plan.replay.files}
    lost = {(uri, why): list(numbers) for uri, reasons in plan.replay.lost.items() for why, numbers in reasons.items()}
    for manifest in manifests.values():
        for account in manifest.files:
            for number, why in account.lost:
                lost.setdefault((uris[account.file_id], why), []).append(number)
    return [{"uri": uri, "why": why, "records": sorted(numbers)} for (uri, why), numbers in sorted(lost.items())]


def _samples(decided: Iterable[Mapping[str, Any]], uris: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the first few records of each outcome."""
    shown: Counter[str] = Counter()
    samples = []
    for row in sorted(decided, key=lambda row: (row["outcome"], uris[row["file_id"]], row["record"])):
        shown[row["outcome"]] += 1
        if shown[row["outcome"]] <= _SAMPLES:
            names = ("outcome", "file_id", "record", "reasons")
            samples.append({"uri": uris[row["file_id"]], **{name: row[name] for name in names}})
    return samples


def with_texts(report: dict[str, Any], rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a report whose samples have their line, their text and what they broke before.

    Args:
        rows: of `samples_sql`; masked columns are struck out in them.
    """
    texts = {(row["file_id"], row["record"]): row for row in rows}
    samples = []
    for sample in report["samples"]:
        row = texts.get((sample["file_id"], sample["record"]), {})
        more = {"line": row.get("line"), "text": row.get("text"), "before": row.get("reasons")}
        samples.append({**sample, **more})
    return {**report, "samples": samples}


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))

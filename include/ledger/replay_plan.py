"""The plan of a replay: which records of which files are read again, in which batches, under which names."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from include.ledger.choice import Choice, Replay, ReplayedFile
from include.ledger.identity import batch_id, content_hash
from include.ledger.landing import Landed
from include.ledger.left_over import Left
from include.ledger.plan import MAX_BATCHES, Plan, PlannedBatch, Reference, own_keys, pinned
from include.spec.dataset import Dataset


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A loaded file with records that are open and chosen.

    Args:
        landed: as it landed.
        of_batch: the batch whose load quarantined them.
        records: number of each to its byte offset.
        rules: for each of them, what it broke.
    """

    landed: Landed
    of_batch: str
    records: Mapping[int, int]
    rules: tuple[tuple[str, ...], ...]

    @property
    def uri(self) -> str:
        """Where it landed."""
        return f"gs://{self.landed.bucket}/{self.landed.name}"

    def narrowed(self, numbers: Collection[int]) -> OpenFile:
        """Return the file with some of its records only."""
        places = [place for place, number in enumerate(self.records) if number in numbers]
        records = {number: offset for number, offset in self.records.items() if number in numbers}
        return replace(self, records=records, rules=tuple(self.rules[place] for place in places))


def open_files(rows: Iterable[Mapping[str, Any]]) -> list[OpenFile]:
    """Gather the rows of `open_sql`, file by file."""
    files: dict[str, tuple[Landed, str, dict[int, int], list[tuple[str, ...]]]] = {}
    for row in rows:
        landed = Landed(row["bucket"], row["name"], row["generation"], row["size"], row["checksum"])
        _, _, records, rules = files.setdefault(row["file_id"], (landed, row["of_batch"], {}, []))
        records[row["record"]] = row["byte_offset"]
        rules.append(rule_names(row["reasons"]))
    return [OpenFile(landed, batch, records, tuple(rules)) for landed, batch, records, rules in files.values()]


def rule_names(reasons: str) -> tuple[str, ...]:
    """Return the rules that reasons name, each with its column, as manifests count them."""
    names = []
    for reason in json.loads(reasons):
        rule, column = reason["rule"], reason.get("column") or ""
        names.append(rule if not column or rule.endswith(f".{column}") else f"{rule}.{column}")
    return tuple(dict.fromkeys(names))


def make_replay_plan(
    dataset: Dataset,
    files: Sequence[OpenFile],
    where: Mapping[str, Landed],
    *,
    run_id: str,
    dry_run: bool,
    choice: Choice,
    references: dict[str, Reference],
    engine: str,
    keys: Mapping[str, str],
    keep: Callable[[bytes], str],
    left: Mapping[str, Left],
) -> Plan:
    """Pack open files into batches and name them; the same choice under the same contract gives the same batches.

    Records of one original batch are read together and of several never, for duplicates are looked for within a batch.

    Args:
        dataset: the dataset as it is today.
        files: in the order in which they were loaded.
        where: file id to where the file lies now; files that are not there are gone.
        run_id: the run that replays.
        dry_run: nothing is to be changed.
        choice: by which the files were chosen.
        references: by the name that the pipeline gives them.
        engine: version of the engine that transforms them.
        keys: `mask` and `raw` to the names of the keys that the engine has; they count where columns are masked.
        keep: writes a selection and returns its address.
        left: file id to what is left of the files that are gone.
    """
    own = own_keys(dataset, keys)
    gone = [file for file in files if file.landed.file_id not in where]
    rest = {file.landed.file_id: left[file.landed.file_id] for file in gone}
    groups = _by_batch(files, rest)
    taken, later = groups[:MAX_BATCHES], groups[MAX_BATCHES:]
    batches = []
    for number, members in enumerate(taken):
        content = _selection(members, rest)
        name = batch_id(
            [file.landed.file_id for file in members],
            fingerprint=dataset.fingerprint,
            references=[reference.uri for reference in references.values()],
            engine=engine,
            keys=own,
            epoch=f"replay:{members[0].of_batch}:{content_hash(content)}",
        )
        planned = tuple(pinned(where.get(f.landed.file_id, f.landed), file_id=f.landed.file_id) for f in members)
        batches.append(PlannedBatch(number=number, batch_id=name, files=planned, chosen=keep(content)))
    replay = Replay(
        dry_run=dry_run,
        file=choice.file,
        rule=choice.rule,
        files=tuple(_replayed(f, gone=f.landed.file_id in rest) for members in taken for f in members),
        lost=_lost(gone, rest),
        later=sum(len(f.records) for members in later for f in members)
        + sum(len(rest[f.landed.file_id].later) for f in gone),
    )
    return Plan(
        run_id=run_id,
        dataset=dataset.to_wire(),
        batches=tuple(batches),
        references=references,
        engine=engine,
        keys=own,
        replay=replay,
    )


def _selection(files: Sequence[OpenFile], rest: Mapping[str, Left]) -> bytes:
    chosen = {file.landed.file_id: sorted(file.records.items()) for file in files}
    kept = {name: rest[name].as_json() for name in chosen if name in rest}
    return json.dumps({"files": chosen, **({"kept": kept} if kept else {})}, sort_keys=True).encode()


def _by_batch(files: Iterable[OpenFile], rest: Mapping[str, Left]) -> list[list[OpenFile]]:
    """Return files by the batch that loaded them, each with those records that can be read."""
    groups: dict[str, list[OpenFile]] = {}
    for file in files:
        found = rest.get(file.landed.file_id)
        readable = file if found is None else file.narrowed(found.records)
        if readable.records:
            groups.setdefault(file.of_batch, []).append(readable)
    return list(groups.values())


def _lost(gone: Iterable[OpenFile], rest: Mapping[str, Left]) -> dict[str, dict[str, list[int]]]:
    """Return why records cannot be read, address by address: of one there may be several versions."""
    lost: dict[str, dict[str, list[int]]] = {}
    for file in gone:
        for why, numbers in rest[file.landed.file_id].lost.items():
            lost.setdefault(file.uri, {}).setdefault(why, []).extend(numbers)
    return lost


def _replayed(file: OpenFile, *, gone: bool) -> ReplayedFile:
    return ReplayedFile(
        file_id=file.landed.file_id,
        uri=file.uri,
        of_batch=file.of_batch,
        records=tuple(file.records),
        rules=file.rules,
        gone=gone,
    )

"""What contract and pipeline must satisfy together; each check yields the mistakes it finds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from include.spec.columns import Column
from include.spec.contract import ItemProperty, LogicalTypeOptions, Property
from include.spec.drift import check_default, check_evolve
from include.spec.durations import parse_sla
from include.spec.explain import Path_
from include.spec.formats import check_format

if TYPE_CHECKING:
    from include.spec.dataset import Dataset

# file, key path, message, fix
Finding = tuple[str, Path_, str, str]

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_COLUMN = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,299}$")
# https://cloud.google.com/bigquery/docs/schemas#column_names
_RESERVED = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier", "_landfall_")
# RE2 (DuckDB, BigQuery) knows neither look-around nor back-references, and repeats at most 1,000 times.
_NOT_RE2 = re.compile(r"\(\?[=!]|\(\?<[=!]|\(\?P=|\(\?>|\(\?\(|\\[1-9Z]|[+*?}]\+")
_REPEAT = re.compile(r"\{(\d+),?(\d*)\}")
# In which nothing of that is special: an escaped character, a character class.
_PLAIN = re.compile(r"\\[^1-9Z]|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_CONTRACT, _PIPELINE = "contract.yaml", "pipeline.yaml"
_PROPERTIES: Path_ = ("schema", 0, "properties")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_NUMBER = {*_BOUNDS, "multipleOf", "format"}
_MOMENT = {*_BOUNDS, "format", "timezone", "defaultTimezone"}
# Which options the standard knows for a logical type; it says nothing about booleans.
_OPTIONS = {
    "string": {"minLength", "maxLength", "pattern", "format"},
    "integer": _NUMBER,
    "number": _NUMBER,
    "date": {*_BOUNDS, "format"},
    "timestamp": _MOMENT,
    "time": _MOMENT,
    "object": {"minProperties", "maxProperties", "required"},
    "array": {"minItems", "maxItems", "uniqueItems"},
}
# Which formats an option belongs to; the others go with all.
_ISO: dict[str, type[date] | type[time]] = {
    "date": date,
    "timestamp": datetime,
    "datetime": datetime,
    "time": time,
}


def check_dataset(dataset: Dataset, *, rules: bool) -> Iterator[Finding]:
    """Yield every contradiction between a contract and its pipeline, or inside one of them."""
    if not _NAME.match(dataset.name):
        fix = "Name the folder in lower case, digits and underscores, at most 63 characters."
        yield _CONTRACT, (), f"the folder's name {dataset.name!r} makes no DAG id", fix
    yield from _check_columns(dataset)
    yield from check_format(dataset)
    yield from _check_load(dataset)
    yield from _check_latency(dataset)
    yield from _check_references(dataset)
    if rules:
        yield from _check_rules(dataset)


def _check_columns(dataset: Dataset) -> Iterator[Finding]:
    if not dataset.columns:
        yield _CONTRACT, ("schema", 0), "has no columns", "List them under `properties`."
    counts = Counter(column.name.lower() for column in dataset.columns)
    for number, column in enumerate(dataset.columns):
        path = (*_PROPERTIES, number)
        if not _COLUMN.match(column.name) or column.name.lower().startswith(_RESERVED):
            fix = "Use letters, digits and underscores, no reserved prefix; `format.rename` maps a file's name."
            yield _CONTRACT, (*path, "name"), "is no name that BigQuery takes for a column", fix
        if counts[column.name.lower()] > 1:
            yield (
                _CONTRACT,
                (*path, "name"),
                "stands more than once (case does not count)",
                "Rename one of them.",
            )
        yield from _check_options(column, dataset.contract.schema_[0].properties[number], path)


def _check_options(column: Column, prop: Property | ItemProperty, path: Path_) -> Iterator[Finding]:
    options = (*path, "logicalTypeOptions")
    known = _OPTIONS.get(prop.logicalType or "")
    for key in sorted(prop.logicalTypeOptions.model_fields_set):
        if known is not None and key not in known:
            fix = f"Options of that type are: {', '.join(sorted(known))}."
            yield _CONTRACT, (*options, key), f"does not apply to logicalType {prop.logicalType}", fix
    yield from _check_pattern(column, options)
    yield from _check_bounds(column, prop.logicalTypeOptions, options)
    if column.items and prop.items:
        yield from _check_options(column.items, prop.items, (*path, "items"))


def _check_pattern(column: Column, options: Path_) -> Iterator[Finding]:
    if column.pattern is None:
        return
    try:
        re.compile(column.pattern)
    except (re.error, OverflowError, RecursionError) as error:
        yield _CONTRACT, (*options, "pattern"), f"is no regular expression: {error}", "Mend the pattern."
        return
    if not _is_re2(column.pattern):
        fix = "Write it as RE2: no look-around, back-references, possessive or four-digit repeats."
        yield _CONTRACT, (*options, "pattern"), "uses what RE2 does not know", fix


def _is_re2(pattern: str) -> bool:
    bare = _PLAIN.sub("_", pattern)
    repeats = [int(number or 0) for pair in _REPEAT.findall(bare) for number in pair]
    return not _NOT_RE2.search(bare) and max(repeats, default=0) <= 1000


def _check_bounds(column: Column, given: LogicalTypeOptions, options: Path_) -> Iterator[Finding]:
    for key in _BOUNDS:
        bound = getattr(given, key)
        if bound is None:
            continue
        if column.kind in ("integer", "float", "decimal") and (isinstance(bound, str) or not _is_number(str(bound))):
            yield (
                _CONTRACT,
                (*options, key),
                "is no number",
                f"`{column.name}` is a number; so are its bounds.",
            )
        if column.kind in _ISO and not (column.formats or _is_iso(column.kind, bound)):
            yield (
                _CONTRACT,
                (*options, key),
                f"is no ISO 8601 {column.kind}",
                "Write it in quotes, as in 2026-01-31.",
            )
    if given.multipleOf is not None and given.multipleOf <= 0:
        yield _CONTRACT, (*options, "multipleOf"), "is not above zero", "Write the step between two values."
    pairs = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))
    for low, high in (*pairs, ("minimum", "maximum")):
        if _is_above(getattr(given, low), getattr(given, high)):
            yield _CONTRACT, (*options, low), f"is above {high}, so no value can pass", "Exchange the two."


def _is_above(low: object, high: object) -> bool:
    return isinstance(low, int | float) and isinstance(high, int | float) and low > high


def _is_iso(kind: str, bound: object) -> bool:
    try:
        _ISO[kind].fromisoformat(str(bound))
    except ValueError:
        return False
    return isinstance(bound, str)


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _check_load(dataset: Dataset) -> Iterator[Finding]:
    mode, partition = dataset.pipeline.load.mode, dataset.partition
    if mode == "merge" and not dataset.key:
        fix = "Mark the key's columns with `primaryKey: true` in contract.yaml, or use `append`."
        yield _PIPELINE, ("load", "mode"), "needs a primary key, and the contract has none", fix
    if mode == "replace_partition" and partition is None:
        fix = "Mark one date column with `partitioned: true` in contract.yaml."
        yield _PIPELINE, ("load", "mode"), "needs a partition column, and the contract has none", fix
    yield from _check_sets(dataset)
    if sum(column.partition for column in dataset.columns) > 1:
        yield (
            _CONTRACT,
            _PROPERTIES,
            "has more than one partitioned column",
            "BigQuery partitions by one; keep one.",
        )
    if partition is not None and partition.kind not in ("date", "timestamp", "datetime"):
        number = dataset.columns.index(partition)
        fix = "Partition by a date, timestamp or datetime column."
        yield (
            _CONTRACT,
            (*_PROPERTIES, number, "partitioned"),
            f"a {partition.kind} column makes no partitions",
            fix,
        )
    for number, column in enumerate(dataset.columns):
        if (column.key_position or column.unique) and column.kind in ("object", "array", "float"):
            fix = "Use a string, integer, decimal, date or timestamp column."
            yield _CONTRACT, (*_PROPERTIES, number), f"a {column.kind} column cannot be a key", fix


def _check_sets(dataset: Dataset) -> Iterator[Finding]:
    load, complete = dataset.pipeline.load, dataset.pipeline.source.completeness
    if load.mode == "replace_partition" and not complete.by_set:
        message = (
            "does not say when a set is complete, and `load.mode: replace_partition` puts a set in place of its days"
        )
        fix = "Use `complete: marker` or `complete: manifest`, or load with `merge` or `append`."
        yield _PIPELINE, ("source", "complete"), message, fix
    for key in ("late", "late_after"):
        if key in load.model_fields_set and load.mode != "replace_partition":
            fix = "Remove it: where files are added or merged, none comes too late."
            yield _PIPELINE, ("load", key), f"says nothing to `mode: {load.mode}`", fix


def _check_latency(dataset: Dataset) -> Iterator[Finding]:
    for number, promise in enumerate(dataset.contract.slaProperties):
        value = promise.value
        if promise.property != "latency":
            continue
        if isinstance(value, bool | str | None) or parse_sla(value, promise.unit) is None:
            fix = "Write a number above zero as `value`, and s, m, h, d or w as `unit`."
            yield _CONTRACT, ("slaProperties", number, "value"), "makes no deadline", fix


def _check_references(dataset: Dataset) -> Iterator[Finding]:
    pipeline = dataset.pipeline
    known = {column.name for column in dataset.columns}
    source = {column.name for column in dataset.source_columns}
    for key, names, allowed in (
        ("clean", pipeline.clean, source),
        ("derive", pipeline.derive, known),
        ("mask", pipeline.mask, known),
    ):
        for name in names:
            if name not in allowed:
                yield (
                    _PIPELINE,
                    (key, name),
                    f"is no {'source ' if key == 'clean' else ''}column",
                    _listing(allowed),
                )
    for name in pipeline.mask:
        if name in known and dataset.column(name).kind != "string":
            yield (
                _PIPELINE,
                ("mask", name),
                "masks a column that is no string",
                "A mask is text; declare the column so.",
            )
    renamed = Counter(pipeline.format.rename.values())
    for theirs, ours in pipeline.format.rename.items():
        if ours not in source:
            yield _PIPELINE, ("format", "rename", theirs), "names no source column", _listing(source)
        elif renamed[ours] > 1:
            fix = "A column comes from one field; remove the others."
            yield _PIPELINE, ("format", "rename", theirs), "is not the only field renamed to this column", fix
    yield from _check_enrich(dataset, known, source)
    yield from check_evolve(dataset)


def _check_enrich(dataset: Dataset, known: set[str], source: set[str]) -> Iterator[Finding]:
    enrich = dataset.pipeline.enrich
    if enrich is None:
        return
    if enrich.on not in source:
        yield _PIPELINE, ("enrich", "on"), "is no source column", _listing(source)
    for number, name in enumerate(enrich.take):
        if name not in known:
            yield _PIPELINE, ("enrich", "take", number), "is no column of the contract", _listing(known)
        elif name in dataset.pipeline.derive:
            yield (
                _PIPELINE,
                ("enrich", "take", number),
                "is derived as well",
                "Take it or derive it, not both.",
            )
    yield from check_default(dataset, enrich)


def _listing(names: set[str]) -> str:
    return f"Known are: {', '.join(sorted(names))}."


def _check_rules(dataset: Dataset) -> Iterator[Finding]:
    pipeline = dataset.pipeline
    if not (pipeline.clean or pipeline.filter or pipeline.derive):
        return
    from include.spec.rules import check_rule

    typed = {column.name: column for column in dataset.source_columns}
    raw = dict.fromkeys(typed)
    rules: list[tuple[Path_, str, Mapping[str, Column | None], str | None]] = [
        (("clean", name), rule, raw, None) for name, rule in pipeline.clean.items()
    ]
    if pipeline.filter:
        rules.append((("filter",), pipeline.filter, typed, "BOOL"))
    for name, rule in pipeline.derive.items():
        rules.append((("derive", name), rule, typed, None))
        typed = {**typed, **{column.name: column for column in dataset.columns if column.name == name}}
    for path, rule, columns, result in rules:
        found = check_rule(rule, columns, result=result)
        if found:
            yield _PIPELINE, path, found.message, found.fix

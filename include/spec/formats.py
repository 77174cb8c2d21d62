"""Which options of `format` belong to which type, and what a type cannot do without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from include.spec.explain import Path_
from include.spec.places import parse_path, parse_positions

if TYPE_CHECKING:
    from include.spec.dataset import Dataset
    from include.spec.pipeline import Format

Finding = tuple[str, Path_, str, str]

_PIPELINE = "pipeline.yaml"
_NESTED: Final = ("json", "ndjson", "xml", "parquet", "avro")
# Options that are not here belong to every type.
_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "delimiter": ("csv",),
    "quote": ("csv",),
    "escape": ("csv",),
    "comment": ("csv",),
    "header": ("csv",),
    "skip_lines": ("csv",),
    "footer_lines": ("csv",),
    # The others say of themselves how they are encoded.
    "encoding": ("csv", "fixed", "json", "ndjson"),
    "null_values": ("csv", "fixed", "xml"),
    "positions": ("fixed",),
    "width": ("fixed",),
    "records": ("json", "xml"),
    "paths": _NESTED,
    "rename": ("csv", *_NESTED),
    "unexpected_columns": ("csv", *_NESTED),
    "max_record": ("csv", "fixed", "json", "ndjson", "xml"),
}
_WHY: Final = {
    ("unexpected_columns", "fixed"): "a fixed-width line has no unknown columns",
    ("encoding", "xml"): "the document's byte order mark or XML declaration says how it is encoded",
    ("encoding", "parquet"): "the format's texts are UTF-8 by definition",
    ("encoding", "avro"): "the format's texts are UTF-8 by definition",
}


def check_format(dataset: Dataset) -> Iterator[Finding]:
    """Yield what is wrong with a pipeline's `format`: options of other types, missing ones, unknown columns."""
    form = dataset.pipeline.format
    for key in sorted(form.model_fields_set & set(_TYPES)):
        if form.type not in _TYPES[key]:
            why = _WHY.get((key, form.type))
            fix = f"Leave it out; it belongs to {', '.join(_TYPES[key])}."
            yield _PIPELINE, ("format", key), f"does not apply to type {form.type}{f': {why}' if why else ''}", fix
    if form.type == "xml" and form.records is None:
        fix = "Add `records:` with the name of the element that is one record, for example `records: order`."
        yield _PIPELINE, ("format",), "does not say which XML element is a record", fix
    if form.type == "fixed":
        yield from _check_positions(dataset)
    if form.type == "csv":
        yield from _check_dialect(form)
    yield from _check_paths(dataset)


def _check_dialect(form: Format) -> Iterator[Finding]:
    try:
        form.delimiter.encode(form.encoding)
    except UnicodeEncodeError:
        fix = "Write another delimiter, or set `format.encoding`."
        yield _PIPELINE, ("format", "delimiter"), f"is no character of {form.encoding}", fix
    if form.escape is not None and any(form.escape in value for value in form.null_values):
        fix = f"An escaped character is read without its {form.escape}: write the null values so, or drop `escape`."
        yield _PIPELINE, ("format", "null_values"), "holds the escape character, so no cell can equal it", fix
    if not form.header and form.rename:
        fix = "Without a header the columns stand in the contract's order; remove `rename`."
        yield _PIPELINE, ("format", "rename"), "renames the columns of a header that is not there", fix


def _check_positions(dataset: Dataset) -> Iterator[Finding]:
    form = dataset.pipeline.format
    source = {column.name for column in dataset.source_columns}
    for name in sorted(source - form.positions.keys()):
        fix = f"Add `{name}: first-last` under `format.positions`."
        yield _PIPELINE, ("format", "positions"), f"lacks the source column {name}", fix
    end, before = 0, ""
    for name, text in sorted(form.positions.items(), key=lambda item: parse_positions(item[1])):
        path: Path_ = ("format", "positions", name)
        start, stop = parse_positions(text)
        if name not in source:
            yield _PIPELINE, path, "names no source column", f"Known are: {', '.join(sorted(source))}."
        if start < end:
            yield _PIPELINE, path, f"overlaps the positions of {before}", "A character belongs to one field."
        if form.width is not None and stop > form.width:
            yield _PIPELINE, path, f"ends after the line's width, {form.width}", "Mend the position or the width."
        end, before = max(end, stop), name


def _check_paths(dataset: Dataset) -> Iterator[Finding]:
    form = dataset.pipeline.format
    source = {column.name for column in dataset.source_columns}
    renamed = set(form.rename.values())
    counts = Counter(map(parse_path, form.paths.values()))
    for name, text in form.paths.items():
        path: Path_ = ("format", "paths", name)
        if name not in source:
            yield _PIPELINE, path, "names no source column", f"Known are: {', '.join(sorted(source))}."
        elif name in renamed:
            yield _PIPELINE, path, "is the target of `format.rename` as well", "A column comes from one field."
        elif counts[parse_path(text)] > 1:
            yield _PIPELINE, path, "stands for more than one column", "Derive the second column from the first."

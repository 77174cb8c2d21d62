"""What `unexpected_columns: evolve` and `enrich.missing.default` must satisfy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from include.spec.explain import Path_

if TYPE_CHECKING:
    from include.spec.columns import Column
    from include.spec.dataset import Dataset
    from include.spec.pipeline import Enrich

Finding = tuple[str, Path_, str, str]

_PIPELINE = "pipeline.yaml"
_MODE: Path_ = ("format", "unexpected_columns")
_ISO: Final[dict[str, type[date] | type[time]]] = {
    "date": date,
    "timestamp": datetime,
    "datetime": datetime,
    "time": time,
}


def check_evolve(dataset: Dataset) -> Iterator[Finding]:
    """Yield why unknown fields cannot become columns, where they are to."""
    form = dataset.pipeline.format
    if form.unexpected_columns != "evolve":
        return
    if dataset.pipeline.mask:
        # A renamed field would take what is to be masked to the warehouse in clear.
        fix = "Use `quarantine`, `ignore` or `fail`, and add new columns to the contract."
        yield _PIPELINE, _MODE, "is not possible where columns are masked: an unknown field may hold the same", fix
    if form.type == "csv" and not form.header:
        yield _PIPELINE, _MODE, "has nothing to name a column by, without a header", "Use `quarantine` or `fail`."


def check_default(dataset: Dataset, enrich: Enrich) -> Iterator[Finding]:
    """Yield what is wrong with the values that records without a match are given."""
    if isinstance(enrich.missing, str):
        return
    columns = {column.name: column for column in dataset.columns}
    for name, value in enrich.missing.default.items():
        path: Path_ = ("enrich", "missing", "default", name)
        if name not in enrich.take:
            yield _PIPELINE, path, "is no column that is taken", f"Taken are: {', '.join(enrich.take)}."
        elif name in columns and not _fits(columns[name], default_text(value)):
            column = columns[name]
            yield _PIPELINE, path, f"is no {column.kind}, which the contract says it is", "Give a value of that type."


def default_text(value: str | float | bool) -> str:
    """Return a default as the text that a reference file's cell would hold."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fits(column: Column, text: str) -> bool:
    """Whether a text can be a column's value at all; the engine casts it as strictly as a reference file's cell."""
    if column.kind == "boolean":
        return text.lower() in ("true", "false")
    if column.kind in ("integer", "float", "decimal"):
        try:
            number = Decimal(text)
        except InvalidOperation:
            return False
        return number.is_finite() and (column.kind != "integer" or text.lstrip("-").isdigit())
    if column.kind in _ISO and not column.formats:
        try:
            _ISO[column.kind].fromisoformat(text)
        except ValueError:
            return False
    return True

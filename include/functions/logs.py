"""Log lines as JSON, one event a line, as Cloud Logging and CloudWatch read them."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Mapping
from typing import Literal, TextIO

Severity = Literal["INFO", "WARNING", "ERROR"]
Field = str | int | float | bool | None


class Log:
    """Writes events of one request.

    Args:
        fields: what every line of the request carries, such as its trace.
        stream: where to; standard output unless said otherwise.
    """

    def __init__(self, fields: Mapping[str, Field], stream: TextIO | None = None) -> None:
        self._fields = dict(fields)
        self._stream = stream

    def bind(self, **fields: Field) -> None:
        """Add fields to all later lines."""
        self._fields.update(fields)

    def write(self, severity: Severity, message: str, **fields: Field) -> None:
        """Write one event; neither message nor fields may hold data of records."""
        line = {"severity": severity, "message": message, **self._fields, **fields}
        print(json.dumps(line, ensure_ascii=False, default=str), file=self._stream or sys.stdout, flush=True)

    def write_defect(self, error: BaseException) -> None:
        """Write where an unforeseen exception came from: kinds and places, for its message may quote a record."""
        places: list[str] = []
        kinds: list[str] = []
        cause: BaseException | None = error
        while cause is not None and len(kinds) < 10:
            kinds.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
            places += [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(cause.__traceback__)]
            cause = cause.__cause__ or cause.__context__
        self.write("ERROR", "unforeseen exception", kinds=" <- ".join(kinds), places="\n".join(places))

"""Files made to hurt, streamed as they are read: `python -m tests.engine.hostile <case> <folder>` runs one of them."""

from __future__ import annotations

import gzip
import json
import resource
import sys
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any, BinaryIO, cast

from include.engine.run import Input, Limits, transform
from tests.engine.builder import column, dataset, read_parts

MB = 1_000_000
GB = 1_000 * MB
Row = dict[str, Any]
_ROWS = b"x,1\n" * (MB // 4)


class Stream:
    """A file made while it is read, of pieces that nobody holds all at once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, _: int) -> bytes:
        return next(self._pieces, b"")


def gzip_bomb() -> Iterator[bytes]:
    """Ten gigabytes of rows, of which a thousandth arrives."""
    yield gzip.compress(b"a,b\n")
    yield from repeat(gzip.compress(_ROWS), 10 * GB // MB)


def around(first: bytes, fill: bytes, last: bytes, size: int = GB) -> Iterator[bytes]:
    """A record of that many bytes between two others."""
    return chain([first], repeat(fill * (MB // len(fill)), size // MB), [last])


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def cases() -> dict[str, tuple[Row, Iterator[bytes]]]:
    """Name every case: the pipeline's format, and the file."""
    csv = {"type": "csv"}
    return {
        "ordinary": (csv, chain([b"a,b\n"], repeat(_ROWS, 8))),
        "gzip bomb": ({**csv, "max_size": "64MB"}, gzip_bomb()),
        "csv record": (csv, around(b"a,b\nx,1\n", b"y", b"\nz,2\n")),
        "csv quoted record": (csv, around(b'a,b\nx,1\n"', b"y", b'"\nz,2\n')),
        "csv comment": ({**csv, "comment": "#"}, around(b"a,b\nx,1\n#", b"y", b"\nz,2\n")),
        "csv preamble": ({**csv, "skip_lines": 1}, around(b"y", b"y", b"\na,b\nx,1\nz,2\n")),
        "csv before a footer": ({**csv, "footer_lines": 1}, around(b"a,b\nx,1\n", b"y", b"\nz,2\nend\n")),
        "csv in utf-16": (
            {**csv, "encoding": "utf-16-le"},
            around(wide("a,b\nx,1\n"), b"y\0", wide("\nz,2\n")),
        ),
        "ndjson record": (
            {"type": "ndjson"},
            around(b'{"a": "x", "b": 1}\n{"a": "', b"y", b'"}\n{"a": "z", "b": 2}\n'),
        ),
        "json element": (
            {"type": "json"},
            around(b'[{"a": "x", "b": 1}, {"a": "', b"y", b'"}, {"a": "z", "b": 2}]'),
        ),
        "blank lines": ({**csv, "footer_lines": 2}, around(b"a,b\nx,1\nz,2\n", b"\n", b"end\nend\n", GB // 10)),
    }


def main(case: str, out: Path) -> None:
    """Run a case, and print what became of it and what it took."""
    form, pieces = cases()[case]
    spec = dataset(column("a"), column("b", "integer"), format=form)
    file = Input("f", "gs://a/b", lambda: cast(BinaryIO, Stream(pieces)))
    made = transform(spec, [file], out, limits=Limits(threads=1))
    used = resource.getrusage(resource.RUSAGE_SELF)
    account = made.files[0]
    rules = [json.loads(row["reasons"])[0]["rule"] for row in read_parts(out, made.quarantine)[:3]]
    found = {
        "records": made.records,
        "loaded": made.loaded,
        "code": account.reason.code if account.reason else "",
        "bytes": account.bytes,
        "rules": rules,
        "megabytes": used.ru_maxrss / 1024,
        "seconds": used.ru_utime + used.ru_stime,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

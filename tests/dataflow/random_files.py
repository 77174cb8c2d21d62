"""Files drawn by number: of all dialects, with bad records of all kinds and duplicates near and far; their datasets."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from include.spec.dataset import Dataset
from tests.engine.builder import column, dataset

_TEXTS = ["ant", "bee", "", "é中😀", "a b", "0", "null", "x" * 40, "#1", "-"]
_DAYS = ["2026-01-31", "2024-02-29", "1999-12-31"]
_AMOUNTS = ["1.50", "0", "-3.25", "10", "99999.99"]
_SHARDS = 8


@dataclass(frozen=True)
class RandomFile:
    """A file, what it is to be read as, and how it is cut.

    Args:
        pinned: more of the pinned input.
    """

    spec: Dataset
    content: bytes
    shard_bytes: int
    pinned: dict[str, Any]


def random_file(number: int) -> RandomFile:
    """Return the file of a number, always the same."""
    draw = random.Random(number)
    form: dict[str, Any] = _dialect(draw) if draw.random() < 0.7 else _ndjson(draw)
    form["max_record"] = draw.choice(["16MB", "16MB", "120B"])
    pipeline = _pipeline(draw)
    derived = [column(name, "number") for name in pipeline.get("derive", ())]
    spec = dataset(*_columns(draw), *derived, format=form, **pipeline)
    write = _csv if form["type"] == "csv" else _json
    rows = _rows(draw, draw.choice([0, 1, 7, 60, 60, 250, 250, 250]))
    content = write(draw, form, rows)
    pinned: dict[str, Any] = {"released": draw.random() < 0.1}
    if draw.random() < 0.1:
        pinned["promised"] = {"by": "_MANIFEST.json", "records": len(rows) + draw.choice([0, 1])}
    size = max(1, len(content))
    return RandomFile(spec, content, draw.randint(max(1, size // _SHARDS), size), pinned)


def _columns(draw: random.Random) -> list[dict[str, Any]]:
    """No key, one, one of two columns, or two."""
    keys: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
        ({}, {}, {}),
        ({"primaryKey": True}, {}, {}),
        ({}, {"primaryKey": True}, {}),
        ({}, {}, {"primaryKey": True}),
        ({"primaryKey": True, "primaryKeyPosition": 1}, {"primaryKey": True, "primaryKeyPosition": 2}, {}),
        ({"primaryKey": True}, {"unique": True}, {}),
        ({"unique": True}, {"unique": True}, {"unique": True}),
    ]
    of_id, of_name, of_email = draw.choice(keys)
    return [
        column("id", "integer", **of_id),
        column("name", required=draw.random() < 0.2, **of_name),
        column("amount", "number", physicalType="NUMERIC(10, 2)"),
        column("day", "date"),
        column("email", options={"pattern": "^[^@]*@[^@]*$"}, **of_email),
    ]


def _pipeline(draw: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {
        "load": {"table": "a.things", "mode": "append", "keep": draw.choice(["first", "last"])},
        "tolerate": {"quarantined": draw.choice(["100%", "100%", "100%", "20%", "1%"])},
    }
    if draw.random() < 0.4:
        found["mask"] = {"email": draw.choice(["sha256", "redact"])}
    if draw.random() < 0.3:
        found["filter"] = draw.choice(["amount > 0", "id IS NOT NULL", "MOD(id, 9) > 1"])
    if draw.random() < 0.3:
        found["clean"] = {"name": "UPPER(TRIM(name))"}
    if draw.random() < 0.2:
        found["derive"] = {"share": "amount / id"}
    return found


def _dialect(draw: random.Random) -> dict[str, Any]:
    form: dict[str, Any] = {
        "type": "csv",
        "delimiter": draw.choice([",", ";", "\t", "|"]),
        "quote": draw.choice(['"', '"', "'", "none"]),
        "header": draw.random() < 0.8,
        "skip_lines": draw.choice([0, 0, 0, 2]),
        "unexpected_columns": draw.choice(["fail", "ignore", "quarantine"]),
    }
    if draw.random() < 0.3:
        form["escape"] = "\\"
    if draw.random() < 0.3:
        form["comment"] = "#"
    return form


def _ndjson(draw: random.Random) -> dict[str, Any]:
    return {"type": "ndjson", "unexpected_columns": draw.choice(["fail", "ignore", "ignore", "quarantine"])}


def _rows(draw: random.Random, count: int) -> list[list[str]]:
    """Good rows, among them some that others repeat, from nearby or from far away, whole or in one column."""
    rows: list[list[str]] = []
    many = draw.choice([1.0, 0.05])
    for number in range(count):
        row = [
            str(number), f"{draw.choice(_TEXTS)}{number}", draw.choice(_AMOUNTS), draw.choice(_DAYS), f"m{number}@b.c",
        ]  # fmt: skip
        if rows and draw.random() < 0.15:
            twin = draw.choice(rows[-3:] if draw.random() < 0.5 else rows)
            at = draw.randrange(5)
            row = list(twin) if draw.random() < 0.5 else [*row[:at], twin[at], *row[at + 1 :]]
        elif draw.random() < 0.1 * many:
            row[draw.randrange(5)] = draw.choice(["", "x", "2026-02-30", "1e999", "0", "no mail"])
        rows.append(row)
    return rows


def _csv(draw: random.Random, form: dict[str, Any], rows: list[list[str]]) -> bytes:
    delimiter, ending = form["delimiter"], draw.choice(["\n", "\n", "\r\n", "\r"])
    quote = "" if form["quote"] == "none" else form["quote"]
    names = ["id", "name", "amount", "day", "email"]
    order = draw.sample(range(5), 5) if form["header"] else list(range(5))
    bad = draw.choice([0.0, 0.02, 0.2])
    written = [b"written by a machine", b'with a "quote'][: form["skip_lines"]]
    more = draw.choice([[], [], [], [], [], [], ["more"], ["more"], ["id"]]) if form["header"] else []
    if form["header"]:
        written.append(delimiter.join([*(names[n] for n in order), *more]).encode())
    for row in rows:
        cells = [row[n] for n in order] + more
        if quote and draw.random() < 0.3:
            cells = [f"{quote}{cell.replace(quote, quote * 2)}{quote}" for cell in cells]
        if quote and draw.random() < 0.2:
            doubled = quote * 2
            broken = draw.choice(
                ["\n", "\r\n", f"\n1{delimiter}2", f"{doubled}\n{doubled}", delimiter, "\n" + "y" * 90]
            )
            at = order.index(1) if draw.random() < 0.9 else draw.randrange(5)
            cells[at] = f"{quote}{draw.choice(_TEXTS)}{broken}z{quote}"
        if "escape" in form and draw.random() < 0.1:
            cells[draw.randrange(5)] = f"a\\{delimiter}b"
        line = delimiter.join(cells).encode()
        written.append(_broken_csv(draw, line, delimiter, quote or '"') if draw.random() < bad else line)
    return _joined(draw, written, ending)


def _broken_csv(draw: random.Random, line: bytes, delimiter: str, quote: str) -> bytes:
    mark = delimiter.encode()
    return draw.choice([
        line.partition(mark)[0],  # too short
        line + mark + b"more",
        quote.encode() + line,  # opens and may never close
        line.replace(mark, mark + quote.encode() + b"a" + quote.encode() + b"b", 1),
        line + b"\xff\xfe",
        line + b"\0",
        line + b"w" * 150,
        b"",
        b"# " + line,
        b"   ",
        line + b"\\",
    ])  # fmt: skip


def _json(draw: random.Random, form: dict[str, Any], rows: list[list[str]]) -> bytes:
    bad = draw.choice([0.0, 0.02, 0.2])
    is_strange = draw.random() < 0.3
    written = []
    for id_, name, amount, day, email in rows:
        record: dict[str, Any] = {"id": id_, "name": name, "amount": amount, "day": day, "email": email}
        if id_.isdigit() and draw.random() < 0.5:
            record["id"] = int(id_)
        if draw.random() < 0.2:
            record = dict(draw.sample(sorted(record.items()), draw.randint(1, 5)))
        if is_strange and draw.random() < 0.1:
            record[f"more{draw.randrange(3)}"] = draw.choice([1, None, {"a": []}])
        line = json.dumps(record, ensure_ascii=draw.random() < 0.5).encode()
        written.append(_broken_json(draw, line) if draw.random() < bad else line)
    return _joined(draw, written, draw.choice(["\n", "\r\n"]))


def _broken_json(draw: random.Random, line: bytes) -> bytes:
    return draw.choice([
        line[:-1], line + b"}", b"[" + line + b"]", b"null", b"", b"  ", b"\0", line[:-1] + b"\xff}",
        line[:-1] + b', "id": 7}', line + line, b"{}", line.replace(b'"name"', b'"n\\ud800"'), b'{"id": {"a": 1}}',
        line[:-1] + b', "name": "' + b"w" * 150 + b'"}', line.replace(b": ", b":\n ", 1),
    ])  # fmt: skip


def _joined(draw: random.Random, written: list[bytes], ending: str) -> bytes:
    last = ending if draw.random() < 0.8 else ""
    mark = b"\xef\xbb\xbf" if draw.random() < 0.1 else b""
    return mark + ending.encode().join(written) + last.encode()

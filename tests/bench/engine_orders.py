"""The orders that the engine is measured on: one contract, one seeded stream of good and bad records, and its truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Shape = Literal["csv", "ndjson"]

FIRST_ID = 10_000_000
STATUSES = ("new", "paid", "shipped", "returned", "cancelled")
CHUNK = 50_000
# Of a million records; the rest of the bad ones, 1 % in all, are values that break the contract.
STRUCTURAL = {"too_few": 30, "too_many": 30, "unclosed": 10, "text_after": 10, "not_utf8": 30}
BAD_SHARE = 0.01
VALUES = ("integer", "decimal", "timestamp", "date", "boolean", "missing", "pattern", "range", "enum", "duplicate")
NAMES = ("order_id", "ordered_at", "customer_id", "email", "sku", "quantity", "price", "weight", "status", "gift",
         "deliver_on", "note")  # fmt: skip
_WORDS = ("leave at the door", "gift wrap please", "Größe prüfen", "call before delivery", "second floor", "no rush")


def contract() -> dict[str, Any]:
    """Return the orders' ODCS contract."""

    def column(name: str, kind: str, required: bool = True, **rest: Any) -> dict[str, Any]:
        return {"name": name, "logicalType": kind, "required": required, **rest}

    valid = {"metric": "invalidValues", "arguments": {"validValues": list(STATUSES)}, "mustBe": 0}
    columns = [
        column("order_id", "integer", primaryKey=True, primaryKeyPosition=1, logicalTypeOptions={"minimum": 1}),
        column("ordered_at", "timestamp"),
        column("customer_id", "string", logicalTypeOptions={"pattern": "^C[0-9]{6}$"}),
        column("email", "string", False, logicalTypeOptions={"pattern": "^[^@ ]+@[^@ ]+[.][a-z]+$", "maxLength": 254}),
        column("sku", "string", logicalTypeOptions={"pattern": "^[A-Z]{3}-[0-9]{4}$"}),
        column("quantity", "integer", logicalTypeOptions={"minimum": 0, "maximum": 10_000}),
        column("price", "number", physicalType="NUMERIC(18, 2)", logicalTypeOptions={"minimum": 0}),
        column("weight", "number", False, physicalType="FLOAT64"),
        column("status", "string", quality=[valid]),
        column("gift", "boolean"),
        column("deliver_on", "date", False),
        column("note", "string", False, logicalTypeOptions={"maxLength": 2000}),
    ]
    return {
        "kind": "DataContract",
        "apiVersion": "v3.1.0",
        "id": "bench",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "orders", "properties": columns}],
    }


def wire(shape: Shape) -> dict[str, Any]:
    """Return the dataset as requests carry it."""
    pipeline = {
        "source": {"uri": "gs://{landing}/orders/*"},
        "format": {"type": shape},
        "load": {"table": "bench.orders", "mode": "merge", "keep": "first"},
        "tolerate": {"quarantined": "5%"},
    }
    return {"name": "orders", "contract": contract(), "pipeline": pipeline}


@dataclass(frozen=True)
class Chunk:
    """Some records, in order.

    Args:
        records: their bytes, without line endings.
        kinds: what is wrong with each; empty: nothing.
        columns: the values that each column has in the good records; texts of decimals, microseconds, days.
    """

    records: list[bytes]
    kinds: list[str]
    columns: dict[str, list[Any]]


def chunks(rows: int, shape: Shape, seed: int) -> Iterator[Chunk]:
    """Yield the same records for the same arguments."""
    bad = _bad_records(rows, seed)
    for first in range(0, rows, CHUNK):
        yield _chunk(first, min(first + CHUNK, rows), bad, shape, seed)


def _bad_records(rows: int, seed: int) -> dict[int, str]:
    rng = np.random.default_rng(seed)
    total = max(round(rows * BAD_SHARE), len(STRUCTURAL) + len(VALUES))
    kinds = [kind for kind, share in STRUCTURAL.items() for _ in range(max(round(rows * share / 1e6), 1))]
    kinds += [VALUES[number % len(VALUES)] for number in range(total - len(kinds))]
    rng.shuffle(kinds)
    # The first record is good, so that a duplicate always has one before it.
    places = rng.choice(rows - 1, total, replace=False) + 1
    return dict(zip(places.tolist(), kinds, strict=True))


def _chunk(first: int, last: int, bad: dict[int, str], shape: Shape, seed: int) -> Chunk:
    rng = np.random.default_rng((seed, first))
    columns = _columns(rng, first, last)
    quote = _csv_text if shape == "csv" else json.dumps
    notes = [None if note is None else quote(note) for note in columns["note"]]
    rows = list(zip(*(columns[name] for name in NAMES[:-1]), notes, strict=True))
    records, kinds = [], []
    for number, row in enumerate(rows, first):
        kind = bad.get(number, "")
        if kind == "duplicate":
            twin = number - 1
            while twin in bad:
                twin -= 1
            row = (FIRST_ID + twin, *row[1:])
        records.append(_spoilt(row, kind, shape) if kind else _RENDER[shape](row))
        kinds.append(kind)
    return Chunk(records, kinds, columns)


def _columns(rng: np.random.Generator, first: int, last: int) -> dict[str, list[Any]]:
    count = last - first
    seconds = rng.integers(1_700_000_000, 1_790_000_000, count).astype("datetime64[s]")
    days = rng.integers(19_700, 20_700, count).astype("datetime64[D]")
    digits = rng.integers(3, 19, count)
    cents = (rng.random(count) * 10.0**digits).astype(np.int64)
    customers, letters = rng.integers(0, 1_000_000, count).tolist(), rng.integers(65, 91, (count, 3), np.uint8)
    skus, numbers = letters.tobytes().decode(), rng.integers(0, 10_000, count).tolist()
    return {
        "order_id": list(range(FIRST_ID + first, FIRST_ID + last)),
        "ordered_at": [f"{text}Z" for text in np.datetime_as_string(seconds).tolist()],
        "customer_id": [f"C{number:06}" for number in customers],
        "email": [f"user{number}@mail{number % 97}.example" for number in customers],
        "sku": [f"{skus[3 * at : 3 * at + 3]}-{number:04}" for at, number in enumerate(numbers)],
        "quantity": rng.integers(0, 10_001, count).tolist(),
        "price": [f"{cent // 100}.{cent % 100:02}" for cent in cents.tolist()],
        "weight": [f"{gram / 1000:.3f}" for gram in rng.integers(1, 90_000, count).tolist()],
        "status": [STATUSES[number] for number in rng.integers(0, len(STATUSES), count).tolist()],
        "gift": [("false", "true")[number] for number in rng.integers(0, 2, count).tolist()],
        "deliver_on": np.datetime_as_string(days).tolist(),
        "note": _notes(rng, count),
    }


def _notes(rng: np.random.Generator, count: int) -> list[str | None]:
    share, words = rng.random(count).tolist(), rng.integers(0, len(_WORDS), count).tolist()
    notes: list[str | None] = []
    for part, word in zip(share, words, strict=True):
        if part < 0.005:
            notes.append(f"{_WORDS[word]}\nand ring twice")
        elif part < 0.025:
            notes.append(f'{_WORDS[word]}, the "{word}th" box')
        else:
            notes.append(None if part < 0.3 else _WORDS[word])
    return notes


def _csv_text(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(char in text for char in ',"\n') else text


def _csv(row: tuple[Any, ...]) -> bytes:
    i, at, customer, mail, sku, count, price, weight, status, gift, day, note = row
    return f"{i},{at},{customer},{mail},{sku},{count},{price},{weight},{status},{gift},{day},{note or ''}".encode()


def _json(row: tuple[Any, ...]) -> bytes:
    i, at, customer, mail, sku, count, price, weight, status, gift, day, note = row
    return (
        f'{{"order_id": {i}, "ordered_at": "{at}", "customer_id": "{customer}", "email": "{mail}", "sku": "{sku}", '
        f'"quantity": {count}, "price": {price}, "weight": {weight}, "status": "{status}", "gift": {gift}, '
        f'"deliver_on": "{day}", "note": {note or "null"}}}'
    ).encode()


_RENDER = {"csv": _csv, "ndjson": _json}
_WRONG = {
    "integer": (5, "1.5"), "decimal": (6, "12.345"), "timestamp": (1, "2024-13-05T10:00:00Z"),
    "date": (10, "2024-1-5"), "boolean": (9, '"yes"'), "missing": (2, ""), "pattern": (4, "abc-12"),
    "range": (5, "20001"), "enum": (8, "unknown"),
}  # fmt: skip


def _spoilt(row: tuple[Any, ...], kind: str, shape: Shape) -> bytes:
    """Write a record that has one thing wrong."""
    if kind in _WRONG:
        place, text = _WRONG[kind]
        text = text.strip('"') if shape == "csv" else text
        record = _RENDER[shape]((*row[:place], text, *row[place + 1 :]))
        return record.replace(b'"customer_id": ""', b'"customer_id": null')
    plain = _RENDER[shape]((*row[:11], ("nothing" if shape == "csv" else '"nothing"')))
    if kind == "not_utf8":
        return plain.replace(b"nothing", b"Gr\xf6\xdfe")
    if shape == "csv":
        return {
            "duplicate": _csv(row),
            "too_few": plain.rsplit(b",", 2)[0],
            "too_many": plain + b",one,more",
            "unclosed": plain.replace(b"nothing", b'"nothing'),
            "text_after": plain.replace(b"nothing", b'"no"thing'),
        }[kind]
    return {
        "duplicate": _json(row),
        "too_few": plain[:-1],
        "too_many": plain + b' {"one": "more"}',
        "unclosed": plain.replace(b'"nothing"', b'"nothing'),
        "text_after": plain[:-1] + b', "note": "twice"}',
    }[kind]

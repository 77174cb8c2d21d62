"""What the peers share: the checks of the contract, row by row, and a list of the bad records they find."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from tests.bench.engine_orders import NAMES, STATUSES

_SKU, _CUSTOMER = re.compile("[A-Z]{3}-[0-9]{4}"), re.compile("C[0-9]{6}")
_EMAIL = re.compile("[^@ ]+@[^@ ]+[.][a-z]+")
_WHOLE, _PRICE, _DATE = re.compile("-?[0-9]+"), re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,2})?"), re.compile("[0-9-]{10}")


def typed(row: Mapping[str, str]) -> tuple[object, ...]:
    """Return a row's values.

    Raises:
        ValueError: a value breaks the contract.
    """
    for name, shape in (("order_id", _WHOLE), ("quantity", _WHOLE), ("price", _PRICE), ("sku", _SKU),
                        ("customer_id", _CUSTOMER), ("email", _EMAIL), ("deliver_on", _DATE)):  # fmt: skip
        if shape.fullmatch(row[name]) is None:
            raise ValueError(name)
    quantity = int(row["quantity"])
    if row["status"] not in STATUSES or row["gift"] not in ("true", "false") or not 0 <= quantity <= 10_000:
        raise ValueError("status, gift or quantity")
    return (
        int(row["order_id"]), datetime.datetime.fromisoformat(row["ordered_at"]), row["customer_id"], row["email"],
        row["sku"], quantity, Decimal(row["price"]), float(row["weight"]), row["status"], row["gift"] == "true",
        datetime.date.fromisoformat(row["deliver_on"]), row["note"] or None,
    )  # fmt: skip


class Found:
    """The bad records that a peer finds, each with its line and, where the peer has them, its bytes."""

    def __init__(self, out: str) -> None:
        self._file = (Path(out) / "found.jsonl").open("w")

    def add(self, line: int | None, raw: str | None = None) -> None:
        """Add a record; raw holds one character per byte."""
        self._file.write(json.dumps({"line": line, "raw": raw}) + "\n")

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


__all__ = ["NAMES", "STATUSES", "Found", "typed"]

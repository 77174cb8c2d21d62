"""Sample orders: CSV as three partners write it, with columns in another order and a column too many."""

from __future__ import annotations

from random import Random

from local.mess.base import NOT_UTF8, PHRASES, Layout, Record, cell, clock, day_of, number_below, pick

CUSTOMERS = 400
COUNTRIES = ("DE", "FR", "ES", "PL", "NL", "AT", "IT", "SE")
SEGMENTS = ("retail", "wholesale", "public sector", "résellers, EU")
# In seven of a hundred orders the customer is one that the reference file does not know.
_ORDERED_BY = 430
_COLUMNS = (
    "order_id", "ordered_at", "customer_id", "email", "sku", "quantity", "price", "status", "coupon", "notes",
)  # fmt: skip
_STATUSES = ("new", "paid", "shipped", "returned", "cancelled", "Paid", "SHIPPED", "New")
_COUPONS = ("", "", "", "WELCOME10", "  ", " SPRING ", "ÉTÉ-26")
_SKUS = ("ABC", "XYZ", "KLM", "QRS")
_GIVEN = ("ada", "björn", "chloé", "dmitri", "eva", "farid", "grace", "hélène")


def reference() -> str:
    """Return reference/customers.csv: the customers that orders are enriched with."""
    lines = ["customer_id,segment,country"]
    for number in range(1, CUSTOMERS + 1):
        segment = SEGMENTS[number * 7 % len(SEGMENTS)]
        shown = f'"{segment}"' if "," in segment else segment
        lines.append(f"C{number:05},{shown},{COUNTRIES[number * 5 % len(COUNTRIES)]}")
    return "\n".join(lines) + "\n"


class Orders:
    """Order lines, in their latest state; a partner may send one again with a later status.

    Args:
        before: number of the order before the first.
    """

    resends = True

    def __init__(self, before: int = 1_000_000) -> None:
        self._order = before
        self._day = day_of(0)
        self._columns: tuple[str, ...] = _COLUMNS
        self.defects = (*_SPOILED_CELLS, "too_few_fields", "too_many_fields")

    def layout(self, number: int) -> Layout:
        """Begin a file: plain, then with BOM and CRLF and its columns turned round, then gzipped."""
        self._day = day_of(number)
        style = number % 3
        turned, more = tuple(reversed(_COLUMNS)), (*_COLUMNS[:8], "channel", *_COLUMNS[8:])
        self._columns = (_COLUMNS, turned, more)[style]
        header = ",".join(self._columns)
        path = f"orders-{self._day}.csv"
        if style == 1:
            return Layout(path, newline="\r\n", bom=True, header=header)
        return Layout(path + ".gz", gzip=True, header=header) if style == 2 else Layout(path, header=header)

    def record(self, rng: Random) -> Record:
        """Make the next order."""
        self._order += 1
        customer = 1 + number_below(rng, _ORDERED_BY)
        sku = f"{pick(rng, _SKUS)}-{number_below(rng, 10_000):04}"
        chance = rng.random()
        return {
            "order_id": str(self._order),
            "ordered_at": self._moment(rng),
            "customer_id": f"C{customer:05}",
            "email": "" if chance < 0.05 else f"{pick(rng, _GIVEN)}.{customer}@example.org",
            "sku": f"  {sku.lower()} " if chance > 0.93 else sku,
            "quantity": "0" if 0.5 < chance < 0.52 else str(1 + number_below(rng, 12)),
            "price": self._price(rng),
            "status": pick(rng, _STATUSES),
            "coupon": pick(rng, _COUPONS),
            "notes": pick(rng, PHRASES) if rng.random() < 0.15 else "",
            "channel": pick(rng, ("web", "app", "phone")),
        }

    def _moment(self, rng: Random) -> str:
        form = pick(rng, ("{}T{}Z", "{}T{}Z", "{} {}", "{}T{}+01:00", "{}T{}.250-05:00"))
        return form.format(self._day, clock(rng))

    @staticmethod
    def _price(rng: Random) -> str:
        cents = int(10 ** (2 + 4 * rng.random()))
        usual = f"{cents / 100:.2f}"
        return pick(rng, (usual, usual, str(cents // 100), f"{cents // 10 / 10:.1f}"))

    def again(self, record: Record, /) -> Record:
        """Return the order with a later status."""
        return record | {"status": "returned"}

    def is_filtered(self, record: Record, /) -> bool:
        """Orders of nothing are left out."""
        return record["quantity"] == "0"

    def render(self, rng: Random, record: Record) -> str:
        """Return the CSV record; an absent coupon stands as a quoted empty string now and then."""
        cells = [cell(rng, record[name], ",") for name in self._columns]
        if not record["coupon"] and rng.random() < 0.2:
            cells[self._columns.index("coupon")] = '""'
        return ",".join(cells)

    def spoil(self, rng: Random, record: Record, defect: str) -> str:
        """Return the order's text with one defect in it; always on one physical line."""
        whole = record | {"notes": "", "coupon": "", "quantity": "1"}
        cells = [cell(rng, whole[name], ",") for name in self._columns]
        if defect == "too_few_fields":
            return ",".join(cells[:-3])
        if defect == "too_many_fields":
            return ",".join([*cells, "", "x"])
        column, spoiled = _SPOILED_CELLS[defect]
        cells[self._columns.index(column)] = spoiled
        return ",".join(cells)


# Defect: the column in which it stands, and the cell as it is written.
_SPOILED_CELLS: dict[str, tuple[str, str]] = {
    "unclosed_quote": ("notes", '"left at the door'),
    "text_after_quote": ("notes", '"fragile" handle with care'),
    "invalid_utf8": ("notes", NOT_UTF8),
    "key_missing": ("order_id", ""),
    "key_not_a_number": ("order_id", "A-17"),
    "key_below_minimum": ("order_id", "0"),
    "no_such_day": ("ordered_at", "2026-02-30T10:00:00Z"),
    "epoch_for_timestamp": ("ordered_at", "1763900000"),
    "customer_missing": ("customer_id", ""),
    "customer_pattern": ("customer_id", "X12"),
    "email_pattern": ("email", "ask at the desk"),
    "sku_pattern": ("sku", "AB-12"),
    "fraction_for_integer": ("quantity", "1.5"),
    "word_for_integer": ("quantity", "two"),
    "above_maximum": ("quantity", "99999"),
    "price_too_precise": ("price", "12.345"),
    "price_too_large": ("price", "123456789.00"),
    "price_with_thousands": ("price", '"1,234.50"'),
    "price_negative": ("price", "-3.00"),
    "status_unknown": ("status", "lost"),
    "status_missing": ("status", ""),
}

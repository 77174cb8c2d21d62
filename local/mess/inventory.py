"""Sample stock counts: a folder per day, semicolons, a spreadsheet's column names and dates."""

from __future__ import annotations

from random import Random

from local.mess.base import NOT_UTF8, Layout, Record, cell, clock, day_of, number_below, pick

_HEADER = ("Day", "Warehouse", "SKU", "On hand", "Counted at", "Unit cost")
_WAREHOUSES = ("DE01", "FR01")
_GOODS = ("Écrou M{}", "bolt M{};zinc", "Kabel {} m", 'screen {}"', "Tüte {}", "pipe {} mm")


class Inventory:
    """What lay in a warehouse at the end of a day."""

    resends = False

    def __init__(self) -> None:
        self._day = day_of(0)
        self._warehouse = _WAREHOUSES[0]
        self._item = 0
        self.defects = (*_SPOILED_CELLS, "too_few_fields", "too_many_fields")

    def layout(self, number: int) -> Layout:
        """Begin a file: two warehouses a day; plain, then with BOM and CRLF, then gzipped."""
        self._day = day_of(number // len(_WAREHOUSES))
        self._warehouse = _WAREHOUSES[number % len(_WAREHOUSES)]
        self._item = 0
        path, header = f"{self._day}/stock-{self._warehouse}.csv", ";".join(_HEADER)
        if number % 3 == 1:
            return Layout(path, newline="\r\n", bom=True, header=header)
        if number % 3 == 2:
            return Layout(path + ".gz", gzip=True, header=header)
        return Layout(path, header=header)

    def record(self, rng: Random) -> Record:
        """Make the count of the next item."""
        self._item += 1
        return {
            "Day": f"{self._day:%d.%m.%Y}",
            "Warehouse": self._warehouse,
            "SKU": pick(rng, _GOODS).format(self._item),
            "On hand": str(number_below(rng, 500)),
            "Counted at": "" if rng.random() < 0.1 else clock(rng),
            "Unit cost": "" if rng.random() < 0.05 else f"{number_below(rng, 900_000) / 10_000:.4f}",
        }

    def again(self, record: Record, /) -> Record:
        """Return the item as it was counted again."""
        return record | {"On hand": "7"}

    def is_filtered(self, _record: Record, /) -> bool:
        """No count is left out."""
        return False

    def render(self, rng: Random, record: Record) -> str:
        """Return the CSV record."""
        return ";".join(cell(rng, record[name], ";") for name in _HEADER)

    def spoil(self, rng: Random, record: Record, defect: str) -> str:
        """Return the count's text with one defect in it."""
        cells = [cell(rng, record[name], ";") for name in _HEADER]
        if defect == "too_few_fields":
            return ";".join(cells[:-2])
        if defect == "too_many_fields":
            return ";".join([*cells, "", ""])
        column, spoiled = _SPOILED_CELLS[defect]
        cells[_HEADER.index(column)] = spoiled
        return ";".join(cells)


# Defect: the column in which it stands, and the cell as it is written.
_SPOILED_CELLS: dict[str, tuple[str, str]] = {
    "no_such_day": ("Day", "30.02.2026"),
    "iso_day": ("Day", "2026-11-18"),
    "day_missing": ("Day", ""),
    "warehouse_pattern": ("Warehouse", "Berlin"),
    "sku_missing": ("SKU", ""),
    "text_after_quote": ("SKU", '"bolt" M8'),
    "unclosed_quote": ("SKU", '"cable 5 m'),
    "invalid_utf8": ("SKU", NOT_UTF8),
    "count_negative": ("On hand", "-4"),
    "fraction_for_integer": ("On hand", "1.5"),
    "count_missing": ("On hand", ""),
    "no_such_time": ("Counted at", "25:61:00"),
    "cost_with_comma": ("Unit cost", "12,50"),
    "cost_too_precise": ("Unit cost", "0.12345"),
}

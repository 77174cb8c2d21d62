"""Makes as many dataset folders as wanted out of the three that are shipped, no two of them alike."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

SHIPPED = Path(__file__).resolve().parent.parent.parent / "include" / "datasets"
KINDS = ("orders", "events", "inventory")
REGIONS = ("emea", "apac", "nordics", "iberia", "dach", "benelux", "latam", "uk")
TEAMS = ("sales", "logistics", "web", "finance", "returns")
# A column's name in the shipped contract, and what others call the same thing.
SYNONYMS = {
    "sku": ("sku", "article", "item_code", "product_id"),
    "quantity": ("quantity", "qty", "pieces", "units"),
    "price": ("price", "unit_price", "net_price"),
    "status": ("status", "state", "order_status"),
    "coupon": ("coupon", "voucher", "promo_code"),
    "discount": ("discount", "rebate"),
    "session": ("session", "session_id", "visit"),
    "on_hand": ("on_hand", "stock", "available"),
    "unit_cost": ("unit_cost", "cost", "purchase_price"),
    "stock_value": ("stock_value", "book_value"),
}


def make_folders(root: Path, count: int) -> None:
    """Make dataset folders that hold what a task's parse reads: contract, pipeline and reference.

    Args:
        root: folder for the dataset folders; made where it is missing.
        count: how many of them.
    """
    root.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        folder = root / f"{kind}_{REGIONS[number // 3 % len(REGIONS)]}_{number:04}"
        folder.mkdir()
        for name in ("contract.yaml", "pipeline.yaml"):
            text = (SHIPPED / kind / name).read_text(encoding="utf-8")
            (folder / name).write_text(_varied(text, kind, folder.name, number), encoding="utf-8")
        if (SHIPPED / kind / "reference").is_dir():
            shutil.copytree(SHIPPED / kind / "reference", folder / "reference")


def _varied(text: str, kind: str, name: str, number: int) -> str:
    for column, others in SYNONYMS.items():
        # A word at the start of a line is a key of the contract itself.
        text = re.sub(rf"(?<!^)\b{column}\b", others[number % len(others)], text, flags=re.MULTILINE)
    text = re.sub(rf"^( *(?:- )?name: ){kind}$", rf"\g<1>{name}", text, flags=re.MULTILINE)
    text = re.sub(rf"(table: \w+\.){kind}\b", rf"\g<1>{name}", text)
    text = text.replace(f"}}/{kind}/", f"}}/{name}/")
    text = re.sub(r"(name: )[\w-]+-data$", rf"\g<1>{TEAMS[number % len(TEAMS)]}-data", text, flags=re.MULTILINE)
    text = re.sub(r"^(id: .*)....$", rf"\g<1>{number:04x}", text, flags=re.MULTILINE)
    # Bounds, thresholds and rates differ from one dataset to the next.
    text = text.replace("> 50", f"> {10 + number}").replace("'0.1'", f"'0.{1 + number % 97:02}'")
    text = text.replace("maximum: 10000", f"maximum: {1000 + number}")
    return text.replace("every: 1m", f"every: {1 + number % 59}m")

"""What `enrich.with` names: a CSV file in the dataset's folder, or a table of the warehouse."""

from __future__ import annotations

import re
from typing import Final

TABLE: Final = "[A-Za-z0-9_]{1,100}[.][A-Za-z0-9_]{1,200}"
REFERENCE: Final = f"reference/[A-Za-z0-9_.-]+[.]csv|table:{TABLE}"
_PREFIX: Final = "table:"
_KINDS: Final = "a CSV file of the folder (reference/customers.csv) or a table of the warehouse (table:crm.customers)"


class ReferenceNameError(ValueError):
    """A name of no reference: what is wrong, and what to write."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def check_reference(value: object) -> object:
    """Return the name of a reference as it stands.

    Raises:
        ReferenceNameError: it names neither a file nor a table.
    """
    if isinstance(value, str) and re.fullmatch(REFERENCE, value):
        return value
    raise ReferenceNameError(f"must be {_KINDS}", fix=_fix(value))


def table_of(name: str) -> str | None:
    """Return the table that a reference's name means, as dataset.table; None where it means a file."""
    return name.removeprefix(_PREFIX) if name.startswith(_PREFIX) else None


def _fix(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("table")
    text = value.strip() if isinstance(value, str) else ""
    bare = text.removeprefix(_PREFIX).strip(" `")
    if re.fullmatch(r"[A-Za-z0-9_.-]+[.]csv", text):
        return f"Write reference/{text}, and put the file there."
    if re.fullmatch(TABLE, bare):
        return f"Write {_PREFIX}{bare}."
    if text.startswith(_PREFIX) and re.fullmatch(f"[A-Za-z0-9:-]+[.]{TABLE}", bare):
        fix = f"Write {_PREFIX}{bare.partition('.')[2]}: tables are looked for in the deployment's own project;"
        return f"{fix} for another project's, make a view."
    return "Write a path of letters, digits, `_`, `.` and `-` below reference/, or table:<dataset>.<table>."

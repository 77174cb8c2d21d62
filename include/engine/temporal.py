"""Dates, times and timestamps: the text forms a column takes, and SQL that reads them without ever guessing.

Without formats in the contract: ISO 8601 dates (`2024-01-05`), times (`10:00:00`, up to 6 decimals) and RFC 3339
timestamps, `T` or a blank between; `Z` or `±hh:mm`, or no zone: then the column's default zone holds. Digits beyond
the sixth decimal are taken only where they are zeros. The calendar is real, years run from 0001 to 9999, second 60
is refused, and so is a local time that the zone's clock skips. A local time that it shows twice is the later
(standard time).

With formats, only these: JDK DateTimeFormatter patterns of y u M d H h m s S a E X x Z and quoted or other text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from include.engine.database import literal
from include.engine.errors import TerminalRuleError
from include.spec.columns import Column

_YEAR = "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_DATE = f"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6}0*)?"
_OFFSET = "[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]"
_ZONE = f"(?:Z|{_OFFSET})"
_COMPACT = "[+-](?:[01][0-9]|2[0-3])[0-5][0-9]"
_ISO: Final = {
    "date": _DATE,
    "time": _TIME,
    "datetime": f"{_DATE}[T ]{_TIME}",
    "timestamp": f"{_DATE}[T ]{_TIME}{_ZONE}?",
}
_SQL_TYPE: Final = {"date": "DATE", "time": "TIME", "datetime": "TIMESTAMP"}
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_Field = Literal["year", "month", "day", "hour", "minute", "second", "fraction", "half", "zone", ""]


@dataclass(frozen=True, slots=True)
class _Part:
    """One letter run of a pattern: what it is, the shape of its text, and how its text reads in ISO."""

    field: _Field
    shape: str
    iso: str = "{g}"


_PARTS: Final[dict[str, _Part]] = {
    "yyyy": _Part("year", _YEAR), "uuuu": _Part("year", _YEAR), "y": _Part("year", _YEAR), "u": _Part("year", _YEAR),
    "yy": _Part("year", "[0-9]{2}", "'20' || {g}"), "uu": _Part("year", "[0-9]{2}", "'20' || {g}"),
    "MM": _Part("month", "[0-9]{2}"), "M": _Part("month", "[0-9]{1,2}"),
    "MMM": _Part("month", "|".join(name[:3] for name in _MONTHS), "{short}"),
    "MMMM": _Part("month", "|".join(_MONTHS), "{short}"),
    "dd": _Part("day", "[0-9]{2}"), "d": _Part("day", "[0-9]{1,2}"),
    "HH": _Part("hour", "[01][0-9]|2[0-3]"), "H": _Part("hour", "[01]?[0-9]|2[0-3]"),
    "hh": _Part("hour", "0[1-9]|1[0-2]", "{half}"), "h": _Part("hour", "0?[1-9]|1[0-2]", "{half}"),
    "mm": _Part("minute", "[0-5][0-9]"), "m": _Part("minute", "[0-5]?[0-9]"),
    "ss": _Part("second", "[0-5][0-9]"), "s": _Part("second", "[0-5]?[0-9]"),
    "a": _Part("half", "[AaPp][Mm]"),
    "E": _Part("", "|".join(name[:3] for name in _DAYS)), "EEE": _Part("", "|".join(name[:3] for name in _DAYS)),
    "EEEE": _Part("", "|".join(_DAYS)),
    "XXX": _Part("zone", _ZONE), "xxx": _Part("zone", _OFFSET), "ZZZZZ": _Part("zone", _ZONE),
    "XX": _Part("zone", f"Z|{_COMPACT}", "{compact}"),
    "xx": _Part("zone", _COMPACT, "{compact}"), "Z": _Part("zone", _COMPACT, "{compact}"),
    "X": _Part("zone", "Z|[+-](?:[01][0-9]|2[0-3])", "CASE {g} WHEN 'Z' THEN 'Z' ELSE {g} || ':00' END"),
    "x": _Part("zone", "[+-](?:[01][0-9]|2[0-3])", "{g} || ':00'"),
}  # fmt: skip
_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|.", re.DOTALL)


def temporal_sql(column: Column, text: str) -> str:
    """Return SQL for the typed value of a text; NULL where it is not of the column's form, or not in the calendar."""
    if not column.formats:
        return iso_sql(column, text)
    cases = [_Pattern(column, pattern).sql(text) for pattern in column.formats]
    return cases[0] if len(cases) == 1 else f"coalesce({', '.join(cases)})"


def iso_sql(column: Column, text: str) -> str:
    """Return SQL for the typed value of an ISO 8601 text."""
    shape = literal(_ISO[column.kind])
    return f"CASE WHEN regexp_full_match({text}, {shape}) THEN {_read(column, text, zone=None)} END"


def _read(column: Column, iso: str, *, zone: bool | None) -> str:
    """SQL that reads an ISO text; zone: whether it carries one, None: not known."""
    if column.kind != "timestamp":
        return f"TRY_CAST({iso} AS {_SQL_TYPE[column.kind]})"
    zoned = _within_years(f"TRY_CAST({iso} AS TIMESTAMPTZ)", iso)
    if zone or column.default_timezone.upper() in ("UTC", "ETC/UTC", "GMT", "Z"):
        return zoned
    local = _local(f"TRY_CAST({iso} AS TIMESTAMP)", literal(column.default_timezone))
    if zone is False:
        return local
    return f"CASE WHEN regexp_matches({iso}, {literal(_ZONE + '$')}) THEN {zoned} ELSE {local} END"


def _within_years(value: str, iso: str) -> str:
    # An offset can move the first and the last day out of what BigQuery holds.
    edge = f"starts_with({iso}, '0001-01-01') OR starts_with({iso}, '9999-12-31')"
    inside = f"{value} BETWEEN TIMESTAMPTZ '0001-01-01 00:00:00Z' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999Z'"
    return f"CASE WHEN NOT ({edge}) OR {inside} THEN {value} END"


def _local(value: str, zone: str) -> str:
    # A clock that is put forward skips an hour: times in it never were, and shifting them would be a guess.
    instant = f"timezone({zone}, {value})"
    return f"CASE WHEN timezone({zone}, {instant}) = {value} THEN {instant} END"


class _Pattern:
    """A JDK DateTimeFormatter pattern, read.

    Raises:
        TerminalRuleError: the pattern holds what is not known here, or too little for the column's kind.
    """

    def __init__(self, column: Column, pattern: str) -> None:
        self._column, self._pattern = column, pattern
        self._shape = ""
        self._groups: dict[_Field, tuple[int, str]] = {}
        for found in _TOKEN.finditer(pattern):
            self._add(found)
        wanted: dict[str, tuple[_Field, ...]] = {"time": ("hour", "minute")}
        for field in wanted.get(column.kind, ("year", "month", "day")):
            if field not in self._groups:
                raise self._refusal(f"has no {field}")

    def _add(self, found: re.Match[str]) -> None:
        run, quoted, letter = found.group(0), found.group(1), found.group(2)
        if letter and set(run) == {"S"}:
            kept = min(len(run), 6)
            self._take(_Part("fraction", f"[0-9]{{{kept}}}"), after="0" * (len(run) - kept))
        elif letter:
            if run not in _PARTS:
                raise self._refusal(f"holds {run!r}, which is not known")
            self._take(_PARTS[run])
        elif run in "[]{}#":
            raise self._refusal(f"holds {run!r}; list each form as a pattern of its own")
        else:
            text = run if quoted is None else quoted.replace("''", "'") or "'"
            self._shape += re.sub(r"([^A-Za-z0-9_ \x80-\U0010ffff])", r"\\\1", text)

    def _take(self, part: _Part, after: str = "") -> None:
        if not part.field:
            self._shape += f"(?:{part.shape})"
            return
        if part.field in self._groups:
            raise self._refusal(f"has the {part.field} twice")
        self._groups[part.field] = (len(self._groups) + 1, part.iso)
        self._shape += f"({part.shape}){after}"

    def _refusal(self, why: str) -> TerminalRuleError:
        return TerminalRuleError(
            f"column {self._column.name}: the pattern {self._pattern!r} {why}. "
            "The tutorial lists what patterns may hold."
        )

    def sql(self, text: str) -> str:
        """Return SQL for the typed value of a text in this form."""
        shape = literal(self._shape)
        groups = {field: f"regexp_extract({text}, {shape}, {number})" for field, (number, _) in self._groups.items()}
        iso = {field: self._iso(field, groups) for field in groups}
        day = " || '-' || ".join(iso.get(name, "'01'") for name in ("year", "month", "day"))
        clock = f"{iso.get('hour', _ZERO)} || ':' || {iso.get('minute', _ZERO)} || ':' || {iso.get('second', _ZERO)}"
        clock += f" || '.' || {iso['fraction']}" if "fraction" in iso else ""
        whole = {"date": day, "time": clock}.get(self._column.kind, f"{day} || ' ' || {clock}")
        if self._column.kind == "timestamp":
            whole += f" || {iso['zone']}" if "zone" in iso else ""
        value = _read(self._column, f"({whole})", zone="zone" in iso)
        return f"CASE WHEN regexp_full_match({text}, {shape}) THEN {value} END"

    def _iso(self, field: _Field, groups: dict[_Field, str]) -> str:
        group = groups[field]
        months = "[" + ", ".join(literal(name[:3]) for name in _MONTHS) + "]"
        half = f"upper({groups['half']}) = 'PM'" if "half" in groups else "false"
        value = self._groups[field][1].format(
            g=group,
            short=f"CAST(list_position({months}, left({group}, 3)) AS VARCHAR)",
            half=f"CAST(CAST({group} AS INTEGER) % 12 + CASE WHEN {half} THEN 12 ELSE 0 END AS VARCHAR)",
            compact=f"CASE {group} WHEN 'Z' THEN 'Z' ELSE left({group}, 3) || ':' || right({group}, 2) END",
        )
        return f"lpad({value}, 2, '0')" if field in ("month", "day", "hour", "minute", "second") else value


_ZERO = "'00'"


def explain_temporal(column: Column, text: str) -> str:
    """Say why a text is no value of the column."""
    if column.formats:
        return f"is no {column.kind} of the form {' or '.join(column.formats)}"
    if re.search(r":60(?:\D|$)", text):
        return "has second 60; leap seconds are not taken"
    if re.match(r"-[0-9]{4,}-|0000-|[+]?[0-9]{5,}-", text) or _is_over_the_edge(column, text):
        return "is outside the years 0001 to 9999"
    if re.search(r"\.[0-9]{7,}", text) and not re.search(r"\.[0-9]{6}0+(?:\D|$)", text):
        return "has more than six decimals of a second; none is cut off silently"
    if re.fullmatch(_ISO[column.kind], text):
        zone = column.default_timezone if column.kind == "timestamp" else ""
        return "does not exist in the calendar" + (
            f", or is skipped by the clock of {zone}" if zone not in ("", "UTC") else ""
        )
    if column.kind == "datetime" and re.fullmatch(_ISO["timestamp"], text):
        return "has a zone, and the column holds local time"
    example = {"date": "2024-01-31", "time": "10:00:00", "datetime": "2024-01-31T10:00:00"}
    return f"is no {column.kind} like {example.get(column.kind, '2024-01-31T10:00:00Z')}"


def _is_over_the_edge(column: Column, text: str) -> bool:
    """Whether an offset moves a moment of the first or the last day into another year."""
    found = re.fullmatch(rf"(?:0001-01-01|9999-12-31)[T ]{_TIME}({_OFFSET})", text)
    return column.kind == "timestamp" and found is not None and found[1][0] == ("+" if text[0] == "0" else "-")

"""Sample web events: NDJSON with zones, escapes, nested payloads, and lines that are no event."""

from __future__ import annotations

import json
from random import Random

from local.mess.base import NOT_UTF8, PHRASES, Layout, Record, clock, day_of, number_below, pick

_KINDS = ("view", "view", "view", "click", "click", "search", "purchase")
_ZONES = ("Z", "+00:00", "+01:00", "-05:00", "+05:30", "+09:00", "")
_TAGS = ('["home"]', "[]", '["sale","été"]', '["a,b","c\\"d"]', "null")
_PAGES = ("/", "/cart", "/search?q=café", "/p/42#reviews")


class Events:
    """What people do on a web site; each record maps a field to its JSON text."""

    resends = True

    def __init__(self) -> None:
        self._day = day_of(0)
        self.defects = (*_SPOILED_FIELDS, *_SPOILED_LINES, "kind_missing")

    def layout(self, number: int) -> Layout:
        """Begin a file: plain, then with CRLF, then gzipped."""
        self._day = day_of(number)
        path = f"events-{self._day}.ndjson"
        if number % 3 == 2:
            return Layout(path + ".gz", gzip=True)
        return Layout(path, newline="\r\n" if number % 3 == 1 else "\n")

    def record(self, rng: Random) -> Record:
        """Make the next event."""
        kind = pick(rng, _KINDS)
        record = {
            "event_id": f'"{rng.getrandbits(128):032x}"',
            "occurred_at": f'"{self._day}T{clock(rng)}{pick(rng, ("", ".125"))}{pick(rng, _ZONES)}"',
            "kind": f'"{kind}"',
            "session": f'"s{number_below(rng, 10**9):09}"',
            "duration_ms": str(number_below(rng, 60_000)),
            "consent": pick(rng, ("true", "false", "null")),
        }
        if kind == "purchase":
            record["amount"] = pick(rng, ("19.99", "0.1", "1234567890123.4567", "5", "-7.5"))
        if rng.random() < 0.5:
            record["tags"] = pick(rng, _TAGS)
        if rng.random() < 0.5:
            record["payload"] = self._payload(rng)
        if rng.random() < 0.04:
            record["ab_test"] = '"B"'
        if rng.random() < 0.1:
            del record["session"]
        return record

    @staticmethod
    def _payload(rng: Random) -> str:
        places = [number_below(rng, 900), None, {"y": 1.5}]
        page = {"page": pick(rng, _PAGES), "note": pick(rng, PHRASES), "at": places}
        return json.dumps(page, ensure_ascii=rng.random() < 0.5)

    def again(self, record: Record, /) -> Record:
        """Return the event as it was: the sender did not see our answer."""
        return record

    def is_filtered(self, _record: Record, /) -> bool:
        """No event is left out."""
        return False

    def render(self, rng: Random, record: Record) -> str:
        """Return one JSON object on one line, its fields in this order or the other, spaced or not."""
        comma, colon = (", ", ": ") if rng.random() < 0.3 else (",", ":")
        items = reversed(record.items()) if rng.random() < 0.2 else record.items()
        return "{" + comma.join(f'"{name}"{colon}{text}' for name, text in items) + "}"

    def spoil(self, rng: Random, record: Record, defect: str) -> str:
        """Return the event's line with one defect in it."""
        if defect in _SPOILED_FIELDS:
            name, text = _SPOILED_FIELDS[defect]
            return self.render(rng, record | {name: text})
        if defect == "kind_missing":
            return self.render(rng, {name: text for name, text in record.items() if name != "kind"})
        line = self.render(rng, record)
        return _SPOILED_LINES[defect].format(line=line, start=line[: len(line) // 2])


# Defect: the field in which it stands, and its JSON text.
_SPOILED_FIELDS: dict[str, tuple[str, str]] = {
    "id_pattern": ("event_id", '"0xDEADBEEF"'),
    "id_missing": ("event_id", "null"),
    "no_such_day": ("occurred_at", '"2026-02-30T10:00:00Z"'),
    "skipped_by_the_clock": ("occurred_at", '"2026-03-29T02:30:00"'),
    "epoch_number": ("occurred_at", "1763900000"),
    "epoch_text": ("occurred_at", '"1763900000000"'),
    "before_minimum": ("occurred_at", '"1970-01-01T00:00:00Z"'),
    "kind_unknown": ("kind", '"scroll"'),
    "session_too_short": ("session", '"s1"'),
    "fraction_for_integer": ("duration_ms", "1.5"),
    "duration_negative": ("duration_ms", "-20"),
    "amount_too_precise": ("amount", "0.00001"),
    "amount_not_json": ("amount", "NaN"),
    "word_for_boolean": ("consent", '"maybe"'),
    "text_for_array": ("tags", '"home,sale"'),
    "invalid_utf8": ("payload", f'{{"note":"{NOT_UTF8}"}}'),
}
_SPOILED_LINES = {
    "truncated_line": "{start}",
    "array_for_object": "[{line}]",
    "text_for_object": '"lost"',
    "two_on_a_line": "{line} {line}",
}

"""`pipeline.yaml`: how a dataset gets in. Its keys run in the order in which they are listed here."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import combinations
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
    model_validator,
)

from include.spec.arrival import Complete, Completeness, Duration, completeness
from include.spec.durations import parse_duration, parse_size
from include.spec.model import Model
from include.spec.places import parse_path, parse_positions
from include.spec.reference import REFERENCE, TABLE, check_reference, table_of


def _is_size(text: str) -> str:
    parse_size(text)
    return text


def _is_shard(text: str) -> str:
    if parse_size(text) < _LEAST_SHARD:
        raise ValueError("a shard has at least 100KB")
    return text


def _is_positions(text: str) -> str:
    parse_positions(text)
    return text


def _is_path(text: str) -> str:
    parse_path(text)
    return text


_PRESET = r"@(?:once|hourly|daily|weekly|monthly|quarterly|yearly|continuous)"
_FIELD = re.compile(r"(?:\*|([0-9A-Z]+)(?:-([0-9A-Z]+))?)(?:/([1-9][0-9]?))?")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NAMES = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))} | {
    name: number for number, name in enumerate(_MONTHS, 1)
}
# One worker holds the list of a file's shards.
_LEAST_SHARD = 100_000
# minute, hour, day of the month, month, day of the week
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def _is_schedule(text: str) -> str:
    fields = text.split()
    if len(fields) == 5:
        for field, (low, high) in zip(fields, _RANGES, strict=True):
            if not all(_is_cron(part, low, high) for part in field.upper().split(",")):
                raise ValueError(f"the cron field {field!r} is not within {low} to {high}")
    elif not re.fullmatch(_PRESET, text):
        parse_duration(text)
    return text


def _is_cron(part: str, low: int, high: int) -> bool:
    found = _FIELD.fullmatch(part)
    ends = [end for end in found.groups()[:2] if end] if found else ["-1"]
    numbers = [int(end) if end.isdigit() else _NAMES.get(end, -1) for end in ends]
    # A week may wrap around: FRI-MON.
    rising = numbers == sorted(numbers) or high == 7
    return rising and all(low <= number <= high for number in numbers)


def _pattern(pattern: str) -> dict[str, JsonValue]:
    # For the JSON schema only: the model's own check says in words what is wrong.
    return {"pattern": f"^(?:{pattern})$"}


_DURATION = "(?:[0-9]{1,9}[smhd])+"
_SIZE = "[0-9]{1,9} *[KMGTkmgt]?[Bb]"
_CRON = r"\S+(?: +\S+){4}"
Size = Annotated[
    str, AfterValidator(_is_size), Field(examples=["500KB", "64MB", "2GB"], json_schema_extra=_pattern(_SIZE))
]
Schedule = Annotated[
    str,
    AfterValidator(_is_schedule),
    Field(examples=["5m", "0 6 * * *", "@daily"], json_schema_extra=_pattern(f"{_PRESET}|{_CRON}|{_DURATION}")),
]
ColumnName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,299}$")]
ReferenceName = Annotated[
    str,
    BeforeValidator(check_reference),
    Field(
        examples=["reference/customers.csv", "table:crm.customers"],
        json_schema_extra=_pattern(REFERENCE),
        description="reference/<name>.csv, a file in the folder; or table:<dataset>.<table>, a table of the warehouse",
    ),
]
Positions = Annotated[
    str,
    AfterValidator(_is_positions),
    Field(examples=["1-8", "9"], json_schema_extra=_pattern("[1-9][0-9]{0,6}(?:-[1-9][0-9]{0,6})?")),
]
FieldPath = Annotated[
    str,
    AfterValidator(_is_path),
    Field(
        examples=["customer.address.city", "@id"],
        min_length=1,
        max_length=1000,
        description=r"names from the outside in, a dot between two; \. is a dot in a name",
    ),
]
Rule = Annotated[str, Field(min_length=1, max_length=10_000, description="a GoogleSQL expression over one row")]


class Source(Model):
    """Which files belong to the dataset, and when they are looked for."""

    uri: str = Field(
        description="bucket and glob; {landing} stands for the landing bucket",
        examples=["gs://{landing}/orders/*.csv"],
        pattern=r"^(gs|s3)://[^/\s]+/\S+$",
        json_schema_extra={"not": {"pattern": r"\.\.|#|\{(?!landing\})"}},
    )
    arrival: Literal["sensor"] = Field("sensor", description="sensor: look on a schedule")
    every: Schedule = Field("5m", description="how often to look: a duration, a cron expression or a preset")
    wait: Duration | None = Field(
        None, description="how long a run waits for files before it ends skipped; none: not at all"
    )
    complete: Complete = Field(
        "none",
        description="when files count; marker: once their folder holds an object named _SUCCESS; manifest: once all"
        " is there that _MANIFEST.json (or {manifest: name}) lists; {stable: 5m}: once unchanged for so long",
    )

    @property
    def completeness(self) -> Completeness:
        """When files count."""
        return completeness(self.complete)

    @field_validator("uri")
    @classmethod
    def _no_climbing(cls, uri: str) -> str:
        if ".." in uri or "#" in uri or "?" in uri.split("://", 1)[1].split("/", 1)[0]:
            raise ValueError("a source is a bucket and a glob, with no '..' and no '#'")
        if re.search("[{}]", uri.replace("{landing}", "")):
            raise ValueError("{landing} is the only placeholder of a source")
        return uri


class Format(Model):
    """How the bytes of a file are to be read."""

    type: Literal["csv", "ndjson", "json", "fixed", "xml", "parquet", "avro"] = Field(
        description="json: one array of objects; fixed: fields at fixed positions of a line"
    )
    compression: Literal["auto", "none", "gzip", "zstd", "bzip2", "zip"] = Field(
        "auto", description="auto: by the file's first bytes; a zip holds exactly one file"
    )
    encoding: Literal["utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"] = Field(
        "utf-8", description="the characters' encoding; utf-16: a byte order mark says which"
    )
    delimiter: str = Field(
        ",", min_length=1, max_length=1, description="csv: what stands between two fields, any single character"
    )
    quote: str = Field(
        '"',
        description="csv: what encloses a field that holds anything; none: nothing does",
        json_schema_extra={"pattern": "^(?:.|none)$"},
    )
    escape: str | None = Field(
        None,
        description="csv: what makes a delimiter, a quote or itself mean nothing, besides doubled quotes",
        min_length=1,
        max_length=1,
    )
    comment: str | None = Field(
        None, description="csv: a line that begins with it is no record", min_length=1, max_length=1
    )
    header: bool = Field(
        True, description="csv: the first record names the columns, in any order; else they stand as in the contract"
    )
    skip_lines: int = Field(0, ge=0, le=1000, description="csv: lines before the header or first record")
    footer_lines: int = Field(0, ge=0, le=100, description="csv: lines after the last record; blank ones do not count")
    null_values: tuple[str, ...] = Field(
        ("",),
        strict=False,
        description="csv: unquoted cells that stand for null (a quoted one is data); fixed, xml: texts that do",
    )
    positions: dict[ColumnName, Positions] = Field(
        {}, description="fixed: column: first and last character of its field, counted from 1"
    )
    width: int | None = Field(
        None, ge=1, le=1_000_000, description="fixed: characters of a line; none: up to the last position"
    )
    records: FieldPath | None = Field(
        None, description="xml: the element that is a record; json: where in one object the array of records stands"
    )
    paths: dict[ColumnName, FieldPath] = Field(
        {}, description="json, ndjson, xml, parquet, avro: column: where its value stands in a record"
    )
    rename: dict[str, ColumnName] = Field({}, description="names in the file that differ from the contract's")
    unexpected_columns: Literal["quarantine", "ignore", "evolve", "fail"] = Field(
        "fail",
        description="fields the contract does not know; evolve: they become columns; fail: the file is held",
    )
    max_record: Size = Field("16MB", description="a longer record is quarantined unread")
    max_size: Size = Field("50GB", description="a file that is larger when decompressed is held")

    @property
    def quoting(self) -> str | None:
        """The quote; None where quoting is off."""
        return None if self.quote == "none" else self.quote

    @field_validator("delimiter", "quote", "escape", "comment")
    @classmethod
    def _one_byte(cls, char: str | None, info: ValidationInfo) -> str | None:
        if char is None or (char == "none" and info.field_name == "quote"):
            return char
        if len(char) != 1 or char in "\r\n\0":
            raise ValueError("must be one character, and no line break")
        if info.field_name != "delimiter" and not char.isascii():
            raise ValueError("must be an ASCII character; only the delimiter may be any")
        if char == "\ufeff" or "\ud800" <= char <= "\udfff":
            raise ValueError("must be a character: a byte order mark or half a surrogate pair is none")
        return char

    @model_validator(mode="after")
    def _different_characters(self) -> Format:
        marks = {"delimiter": self.delimiter, "quote": self.quoting, "escape": self.escape, "comment": self.comment}
        for (one, this), (other, that) in combinations(marks.items(), 2):
            if this is not None and this == that:
                raise ValueError(f"{one} and {other} must be two different characters")
        return self


class Default(Model):
    """What a record without a match is given."""

    default: dict[ColumnName, str | int | float | bool] = Field(
        min_length=1, description="column: its value; a column taken that is not named here is null"
    )


class Enrich(Model):
    """Columns taken from a reference, a file or a table, by a key."""

    with_: ReferenceName = Field(alias="with")
    on: ColumnName = Field(description="the column by which a record finds its row of the reference")
    take: tuple[ColumnName, ...] = Field(min_length=1, strict=False, description="the columns to add to a record")
    missing: Literal["null", "quarantine"] | Default = Field(
        "null", description="what happens to a record without a match"
    )

    @property
    def table(self) -> str | None:
        """The reference as dataset.table; None where it is a file."""
        return table_of(self.with_)


class Truncate(Model):
    """Keep the first characters of a value."""

    truncate: int = Field(ge=0, le=1000, description="how many characters stay")


class Load(Model):
    """Where rows go, and how they meet what is there."""

    table: str = Field(pattern=f"^{TABLE}$", description="dataset.table")
    mode: Literal["merge", "append", "replace_partition"] = Field(
        description="merge: by primary key; append: add; replace_partition: a delivery replaces its days"
    )
    keep: Literal["first", "last"] = Field("last", description="which of several records with one key stays")
    redelivered: Literal["skip", "replace", "version"] | None = Field(
        None,
        description="a new version of a loaded file; skip: not loaded; replace: in place of the old version's rows;"
        " version: beside them (merge: over them, by key); none: version with merge, else replace",
    )
    late: Literal["hold", "load"] = Field(
        "hold",
        description="replace_partition: what becomes of a file that comes after its set; load: its rows are added",
    )
    late_after: Duration = Field(
        "1h", description="how long a file lies in a folder whose set is loaded until it is late and begins no new set"
    )

    @property
    def grace(self) -> timedelta:
        """How long a file lies in a folder whose set is loaded until it is late."""
        return parse_duration(self.late_after)

    @property
    def policy(self) -> Literal["skip", "replace", "version"]:
        """What happens to a new version of a file that is loaded."""
        return self.redelivered or ("version" if self.mode == "merge" else "replace")


class Tolerate(Model):
    """How much may be wrong with a file before it is held as a whole."""

    quarantined: str = Field(
        "100%",
        pattern=r"^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)%$",
        description="share of a file's records above which the file is held",
        examples=["1%", "0.5%"],
    )

    @property
    def share(self) -> float:
        """The bound as a fraction from 0 to 1."""
        return float(self.quarantined[:-1]) / 100


class Transform(Model):
    """Where files are transformed; the answer is the same."""

    dataflow_above: Size = Field("1GB", description="a file that is larger as stored is transformed on Dataflow")
    shard: Annotated[Size, AfterValidator(_is_shard)] = Field(
        "64MB", description="about how long the parts are into which it is cut there, at least 100KB"
    )

    @property
    def most_bytes(self) -> int:
        """The size, in bytes as stored, above which a file is transformed on Dataflow."""
        return parse_size(self.dataflow_above)

    @property
    def shard_bytes(self) -> int:
        """About how many bytes a part has into which such a file is cut."""
        return parse_size(self.shard)


class Retry(Model):
    """How a task is tried again when what failed can pass."""

    attempts: int = Field(5, ge=1, le=20, description="tries in all")
    base: Duration = Field("10s", description="delay before the second try; it doubles from try to try")
    max: Duration = Field("10m", description="the longest delay between two tries")

    @property
    def base_delay(self) -> timedelta:
        """The delay before the second try."""
        return parse_duration(self.base)

    @property
    def max_delay(self) -> timedelta:
        """The longest delay between two tries."""
        return parse_duration(self.max)


_NEEDS_TO: dict[str, JsonValue] = {"properties": {"to": {"minLength": 1}}, "required": ["to"]}
_NEEDS_URL: dict[str, JsonValue] = {"properties": {"to": {"pattern": "^https://"}}, "required": ["to"]}
_NEEDS_CONNECTION: dict[str, JsonValue] = {
    "properties": {"connection": {"minLength": 1}},
    "required": ["connection"],
}


def _if_type(*types: str) -> dict[str, JsonValue]:
    return {"properties": {"type": {"enum": [*types]}}, "required": ["type"]}


class Notify(Model):
    """One channel that is told about failures."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"if": _if_type("slack", "email"), "then": _NEEDS_TO},
                {"if": _if_type("webhook"), "then": {"anyOf": [_NEEDS_URL, _NEEDS_CONNECTION]}},
            ]
        }
    )

    type: Literal["log", "slack", "email", "pagerduty", "webhook"] = Field(description="how they are told")
    to: str = Field("", description="slack: channel; email: address; webhook: https URL; pagerduty: nothing")
    connection: str = Field(
        "", description="Airflow connection that holds the secret", pattern=r"^[A-Za-z0-9_.-]{0,200}$"
    )

    @model_validator(mode="after")
    def _target(self) -> Notify:
        if self.type in ("slack", "email") and not self.to:
            raise ValueError(f"{self.type} needs `to`")
        if self.type == "webhook" and not (self.to.startswith("https://") or self.connection):
            raise ValueError("webhook needs `to: https://…` or a `connection` that holds the URL")
        return self


class Pipeline(Model):
    """How a dataset gets in."""

    source: Source = Field(description="which files belong to the dataset")
    format: Format = Field(description="how their bytes are read")
    clean: dict[ColumnName, Rule] = Field({}, description="column: expression over the raw text of a record's fields")
    filter: Rule | None = Field(None, description="records for which it is not true are left out, and counted")
    derive: dict[ColumnName, Rule] = Field({}, description="column: expression over typed columns")
    enrich: Enrich | None = Field(None, description="columns taken from a reference, a file or a table")
    mask: dict[ColumnName, Literal["sha256", "redact"] | Truncate] = Field(
        {}, description="column: what is stored in place of its value"
    )
    load: Load = Field(description="where rows go")
    tolerate: Tolerate = Field(Tolerate(quarantined="100%"), description="how much may be wrong with a file")
    transform: Transform = Field(
        Transform(dataflow_above="1GB", shard="64MB"), description="where files are transformed"
    )
    retry: Retry = Field(Retry(attempts=5), description="how a task is tried again")
    notify: tuple[Notify, ...] = Field((), strict=False, description="besides the contract's support channels")

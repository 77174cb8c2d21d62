"""The allow-list: every operator and function that a rule may use, with its types.

A signature reads `parameters -> result`, several of them `|` apart. `[X]` may be left out, `X...` stands once or more,
`X!` must be a constant, `=X` takes no other type coerced to X, T is one type throughout, PART is a date part (DAY,
MONTH...) and INTERVAL is written `INTERVAL n DAY`. What stands here answers exactly as BigQuery does; a function whose
answers DuckDB cannot give to the last digit is left out. Source of types and answers:
https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-all
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

_NUMBERS = "INT64, INT64 -> INT64 | NUMERIC, NUMERIC -> NUMERIC | FLOAT64, FLOAT64 -> FLOAT64"
_DIVISION = "NUMERIC, =NUMERIC -> NUMERIC | =NUMERIC, NUMERIC -> NUMERIC | FLOAT64, FLOAT64 -> FLOAT64"
_WHOLE = "FLOAT64 -> FLOAT64 | =NUMERIC -> NUMERIC"
_BETWEEN_INSTANTS = "TIMESTAMP, TIMESTAMP, PART -> INT64"

OPERATORS: dict[str, str] = {
    "OR": "BOOL, BOOL -> BOOL",
    "AND": "BOOL, BOOL -> BOOL",
    "NOT": "BOOL -> BOOL",
    "=": "T, T -> BOOL",
    "!=": "T, T -> BOOL",
    "<": "T, T -> BOOL",
    "<=": "T, T -> BOOL",
    ">": "T, T -> BOOL",
    ">=": "T, T -> BOOL",
    "IN": "T, T... -> BOOL",
    "BETWEEN": "T, T, T -> BOOL",
    "LIKE": "STRING, STRING! -> BOOL",
    "IS NULL": "ANY -> BOOL",
    "IS TRUE": "BOOL -> BOOL",
    "IS FALSE": "BOOL -> BOOL",
    "||": "STRING, STRING -> STRING",
    "+": _NUMBERS,
    "-": _NUMBERS,
    "*": _NUMBERS,
    "/": _DIVISION,
    "NEG": "INT64 -> INT64 | NUMERIC -> NUMERIC | FLOAT64 -> FLOAT64",
}

FUNCTIONS: dict[str, str] = {
    # Choosing
    "IF": "BOOL, T, T -> T",
    "IFNULL": "T, T -> T",
    "COALESCE": "T... -> T",
    "NULLIF": "T, T -> T",
    "GREATEST": "T... -> T",
    "LEAST": "T... -> T",
    # Text
    "UPPER": "STRING -> STRING",
    "LOWER": "STRING -> STRING",
    "TRIM": "STRING [, STRING!] -> STRING",
    "LTRIM": "STRING [, STRING!] -> STRING",
    "RTRIM": "STRING [, STRING!] -> STRING",
    "CONCAT": "STRING... -> STRING",
    "LENGTH": "STRING -> INT64",
    "CHAR_LENGTH": "STRING -> INT64",
    "BYTE_LENGTH": "STRING -> INT64",
    "SUBSTR": "STRING, INT64 [, INT64] -> STRING",
    "SUBSTRING": "STRING, INT64 [, INT64] -> STRING",
    "LEFT": "STRING, INT64! -> STRING",
    "RIGHT": "STRING, INT64! -> STRING",
    "LPAD": "STRING, INT64! [, STRING!] -> STRING",
    "RPAD": "STRING, INT64! [, STRING!] -> STRING",
    "REPLACE": "STRING, STRING, STRING -> STRING",
    "STARTS_WITH": "STRING, STRING -> BOOL",
    "ENDS_WITH": "STRING, STRING -> BOOL",
    "STRPOS": "STRING, STRING -> INT64",
    "INSTR": "STRING, STRING -> INT64",
    "SPLIT": "STRING [, STRING!] -> ARRAY<STRING>",
    "REGEXP_CONTAINS": "STRING, STRING! -> BOOL",
    "REGEXP_EXTRACT": "STRING, STRING! -> STRING",
    "REGEXP_REPLACE": "STRING, STRING!, STRING! -> STRING",
    # Numbers
    "ABS": "INT64 -> INT64 | NUMERIC -> NUMERIC | FLOAT64 -> FLOAT64",
    "SIGN": "INT64 -> INT64 | NUMERIC -> NUMERIC | FLOAT64 -> FLOAT64",
    "FLOOR": _WHOLE,
    "CEIL": _WHOLE,
    "CEILING": _WHOLE,
    "ROUND": f"{_WHOLE} | =NUMERIC, INT64! -> NUMERIC",
    "TRUNC": f"{_WHOLE} | =NUMERIC, INT64! -> NUMERIC",
    "DIV": "=INT64, =INT64 -> INT64",
    "MOD": "=INT64, =INT64 -> INT64",
    "SAFE_DIVIDE": _DIVISION,
    # Days
    "DATE": "INT64, INT64, INT64 -> DATE | =TIMESTAMP -> DATE | =DATETIME -> DATE",
    "DATE_ADD": "DATE, INTERVAL -> DATE",
    "DATE_SUB": "DATE, INTERVAL -> DATE",
    "DATE_DIFF": "DATE, DATE, PART -> INT64",
    "DATE_TRUNC": "DATE, PART -> DATE",
    "LAST_DAY": "DATE [, PART] -> DATE",
    "FORMAT_DATE": "STRING!, DATE -> STRING",
    "PARSE_DATE": "STRING!, STRING -> DATE",
    "UNIX_DATE": "DATE -> INT64",
    # Instants; everything is in UTC
    "EXTRACT": "PART, =DATE -> INT64 | PART, =TIMESTAMP -> INT64 | PART, =DATETIME -> INT64 | PART, =TIME -> INT64",
    "TIMESTAMP_ADD": "TIMESTAMP, INTERVAL -> TIMESTAMP",
    "TIMESTAMP_SUB": "TIMESTAMP, INTERVAL -> TIMESTAMP",
    "TIMESTAMP_DIFF": _BETWEEN_INSTANTS,
    "TIMESTAMP_TRUNC": "TIMESTAMP, PART -> TIMESTAMP",
    "FORMAT_TIMESTAMP": "STRING!, TIMESTAMP -> STRING",
    "PARSE_TIMESTAMP": "STRING!, STRING -> TIMESTAMP",
    "TIMESTAMP_SECONDS": "INT64 -> TIMESTAMP",
    "TIMESTAMP_MILLIS": "INT64 -> TIMESTAMP",
    "TIMESTAMP_MICROS": "INT64 -> TIMESTAMP",
    "UNIX_SECONDS": "TIMESTAMP -> INT64",
    "UNIX_MILLIS": "TIMESTAMP -> INT64",
    "UNIX_MICROS": "TIMESTAMP -> INT64",
    # Hashes
    "MD5": "STRING -> BYTES",
    "SHA1": "STRING -> BYTES",
    "SHA256": "STRING -> BYTES",
    "TO_HEX": "BYTES -> STRING",
}

# From type -> to types, for CAST and SAFE_CAST.
CASTS: dict[str, tuple[str, ...]] = {
    "STRING": ("STRING", "INT64", "FLOAT64", "NUMERIC", "BOOL", "DATE"),
    "INT64": ("INT64", "STRING", "FLOAT64", "NUMERIC", "BOOL"),
    "NUMERIC": ("NUMERIC", "STRING", "INT64", "FLOAT64"),
    "FLOAT64": ("FLOAT64", "INT64", "NUMERIC"),
    "BOOL": ("BOOL", "STRING", "INT64"),
    "DATE": ("DATE", "STRING", "DATETIME", "TIMESTAMP"),
    "DATETIME": ("DATETIME", "DATE"),
    "TIMESTAMP": ("TIMESTAMP", "DATE"),
    "TIME": ("TIME",),
}

_WEEKS = tuple(f"WEEK({day})" for day in ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"))
_CLOCK = ("MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR")
_CALENDAR = ("DAY", "WEEK", *_WEEKS, "ISOWEEK", "MONTH", "QUARTER", "YEAR", "ISOYEAR")
_FIELDS = ("DAYOFWEEK", "DAY", "DAYOFYEAR", "MONTH", "QUARTER", "YEAR", "ISOWEEK", "ISOYEAR")

PARTS: dict[str, tuple[str, ...]] = {
    "DATE_ADD": ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR"),
    "DATE_SUB": ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR"),
    "DATE_DIFF": _CALENDAR,
    "DATE_TRUNC": _CALENDAR,
    "LAST_DAY": ("MONTH", "QUARTER", "YEAR"),
    "EXTRACT DATE": _FIELDS,
    "EXTRACT TIMESTAMP": (*_CLOCK, *_FIELDS),
    "EXTRACT DATETIME": (*_CLOCK, *_FIELDS),
    "EXTRACT TIME": _CLOCK,
    "TIMESTAMP_ADD": (*_CLOCK, "DAY"),
    "TIMESTAMP_SUB": (*_CLOCK, "DAY"),
    "TIMESTAMP_DIFF": (*_CLOCK, "DAY"),
    "TIMESTAMP_TRUNC": (*_CLOCK[2:], "DAY", "ISOWEEK", "MONTH", "QUARTER", "YEAR"),
}

# Names people reach for, with the reason why a rule cannot have them.
REFUSED: dict[str, str] = {
    **dict.fromkeys(
        (
            "CURRENT_DATE",
            "CURRENT_DATETIME",
            "CURRENT_TIME",
            "CURRENT_TIMESTAMP",
            "RAND",
            "GENERATE_UUID",
            "SESSION_USER",
        ),
        "answers differently each time, and a rule must give the same answer when a file is loaded again",
    ),
    **dict.fromkeys(
        (
            "ANY_VALUE",
            "ARRAY_AGG",
            "AVG",
            "COUNT",
            "COUNTIF",
            "LOGICAL_AND",
            "LOGICAL_OR",
            "MAX",
            "MIN",
            "STRING_AGG",
            "SUM",
        ),
        "looks at more than one record, and a rule sees one",
    ),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a signature; see the module's docstring."""

    kind: str
    constant: bool = False
    exact: bool = False
    optional: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """Parameters and result of one form of a function."""

    parameters: tuple[Parameter, ...]
    result: str

    def takes(self, count: int) -> bool:
        """Say whether a call may have so many arguments."""
        needed = sum(not p.optional for p in self.parameters)
        unbounded = any(p.repeated for p in self.parameters)
        return needed <= count and (unbounded or count <= len(self.parameters))

    def parameter(self, position: int) -> Parameter:
        """Return the parameter that an argument's position meets."""
        return self.parameters[min(position, len(self.parameters) - 1)]


@cache
def signatures(name: str) -> tuple[Signature, ...]:
    """Return the forms of an operator or function of the tables."""
    text = OPERATORS.get(name) or FUNCTIONS[name]
    return tuple(_signature(form) for form in text.split(" | "))


def _signature(text: str) -> Signature:
    parameters, result = text.replace(" [, ", ", [").split(" -> ")
    return Signature(tuple(_parameter(p) for p in parameters.split(", ")), result)


def _parameter(text: str) -> Parameter:
    kind = text.strip("[]=!.")
    return Parameter(kind, "!" in text, "=" in text, "[" in text, "..." in text)


def allowed() -> str:
    """Return what a rule may use, as one sentence for an error message."""
    symbols = "+ - * / || = != < <= > >= AND OR NOT IN BETWEEN LIKE IS CASE CAST SAFE_CAST"
    return f"A rule may use columns, constants, {symbols} and the functions {', '.join(sorted(FUNCTIONS))}."

"""The values at the edges of a type, in every format that can carry them: one answer each, whatever the format."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.engine.builder import column, dataset, run


class Form(NamedTuple):
    """How texts get into a file of a record each, and the pipeline's `format` that reads it."""

    options: dict[str, Any]
    write: Callable[[list[str]], bytes]


def each(record: str, texts: list[str], *, begin: str = "", end: str = "\n", between: str = "\n") -> str:
    """A file of a record for each text, which stands at the asterisk."""
    return begin + between.join(record.replace("*", text) for text in texts) + end


FORMS = {
    "csv": Form({"type": "csv"}, lambda texts: each('"*"', texts, begin="v\n").encode()),
    "csv-utf16": Form(
        {"type": "csv", "encoding": "utf-16", "delimiter": "¦"},
        lambda texts: each("*", texts, begin="v\n").encode("utf-16"),
    ),
    "fixed": Form(
        {"type": "fixed", "positions": {"v": "1-50"}}, lambda texts: each("*", [f"{t:50}" for t in texts]).encode()
    ),
    "ndjson": Form({"type": "ndjson"}, lambda texts: each('{"v": "*"}', texts).encode()),
    "json": Form({"type": "json"}, lambda texts: each('{"v": "*"}', texts, begin="[", between=",", end="]").encode()),
    "json-path": Form(
        {"type": "json", "records": "r", "paths": {"v": "a.b"}},
        lambda texts: each('{"a": {"b": "*"}}', texts, begin='{"r": [', between=",", end="]}").encode(),
    ),
    "xml": Form(
        {"type": "xml", "records": "r"}, lambda texts: each("<r><v>*</v></r>", texts, begin="<x>", end="</x>").encode()
    ),
    "parquet": Form({"type": "parquet"}, lambda texts: parquet(pa.array(texts))),
    "avro": Form({"type": "avro"}, lambda texts: avro("string", texts)),
}


def parquet(values: pa.Array) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"v": values}), file)
    return file.getvalue()


def avro(kind: Any, values: list[Any]) -> bytes:
    file = io.BytesIO()
    fastavro.writer(
        file,
        {"type": "record", "name": "r", "fields": [{"name": "v", "type": kind}]},
        [{"v": value} for value in values],
    )
    return file.getvalue()


def answers(prop: dict[str, Any], form: dict[str, Any], out: Path, data: bytes) -> list[Any]:
    """Of each record the value that was loaded, or why it was not."""
    result = run(dataset(prop, format=form), out, data)
    assert result.code == ""
    good = {row["_landfall_record"]: row["v"] for row in result.good}
    bad = {row["record"]: row["reasons"][0]["message"] for row in result.records}
    return [(good | bad)[record] for record in range(result.file.records)]


INTEGER, FLOAT = column("v", "integer"), column("v", "number")
NUMERIC = column("v", "number", physicalType="NUMERIC(38, 0)")
BIG = column("v", "number", physicalType="BIGNUMERIC")
DATE, TIME, MOMENT = column("v", "date"), column("v", "time"), column("v", "timestamp")
LOCAL, TEXT = column("v", "timestamp", physicalType="DATETIME"), column("v")
NOT_FINITE, YEARS, LEAP = "is no finite number", "is outside the years 0001 to 9999", "leap seconds are not taken"
TENS = f"1{'0' * 38}"
NINES = "9" * 38

TABLE: list[tuple[dict[str, Any], str, Any]] = [
    *((prop, text, NOT_FINITE) for prop in (INTEGER, FLOAT, NUMERIC, BIG) for text in ("NaN", "Inf", "-Infinity")),
    (INTEGER, "-0", 0),
    (FLOAT, "-0", -0.0),
    (FLOAT, "-0.0", -0.0),
    (NUMERIC, "-0", Decimal(0)),
    (BIG, "-0.0", Decimal(0)),
    (FLOAT, "1e400", "is too large for a double"),
    (FLOAT, "1e-400", 0.0),
    (FLOAT, "1.7976931348623157e308", 1.7976931348623157e308),
    (INTEGER, "1e400", "is no integer"),
    (NUMERIC, "1e400", "has an exponent"),
    (INTEGER, TENS, "does not fit 64 bits"),
    (FLOAT, TENS, 1e38),
    (NUMERIC, TENS, "more digits before the point"),
    (BIG, TENS, "more digits before the point"),
    (NUMERIC, NINES, Decimal(NINES)),
    (BIG, f"-{NINES}", Decimal(f"-{NINES}")),
    (DATE, "0000-12-31", YEARS),
    (DATE, "0001-01-01", date(1, 1, 1)),
    (DATE, "9999-12-31", date(9999, 12, 31)),
    (DATE, "10000-01-01", YEARS),
    *((prop, f"{year}T00:00:00", YEARS) for prop in (MOMENT, LOCAL) for year in ("0000-01-01", "10000-01-01")),
    (MOMENT, "9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    (MOMENT, "9999-12-31T23:59:59-00:01", YEARS),
    (MOMENT, "0001-01-01T00:00:00+00:01", YEARS),
    (MOMENT, "2016-12-31T23:59:60Z", LEAP),
    (LOCAL, "2016-12-31T23:59:60", LEAP),
    (TIME, "23:59:60", LEAP),
    (TIME, "23:59:59.999999", time(23, 59, 59, 999999)),
    *((TEXT, text, text) for text in ("NaN", "-0", "1e400", TENS, "0000-00-00", "23:59:60")),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_special_text_has_one_answer_in_every_format(tmp_path: Path, form: str) -> None:
    options, write = FORMS[form]
    for prop in (INTEGER, FLOAT, NUMERIC, BIG, DATE, TIME, MOMENT, LOCAL, TEXT):
        table = [(text, wanted) for column_, text, wanted in TABLE if column_ is prop]
        for (text, wanted), got in zip(
            table, answers(prop, options, tmp_path, write([t for t, _ in table])), strict=True
        ):
            if isinstance(wanted, str) and prop is not TEXT:
                assert wanted in str(got), (prop, text)
                assert f'"{text}"' in got
            else:
                assert is_same(got, wanted), (prop, text)


def is_same(got: Any, wanted: Any) -> bool:
    """Whether two values are equal, the sign of zero too."""
    return bool(got == wanted) and (not isinstance(wanted, float) or math.copysign(1, got) == math.copysign(1, wanted))


@pytest.mark.parametrize("kind", ["ndjson", "json"])
@pytest.mark.parametrize(
    ("prop", "literal", "wanted"),
    [
        (FLOAT, "NaN", "it is no JSON"),
        (FLOAT, "-Infinity", "it is no JSON"),
        (FLOAT, "-0", -0.0),
        (INTEGER, "-0", 0),
        (FLOAT, "1e400", "is too large for a double"),
        (INTEGER, TENS, "does not fit 64 bits"),
        (NUMERIC, TENS, "more digits before the point"),
        (column("v", "object"), '{"n": 1e400, "z": -0}', '{"n": 1e400, "z": -0}'),
        (column("v"), "1e400", "1e400"),
    ],
)
def test_special_numbers_of_json_keep_their_text(
    tmp_path: Path, kind: str, prop: dict[str, Any], literal: str, wanted: Any
) -> None:
    record = f'{{"v": {literal}}}'
    data = (f"[{record}]" if kind == "json" else record).encode()
    (got,) = answers(prop, {"type": kind}, tmp_path, data)
    assert (
        got == wanted if not isinstance(wanted, str) or prop["logicalType"] in ("string", "object") else wanted in got
    )


def test_many_records_give_the_answers_of_one(tmp_path: Path) -> None:
    """The quick ways, which take blocks of some size, agree with the slow ones."""
    texts = ["NaN", "-0", "1e400", "1e-400", TENS, "0.5"]
    for options, write in (
        ({"type": "csv"}, lambda cells: "v\n" + "\n".join(cells)),
        ({"type": "ndjson"}, lambda cells: "\n".join(f'{{"v": "{cell}"}}' for cell in cells)),
    ):
        result = run(dataset(FLOAT, format=options), tmp_path, write(texts * 100).encode())
        assert result.values("v") == [-0.0, 0.0, 1e38, 0.5] * 100
        assert {math.copysign(1, value) for value in result.values("v")[::4]} == {-1}
        assert len(result.records) == 200


DAYS_TO_YEAR_1, DAYS_TO_YEAR_10000 = -719_162, 2_932_897
SECOND = 1_000_000


@pytest.mark.parametrize(
    ("prop", "value", "kind", "wanted"),
    [
        (FLOAT, math.nan, "double", NOT_FINITE),
        (FLOAT, math.inf, "float", NOT_FINITE),
        (FLOAT, -math.inf, "double", NOT_FINITE),
        (INTEGER, math.nan, "double", NOT_FINITE),
        (NUMERIC, math.inf, "double", NOT_FINITE),
        (FLOAT, -0.0, "double", -0.0),
        (INTEGER, -0.0, "double", "0"),
        (FLOAT, 1e38, "double", 1e38),
        (DATE, DAYS_TO_YEAR_1, "date", date(1, 1, 1)),
        (DATE, DAYS_TO_YEAR_1 - 1, "date", ""),
        (DATE, DAYS_TO_YEAR_10000 - 1, "date", date(9999, 12, 31)),
        (DATE, DAYS_TO_YEAR_10000, "date", ""),
        (MOMENT, DAYS_TO_YEAR_1 * 86_400 * SECOND, "timestamp", datetime(1, 1, 1, tzinfo=UTC)),
        (MOMENT, DAYS_TO_YEAR_1 * 86_400 * SECOND - 1, "timestamp", ""),
        (MOMENT, DAYS_TO_YEAR_10000 * 86_400 * SECOND, "timestamp", ""),
        (LOCAL, DAYS_TO_YEAR_10000 * 86_400 * SECOND, "local", ""),
    ],
)
@pytest.mark.parametrize("form", ["parquet", "avro"])
def test_a_special_value_of_a_typed_file_has_one_answer(
    tmp_path: Path, form: str, prop: dict[str, Any], value: Any, kind: str, wanted: Any
) -> None:
    in_parquet = {
        "double": pa.float64(), "float": pa.float32(), "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC"),
        "local": pa.timestamp("us"),
    }  # fmt: skip
    in_avro = {
        "date": {"type": "int", "logicalType": "date"},
        "timestamp": {"type": "long", "logicalType": "timestamp-micros"},
        "local": {"type": "long", "logicalType": "local-timestamp-micros"},
    }
    is_parquet = form == "parquet"
    data = parquet(pa.array([value], in_parquet[kind])) if is_parquet else avro(in_avro.get(kind, kind), [value])
    (got,) = answers(prop, {"type": form}, tmp_path, data)
    if isinstance(wanted, str):
        assert wanted in str(got)
        assert isinstance(got, str) or wanted == str(got)
    else:
        assert is_same(got, wanted)

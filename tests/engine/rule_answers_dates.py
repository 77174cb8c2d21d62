"""Rules over days and instants, each with the answer that BigQuery documents.

The pages named are those below https://cloud.google.com/bigquery/docs/reference/standard-sql/ ; where they leave an
edge open, the answer is that of https://github.com/google/zetasql (zetasql/public/functions).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

FAILS = "fails"

GOLDEN: dict[str, list[tuple[str, Any]]] = {
    # date_functions
    "DATE": [
        ("DATE(2016, 12, 25)", date(2016, 12, 25)),
        ("DATE(2023, 2, 29)", FAILS),
        ("DATE(0, 1, 1)", FAILS),
        ("DATE(moment)", date(2024, 2, 29)),
        ("DATE(local)", date(2024, 2, 29)),
    ],
    "DATE_ADD": [
        ("DATE_ADD('2008-12-25', INTERVAL 5 DAY)", date(2008, 12, 30)),
        ("DATE_ADD(DATE '2024-01-31', INTERVAL 1 MONTH)", date(2024, 2, 29)),
        ("DATE_ADD(day, INTERVAL 1 YEAR)", date(2025, 2, 28)),
        ("DATE_ADD(day, INTERVAL one WEEK)", date(2024, 3, 7)),
        ("DATE_ADD(day, INTERVAL 1 QUARTER)", date(2024, 5, 29)),
        ("DATE_ADD('9999-12-31', INTERVAL one DAY)", FAILS),
        ("DATE_ADD(day, INTERVAL huge DAY)", FAILS),
        ("DATE_ADD(no_day, INTERVAL 1 DAY)", None),
        ("DATE_ADD(day, INTERVAL no_int DAY)", None),
        ("DATE_ADD(day, INTERVAL -1 DAY)", date(2024, 2, 28)),
    ],
    "DATE_SUB": [
        ("DATE_SUB('2008-12-25', INTERVAL 5 DAY)", date(2008, 12, 20)),
        ("DATE_SUB('2024-03-31', INTERVAL 1 MONTH)", date(2024, 2, 29)),
        ("DATE_SUB('0001-01-01', INTERVAL one DAY)", FAILS),
    ],
    "DATE_DIFF": [
        ("DATE_DIFF('2010-07-07', '2008-12-25', DAY)", 559),
        ("DATE_DIFF('2017-10-15', '2017-10-14', DAY)", 1),
        ("DATE_DIFF('2017-10-15', '2017-10-14', WEEK)", 1),
        ("DATE_DIFF('2017-12-30', '2014-12-30', YEAR)", 3),
        ("DATE_DIFF('2017-12-30', '2014-12-30', ISOYEAR)", 2),
        ("DATE_DIFF('2017-12-18', '2017-12-17', WEEK)", 0),
        ("DATE_DIFF('2017-12-18', '2017-12-17', WEEK(MONDAY))", 1),
        ("DATE_DIFF('2017-12-18', '2017-12-17', ISOWEEK)", 1),
        ("DATE_DIFF('2024-02-01', '2024-01-31', MONTH)", 1),
        ("DATE_DIFF('0001-01-01', '0001-01-08', WEEK)", -1),
        ("DATE_DIFF('2024-04-01', '2024-03-31', QUARTER)", 1),
        ("DATE_DIFF(day, no_day, DAY)", None),
    ],
    "DATE_TRUNC": [
        ("DATE_TRUNC('2008-12-25', MONTH)", date(2008, 12, 1)),
        ("DATE_TRUNC('2017-11-05', WEEK(MONDAY))", date(2017, 10, 30)),
        ("DATE_TRUNC('2015-06-15', ISOYEAR)", date(2014, 12, 29)),
        ("DATE_TRUNC('2017-11-07', WEEK)", date(2017, 11, 5)),
        ("DATE_TRUNC(day, QUARTER)", date(2024, 1, 1)),
        ("DATE_TRUNC(day, YEAR)", date(2024, 1, 1)),
        ("DATE_TRUNC(day, DAY)", date(2024, 2, 29)),
        ("DATE_TRUNC('1969-12-30', ISOWEEK)", date(1969, 12, 29)),
        ("DATE_TRUNC(no_day, MONTH)", None),
        ("DATE_TRUNC('0001-01-01', WEEK)", FAILS),
        ("DATE_TRUNC('2024-03-02', WEEK(SATURDAY))", date(2024, 3, 2)),
        ("DATE_TRUNC('2024-03-02', WEEK(THURSDAY))", date(2024, 2, 29)),
    ],
    "LAST_DAY": [
        ("LAST_DAY('2008-11-25', MONTH)", date(2008, 11, 30)),
        ("LAST_DAY('2008-11-25')", date(2008, 11, 30)),
        ("LAST_DAY(day, YEAR)", date(2024, 12, 31)),
        ("LAST_DAY('9999-10-01', QUARTER)", date(9999, 12, 31)),
        ("LAST_DAY(no_day)", None),
    ],
    "FORMAT_DATE": [
        ("FORMAT_DATE('%Y-%m-%d', '2008-12-25')", "2008-12-25"),
        ("FORMAT_DATE('%b-%d-%Y', '2008-12-25')", "Dec-25-2008"),
        ("FORMAT_DATE('%b %Y', '2008-12-25')", "Dec 2008"),
        ("FORMAT_DATE('%F %j %y %A %%', day)", "2024-02-29 060 24 Thursday %"),
        ("FORMAT_DATE('%Y', no_day)", None),
    ],
    "PARSE_DATE": [
        ("PARSE_DATE('%Y%m%d', '20081225')", date(2008, 12, 25)),
        ("PARSE_DATE('%F', '2000-12-30')", date(2000, 12, 30)),
        ("PARSE_DATE('%d/%m/%Y', ' 1/2/2024 ')", date(2024, 2, 1)),
        ("PARSE_DATE('%d.%m.%Y', '31.02.2024')", FAILS),
        ("PARSE_DATE('%d.%m.%Y', '1.2')", FAILS),
        ("PARSE_DATE('%Y%m%d', '200812')", FAILS),
        ("PARSE_DATE('%Y', '2010')", date(2010, 1, 1)),
        ("PARSE_DATE('%m/%d', '12/25')", date(1970, 12, 25)),
        ("PARSE_DATE('%Y-%m-%d', no_text)", None),
        ("PARSE_DATE('%Y-%m-%d', text)", FAILS),
        ("PARSE_DATE('%Y-%m-%d', '0-1-1')", FAILS),
    ],
    "UNIX_DATE": [("UNIX_DATE('2008-12-25')", 14238), ("UNIX_DATE('1969-12-31')", -1)],
    "EXTRACT": [
        ("EXTRACT(DAY FROM DATE '2013-12-25')", 25),
        ("EXTRACT(DAYOFWEEK FROM DATE '2024-03-03')", 1),
        ("EXTRACT(DAYOFWEEK FROM DATE '2024-03-02')", 7),
        ("EXTRACT(DAYOFYEAR FROM day)", 60),
        ("EXTRACT(ISOYEAR FROM DATE '2016-01-01')", 2015),
        ("EXTRACT(ISOWEEK FROM DATE '2016-01-01')", 53),
        ("EXTRACT(QUARTER FROM day)", 1),
        ("EXTRACT(YEAR FROM moment)", 2024),
        ("EXTRACT(HOUR FROM moment)", 23),
        ("EXTRACT(SECOND FROM moment)", 58),
        ("EXTRACT(MILLISECOND FROM moment)", 123),
        ("EXTRACT(MICROSECOND FROM moment)", 123456),
        ("EXTRACT(MINUTE FROM clock)", 59),
        ("EXTRACT(MICROSECOND FROM clock)", 123456),
        ("EXTRACT(MONTH FROM local)", 2),
        ("EXTRACT(YEAR FROM no_day)", None),
    ],
    # timestamp_functions
    "TIMESTAMP_ADD": [
        ("TIMESTAMP_ADD('2008-12-25 15:30:00+00', INTERVAL 10 MINUTE)", datetime(2008, 12, 25, 15, 40, tzinfo=UTC)),
        ("TIMESTAMP_ADD(moment, INTERVAL huge DAY)", FAILS),
        ("TIMESTAMP_ADD('9999-12-31 23:59:59+00', INTERVAL one SECOND)", FAILS),
        ("TIMESTAMP_ADD(no_moment, INTERVAL 1 DAY)", None),
    ],
    "TIMESTAMP_SUB": [
        ("TIMESTAMP_SUB('2008-12-25 15:30:00+00', INTERVAL 10 MINUTE)", datetime(2008, 12, 25, 15, 20, tzinfo=UTC))
    ],
    "TIMESTAMP_DIFF": [
        ("TIMESTAMP_DIFF('2010-07-07 10:20:00+00', '2008-12-25 15:30:00+00', HOUR)", 13410),
        ("TIMESTAMP_DIFF('2018-08-14', '2018-10-14', DAY)", -61),
        ("TIMESTAMP_DIFF('2001-02-01 01:00:00', '2001-02-01 00:00:01', HOUR)", 0),
        ("TIMESTAMP_DIFF(moment, no_moment, DAY)", None),
    ],
    "TIMESTAMP_TRUNC": [
        ("TIMESTAMP_TRUNC('2008-12-25 15:30:00+00', DAY)", datetime(2008, 12, 25, tzinfo=UTC)),
        ("TIMESTAMP_TRUNC(old, SECOND)", datetime(1969, 12, 31, 23, 59, 58, tzinfo=UTC)),
        ("TIMESTAMP_TRUNC(moment, MONTH)", datetime(2024, 2, 1, tzinfo=UTC)),
        ("TIMESTAMP_TRUNC(moment, ISOWEEK)", datetime(2024, 2, 26, tzinfo=UTC)),
        ("TIMESTAMP_TRUNC(no_moment, DAY)", None),
    ],
    "FORMAT_TIMESTAMP": [
        ("FORMAT_TIMESTAMP('%F %T', moment)", "2024-02-29 23:59:58"),
        ("FORMAT_TIMESTAMP('%b %Y', TIMESTAMP '2050-12-25 15:30:55+00')", "Dec 2050"),
    ],
    "PARSE_TIMESTAMP": [
        ("PARSE_TIMESTAMP('%Y-%m-%d %H:%M:%S', '2008-12-25 07:30:00')", datetime(2008, 12, 25, 7, 30, tzinfo=UTC)),
        ("PARSE_TIMESTAMP('%d.%m.%YT%H:%M', '1.2.2024T5:6')", datetime(2024, 2, 1, 5, 6, tzinfo=UTC)),
        ("PARSE_TIMESTAMP('%F %T', '2008-12-31 23:59:60')", datetime(2009, 1, 1, tzinfo=UTC)),
        ("PARSE_TIMESTAMP('%F %T', '2008-12-25 25:00:00')", FAILS),
        ("PARSE_TIMESTAMP('%F', no_text)", None),
    ],
    "TIMESTAMP_SECONDS": [
        ("TIMESTAMP_SECONDS(1230219000)", datetime(2008, 12, 25, 15, 30, tzinfo=UTC)),
        ("TIMESTAMP_SECONDS(huge)", FAILS),
    ],
    "TIMESTAMP_MILLIS": [
        ("TIMESTAMP_MILLIS(1230219000000)", datetime(2008, 12, 25, 15, 30, tzinfo=UTC)),
        ("TIMESTAMP_MILLIS(no_int)", None),
    ],
    "TIMESTAMP_MICROS": [
        ("TIMESTAMP_MICROS(1230219000000000)", datetime(2008, 12, 25, 15, 30, tzinfo=UTC)),
        ("TIMESTAMP_MICROS(huge)", FAILS),
    ],
    "UNIX_SECONDS": [
        ("UNIX_SECONDS('2008-12-25 15:30:00+00')", 1230219000),
        ("UNIX_SECONDS(TIMESTAMP '1970-01-01 00:00:01.8+00')", 1),
        ("UNIX_SECONDS(old)", -2),
    ],
    "UNIX_MILLIS": [
        ("UNIX_MILLIS('2008-12-25 15:30:00+00')", 1230219000000),
        ("UNIX_MILLIS(TIMESTAMP '1970-01-01 00:00:00.0018+00')", 1),
    ],
    "UNIX_MICROS": [("UNIX_MICROS('2008-12-25 15:30:00+00')", 1230219000000000)],
}

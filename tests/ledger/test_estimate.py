"""What a batch is said to cost, by either choice."""

from __future__ import annotations

import re

import pytest

from include.ledger.estimate import FUNCTION_MOST_SECONDS, by_dataflow, by_function, prices
from include.ledger.landing import Landed
from tests.engine.builder import column, dataset

GB = 1_000_000_000
PLAIN = dataset(column("id"))
KEYED = dataset(column("id", primaryKey=True, required=True))


def landed(size: int, name: str = "a.csv") -> Landed:
    return Landed("landing", name, 1, size, "AAAAAA==")


def test_the_price_table_is_dated_and_names_its_source() -> None:
    table = prices()
    assert (table.currency, table.region) == ("USD", "us-central1")
    for tariff in (table.function, table.dataflow):
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", tariff.as_of)
        assert tariff.source.startswith("https://cloud.google.com/")
        assert all(0 < price < 1 for price in tariff.each.values())


def test_an_estimate_is_what_is_used_times_what_it_costs() -> None:
    files = [landed(2 * GB)]
    for estimate, tariff in (
        (by_function(KEYED, files), prices().function),
        (by_dataflow(KEYED, files), prices().dataflow),
    ):
        assert estimate.uses.keys() == tariff.each.keys()
        assert estimate.usd == pytest.approx(sum(tariff.each[unit] * used for unit, used in estimate.uses.items()))


def test_a_file_of_a_gigabyte_takes_the_function_the_time_that_was_measured() -> None:
    estimate = by_function(PLAIN, [landed(663_000_000)])
    assert estimate.seconds == pytest.approx(9.1 + 1.14)
    assert estimate.usd == pytest.approx(10.24 * (2 * 0.000024 + 0.0000025) + 0.0000004)


def test_small_files_are_dearer_on_dataflow_where_each_is_a_job() -> None:
    files = [landed(1000)] * 10
    one, ten = by_dataflow(PLAIN, files[:1]), by_dataflow(PLAIN, files)
    assert ten.usd == pytest.approx(10 * one.usd)
    assert ten.seconds == one.seconds
    assert ten.usd > 100 * by_function(PLAIN, files).usd


def test_a_large_file_is_faster_on_dataflow_and_may_be_too_long_for_a_function() -> None:
    files = [landed(300 * GB)]
    assert not by_function(PLAIN, files).possible
    assert by_function(PLAIN, files).seconds > FUNCTION_MOST_SECONDS
    assert by_dataflow(PLAIN, files).possible
    assert by_dataflow(PLAIN, files).seconds < by_function(PLAIN, files).seconds / 5


def test_a_compressed_file_is_more_work_than_its_size_says_and_has_one_worker() -> None:
    plain, packed = landed(40 * GB), landed(10 * GB, "a.csv.gz")
    assert by_function(PLAIN, [plain]).usd == pytest.approx(by_function(PLAIN, [packed]).usd)
    assert by_dataflow(PLAIN, [packed]).seconds > by_dataflow(PLAIN, [plain]).seconds


def test_keys_alone_are_shuffled() -> None:
    files = [landed(GB)]
    assert by_dataflow(PLAIN, files).uses["shuffle_gb"] == 0
    assert by_dataflow(KEYED, files).uses["shuffle_gb"] == pytest.approx(16 / 132.6)

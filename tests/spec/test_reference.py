"""What a pipeline may be enriched from, and what is said of a name that is none."""

from __future__ import annotations

from typing import Any

import pytest

from include.spec.dataset import load_dataset


@pytest.fixture
def enriched(spec: Any) -> Any:
    spec.columns.append({"name": "region", "logicalType": "string"})
    spec.pipeline["enrich"] = {"with": "table:crm.customers", "on": "id", "take": ["region"]}
    return spec


@pytest.mark.parametrize(
    ("name", "table"),
    [("table:crm.customers", "crm.customers"), ("reference/customers.csv", None), ("table:a_1.2b", "a_1.2b")],
)
def test_a_reference_is_a_file_of_the_folder_or_a_table(enriched: Any, name: str, table: str | None) -> None:
    enriched.pipeline["enrich"]["with"] = name
    assert enriched.build().pipeline.enrich.table == table


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("crm.customers", "Write table:crm.customers."),
        ("table: crm.customers", "Write table:crm.customers."),
        ("table:`crm.customers`", "Write table:crm.customers."),
        ({"table": "crm.customers"}, "Write table:crm.customers."),
        ("customers.csv", "Write reference/customers.csv, and put the file there."),
        ("table:my-project.crm.customers", "for another project's, make a view."),
        ("table:crm.customers; DROP TABLE x", "table:<dataset>.<table>."),
        ("table:crm.customers\n", "Write table:crm.customers."),
        ("table:crm", "table:<dataset>.<table>."),
        ("../customers.csv", "below reference/"),
        (7, "below reference/"),
        (None, "below reference/"),
    ],
)
def test_another_name_is_refused_with_what_to_write(enriched: Any, name: Any, fix: str) -> None:
    enriched.pipeline["enrich"]["with"] = name
    problem = enriched.problem()
    assert (problem.key, problem.line > 0) == ("enrich.with", True)
    assert "must be a CSV file of the folder" in problem.message
    assert problem.fix.endswith(fix) or fix in problem.fix


def test_a_table_needs_no_file_in_the_folder(orders: Any) -> None:
    (orders.path / "reference" / "customers.csv").unlink()
    orders.change("pipeline.yaml", "with: reference/customers.csv", "with: table:crm.customers")
    dataset = load_dataset(orders.path)
    assert dataset.pipeline.enrich is not None
    assert dataset.pipeline.enrich.table == "crm.customers"
